import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { put, type RegisterCommand, RegisterMachine, type RegisterResult } from "@nacre/testkit/log-suite";
import { TestGroup } from "../../raft/group.fixture.ts";
import { LeadersResponsibility } from "../../responsibility.ts";
import type { Files } from "../../storage/files.ts";
import { takeFolder } from "../../storage/lock.ts";
import { type OpenedIdentity, openIdentity } from "../identity.ts";
import type { WhyNot } from "./early-calls.ts";
import { GroupLog } from "./group-log.ts";
import { ALONE as OUTSIDE } from "./port.ts";

interface Opened {
  readonly log: GroupLog<RegisterCommand, RegisterResult>;
  readonly machine: RegisterMachine;
  readonly identity: OpenedIdentity;
  readonly responsibility: LeadersResponsibility;
  readonly told: string[];
}

/** The time of the group fixture, and a folder of its own; no other member. */
async function member(t: TestContext) {
  const time = await TestGroup.make(t, ["a"]);
  const directory = join(time.directory, "member");
  const open = async (isAlone = true, files: Files = time.files): Promise<Opened> => {
    const lock = await takeFolder(directory);
    const identity = await openIdentity(directory, time.files);
    const machine = new RegisterMachine();
    const responsibility = new LeadersResponsibility();
    const told: string[] = [];
    const say = (_: object, text: string): void => void told.push(text);
    const log = await GroupLog.open<RegisterCommand, RegisterResult>({
      clock: time.clock,
      log: { debug: () => {}, info: () => {}, warn: say, error: say } as never,
      directory,
      lock,
      machine,
      identity,
      peers: { send: () => {}, outOfReachSince: () => 0, addressOf: (id) => id },
      responsibility,
      isAlone,
      files,
    });
    return { log, machine, identity, responsibility, told };
  };
  return { time, directory, open };
}

describe("the log of a member alone", () => {
  test("is a group of one at once, and this member is responsible", async (t) => {
    const { time, open } = await member(t);
    const { log, machine, identity, responsibility } = await open();
    await time.during(log.propose(put("key", "1")));
    assert.equal(machine.registers.get("key"), "1");
    assert.deepEqual(log.group?.configuration.voters, [identity.identity.memberId]);
    assert.ok(responsibility.isResponsible());
    assert.ok(log.holdsData);
    assert.deepEqual([identity.identity.group, identity.identity.peers], ["joins", {}]);
    await time.during(log.close());
  });

  test("holds data when it is opened again, although nothing of it was applied yet, and none before the first write", async (t) => {
    const { time, open } = await member(t);
    const first = await open();
    await time.during(first.log.readIndex());
    assert.equal(first.log.holdsData, false, "entries of the group are no data");
    await time.during(first.log.propose(put("key", "1")));
    await time.during(first.log.close());
    const second = await open();
    assert.ok(second.log.holdsData);
    await time.during(second.log.close());
  });

  test("waits for more voters before its first write, with a bound, and asks no more behind that", async (t) => {
    const { time, open } = await member(t);
    const { log } = await open();
    let why: WhyNot | undefined = { sentence: "1 of 3 are", isCertain: false };
    let held = 0;
    log.outside = { ...OUTSIDE, whyNotFirst: () => why, held: () => held++ };
    await assert.rejects(time.during(log.propose(put("key", "1"))), { failure: "notApplied", message: "1 of 3 are" });
    assert.equal(held, 0);
    const waits = log.propose(put("key", "2"));
    why = undefined;
    log.look();
    assert.equal(held, 1, "the cluster id stands before anything is proposed");
    await time.during(waits);
    why = { sentence: "1 of 5 are", isCertain: true };
    await time.during(log.propose(put("key", "3")));
    await time.during(log.close());
  });
});

describe("a call that comes before its group", () => {
  const HOPELESS: WhyNot = { sentence: "b is out of reach", isCertain: true };

  test("is refused at once when no group can come together, and as soon as that is known", async (t) => {
    const { time, open } = await member(t);
    const { log } = await open(false);
    let why: WhyNot = { sentence: "it may come", isCertain: false };
    log.outside = { ...OUTSIDE, whyNotFirst: () => why };
    const early = Promise.allSettled([log.propose(put("key", "1")), log.readIndex()]);
    await time.during(Promise.resolve());
    why = HOPELESS;
    const from = time.clock.now();
    log.look();
    for (const calls of [early, Promise.allSettled([log.propose(put("key", "2")), log.readIndex()])]) {
      const told = (await calls).map(
        (call) => call.status === "rejected" && [call.reason.failure, call.reason.message],
      );
      assert.deepEqual(told, [
        ["notApplied", "b is out of reach"],
        ["unavailable", "b is out of reach"],
      ]);
    }
    assert.equal(time.clock.now(), from, "nobody waited");
    await time.during(log.close());
  });

  test("goes on when a group comes, a read like a write", async (t) => {
    const { time, open } = await member(t);
    const { log } = await open(false);
    log.outside = {
      ...OUTSIDE,
      whyNotFirst: () => (log.group?.leader ? undefined : { sentence: "", isCertain: false }),
    };
    const calls = Promise.all([log.propose(put("key", "1")), log.readIndex()]);
    await time.during(log.found());
    await time.during(calls);
    await time.during(log.close());
  });
});

describe("a member alone that is refused by most of its list", () => {
  test("takes no writes as long as that is so, although it holds data", async (t) => {
    const { time, open } = await member(t);
    const { log } = await open();
    await time.during(log.propose(put("key", "1")));
    let apart: string | undefined = "it is no part of it";
    log.outside = { ...OUTSIDE, whyApart: () => apart };
    log.look();
    await assert.rejects(log.propose(put("key", "2")), { failure: "notApplied", message: "it is no part of it" });
    apart = undefined;
    log.look();
    await time.during(log.propose(put("key", "3")));
    await time.during(log.close());
  });
});

describe("a log that is given up", () => {
  test("is set aside, and the features go on with nothing", async (t) => {
    const { time, directory, open } = await member(t);
    const { log, machine, identity, responsibility, told } = await open();
    await time.during(log.propose(put("key", "1")));
    await identity.save({ epoch: 1, group: "over" });
    await time.during(log.giveUp());
    assert.equal(machine.registers.size, 0);
    assert.equal(log.appliedIndex, 0);
    assert.equal(log.holdsData, false);
    assert.equal(responsibility.isResponsible(), false);
    assert.deepEqual(log.group?.configuration.voters, [], "it founds no group, although it is alone");
    assert.equal(identity.identity.group, "joins");
    assert.match(told.join(), /epoch 1, and what it held was of another one: it is set aside in .*left-behind/);
    assert.ok((await readdir(join(directory, "left-behind", "1"))).includes("reason.json"));
    await assert.rejects(time.during(log.propose(put("key", "2"))), { failure: "notApplied" });
    await time.during(log.close());
  });

  test("is set aside with its first write, should that be acknowledged while it is given up", async (t) => {
    const { time, directory, open } = await member(t);
    const { log, identity } = await open();
    await time.during(log.readIndex());
    await identity.save({ epoch: 1, group: "over" });
    const answer = log.propose(put("key", "1"));
    const given = log.giveUp();
    assert.equal(log.holdsData, false, "it is on its way");
    await time.during(answer);
    await time.during(given);
    assert.deepEqual(await readdir(join(directory, "left-behind")), ["1"]);
    await time.during(log.close());
  });

  test("is set aside once, however often the next one cannot be begun", async (t) => {
    const { time, directory, open } = await member(t);
    let isFull = false;
    const makeDirectory: Files["makeDirectory"] = async (path) => {
      if (isFull && path === join(directory, "log")) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
      return time.files.makeDirectory(path);
    };
    const files = { ...time.files, makeDirectory };
    const { log, identity, told } = await open(true, files);
    await time.during(log.propose(put("key", "1")));
    await identity.save({ epoch: 1, group: "over" });
    isFull = true;
    const given = log.giveUp();
    await time.until(() => told.filter((text) => /could not be begun/.test(text)).length === 3, "three tries");
    await assert.rejects(time.during(log.readIndex()), { failure: "unavailable", message: /is exchanged.*try again/ });
    isFull = false;
    await time.during(given);
    assert.deepEqual(await readdir(join(directory, "left-behind")), ["1"]);
    assert.ok((await readdir(join(directory, "left-behind", "1"))).includes("log"));
    await time.during(log.close());
  });

  test("is given up once, however often it is said", async (t) => {
    const { time, directory, open } = await member(t);
    const { log, identity } = await open();
    await time.during(log.propose(put("key", "1")));
    await identity.save({ clusterId: "other", group: "over" });
    await time.during(Promise.all([log.giveUp(), log.giveUp()]));
    assert.deepEqual(await readdir(join(directory, "left-behind")), ["1"]);
    assert.equal(identity.identity.group, "joins");
    await time.during(log.close());
  });

  test("is not set aside when it was never used", async (t) => {
    const { time, directory, open } = await member(t);
    const { log, identity } = await open(false);
    await identity.save({ clusterId: "other", group: "over" });
    await time.during(log.giveUp());
    assert.ok(!(await readdir(directory)).includes("left-behind"));
    assert.equal(identity.identity.group, "joins");
    await time.during(log.close());
  });

  test("is set aside by the next start when the process ended before it was", async (t) => {
    const { time, open } = await member(t);
    const first = await open();
    await time.during(first.log.propose(put("key", "1")));
    await first.identity.save({ epoch: 1, group: "over" });
    await time.during(first.log.close());
    const second = await open();
    assert.equal(second.machine.registers.size, 0);
    assert.equal(second.identity.identity.group, "joins");
    await time.during(second.log.close());
  });
});

describe("a member that is not to be alone", () => {
  test("founds its group when it is told to, and writes that wait go on", async (t) => {
    const { time, open } = await member(t);
    const { log, machine } = await open(false);
    let isIn = false;
    log.outside = { ...OUTSIDE, whyNotFirst: () => (isIn ? undefined : { sentence: "0 of 1 are", isCertain: false }) };
    const waits = log.propose(put("key", "1"));
    const founded = log.found();
    await time.during(founded);
    isIn = true;
    await time.during(waits);
    assert.equal(machine.registers.get("key"), "1");
    await time.during(log.close());
  });
});
