import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { logSuite, put, RegisterMachine } from "@nacre/testkit/log-suite";
import { openDurableLog } from "../storage/durable-log.ts";
import { turn } from "../storage/turn.ts";
import { FrameReader } from "./frames.ts";
import { TestGroup } from "./group.fixture.ts";

const IDS = ["a", "b", "c"];

logSuite("the log of a group of one", async (t, { machine, wallClock, limits }) => {
  const group = await TestGroup.make(t, ["a"]);
  const { log } = await group.open("a", { wallClock, limits }, machine);
  await group.during(log.readIndex());
  await group.until(() => log.appliedIndex === 2, "a session");
  return log;
});

for (const id of IDS) {
  logSuite(`the log of a group of three, at member ${id}`, async (t, { machine, wallClock, limits }) => {
    const group = await TestGroup.make(t, IDS);
    for (const one of IDS) await group.open(one, { wallClock, limits }, ...(one === id ? ([machine] as const) : []));
    await group.until(() => [...group.members.values()].every(({ log }) => log.appliedIndex === 4), "sessions");
    return group.get(id).log;
  });
}

describe("what is proposed at any member", () => {
  test("is on all of them", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const members = [...group.members.values()];
    const answers = members.flatMap(({ id, log }) => ["1", "2", "3"].map((n) => log.propose(put(`${id}${n}`, n))));
    await Promise.all(answers);
    await group.settled();
    const expected = [...group.get("a").machine.registers].sort();
    assert.equal(expected.length, 10);
    for (const { machine } of members) assert.deepEqual([...machine.registers].sort(), expected);
  });

  test("is applied once, however often its way to the leader is tried (Q4)", async (t) => {
    const group = await TestGroup.ready(t, IDS, { proposals: { forwardMs: 100 } });
    const { log, id } = group.follower;
    const leader = group.leader?.id;
    let lost = 0;
    // Nothing of what the leader says comes back, but the leader has it all.
    group.loses = (from, to) => from === leader && to === id && lost++ < 1000;
    const answer = log.propose(put("key", "value"));
    const before = log.status().pending;
    await group.until(() => lost > 50, "some retries");
    group.loses = () => false;
    assert.equal((await group.during(answer)).before, undefined, "the first copy counts");
    assert.equal(before, 1);
    await group.settled();
    for (const { machine } of group.members.values()) {
      const puts = machine.entries.filter(({ command }) => command.type === "put" && command.key === "key");
      assert.equal(puts.length, 1);
    }
    const { lastIndex } = log.status();
    assert.ok(lastIndex > 8, "there were copies in the log");
  });

  test("goes to the next leader when this one is gone", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const leader = group.leader?.id ?? "";
    const { log } = group.follower;
    group.isolate(leader);
    const answer = log.propose(put("key", "value"));
    assert.equal((await group.during(answer)).before, undefined);
    assert.notEqual(log.status().leader, leader);
  });

  test("is refused at once by a member that knows no majority in reach", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const { log, id } = group.follower;
    group.clock.setWall(Date.parse("2026-01-02T12:00:03Z"));
    group.isolate(id);
    await group.until(() => log.status().leader === undefined, "that it hears no leader");
    const others = IDS.filter((one) => one !== id);
    const message =
      `2 of 3 members are needed to change durable data; ${others[0]}:8848 and ${others[1]}:8848 are out of reach ` +
      "since 12:00:03 UTC";
    await assert.rejects(log.propose(put("key", "value")), { failure: "notApplied", message });
    await assert.rejects(log.readIndex(), { failure: "unavailable", message });
    assert.equal(log.status().pending, 0);
  });

  test("is unknown when it was on its way to a leader that was not heard of again", async (t) => {
    const group = await TestGroup.ready(t, IDS, { proposals: { deadlineMs: 1000 } });
    const leader = group.leader?.log;
    const answer = leader?.propose(put("key", "value"));
    group.isolate(group.leader?.id ?? "");
    assert.ok(answer !== undefined);
    await assert.rejects(group.during(answer), { failure: "outcomeUnknown", message: /1 s have passed/ });
  });

  test("is not done for certain when no leader was there to take it", async (t) => {
    const group = await TestGroup.make(t, IDS);
    await group.open("a", { proposals: { deadlineMs: 1000 } });
    group.reachesAll = true;
    const answer = group.get("a").log.propose(put("key", "value"));
    await assert.rejects(group.during(answer), { failure: "notApplied", message: /no leader took it/ });
  });

  test("waits for a group at a member that belongs to none, and is not done without one", async (t) => {
    const group = await TestGroup.make(t, ["a"]);
    await group.open("a", { founder: undefined });
    const answer = group.get("a").log.propose(put("key", "value"));
    await assert.rejects(group.during(answer), { failure: "notApplied" });
  });

  test("may be larger than a frame, on the way to the leader and from it", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const { log } = group.follower;
    const value = "x".repeat(3_500_000);
    await group.during(Promise.all([log.propose(put("large", value)), log.propose(put("small", "1"))]));
    await group.settled();
    for (const { machine } of group.members.values()) assert.equal(machine.registers.get("large"), value);
    await assert.rejects(log.propose(put("larger", "x".repeat(17_000_000))), { failure: "invalidParameter" });
  });

  test("finds another session when its own was ended by the group", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const { log } = group.follower;
    // A day later another member begins a life, and sessions that nobody used since end.
    group.clock.setWall(group.clock.now() + 25 * 3_600_000);
    const third = [...group.members.values()].find((one) => one.log !== log && one.id !== group.leader?.id);
    await group.kill(third?.id ?? "");
    const again = await group.open(third?.id ?? "");
    await group.during(again.log.propose(put("other", "value")));
    const { lastIndex } = log.status();
    assert.equal((await group.during(log.propose(put("key", "value")))).before, undefined);
    assert.equal(log.status().lastIndex, lastIndex + 3, "the write that came too late, a session, the write");
  });
});

describe("a read index", () => {
  test("waits at a follower for what was answered elsewhere before", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const { log, machine } = group.follower;
    for (let n = 0; n < 20; n++) {
      await group.during(Promise.resolve(group.leader?.log.propose(put("key", `${n}`))));
      await group.during(log.readIndex());
      assert.equal(machine.registers.get("key"), `${n}`);
    }
  });
});

describe("what another member answers late", () => {
  test("to an earlier life is no answer to this one, which asked after more had been acknowledged", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const leader = group.leader;
    const { id } = group.follower;
    assert.ok(leader !== undefined);
    const late: Uint8Array[] = [];
    const isIndex = (frame: Uint8Array): boolean => {
      const heard = new FrameReader().push(frame);
      return heard?.type === "index";
    };
    group.loses = (from, to, frame) => {
      const isHeld = from === leader.id && to === id && isIndex(frame);
      if (isHeld) late.push(frame);
      return isHeld;
    };
    // The first thing that each of the two lives asks for.
    await group.kill(id);
    const first = await group.open(id);
    const unanswered = first.log.readIndex().catch(() => {});
    await group.until(() => late.length > 0, "an answer");
    await group.kill(id);
    await unanswered;
    const again = await group.open(id);
    group.loses = (_, to) => to === id;
    await group.until(() => group.leader !== undefined, "a leader");
    await group.during(leader.log.propose(put("key", "acknowledged")));
    let isAnswered = false;
    const read = again.log.readIndex().then(() => {
      isAnswered = true;
    });
    await turn();
    for (const frame of late) assert.equal(again.log.received(leader.id, frame), undefined);
    await turn();
    assert.equal(isAnswered, false);
    group.loses = () => false;
    await group.during(read);
    assert.equal(again.machine.registers.get("key"), "acknowledged");
  });
});

describe("a start", () => {
  test("goes on where the life before had come to", async (t) => {
    const group = await TestGroup.ready(t, ["a"]);
    await group.during(group.get("a").log.propose(put("key", "1")));
    for (const end of ["kill", "stop"] as const) {
      await group[end]("a");
      const { log, machine } = await group.open("a");
      await group.during(log.readIndex());
      assert.equal(machine.registers.get("key"), "1");
      assert.equal((await group.during(log.propose(put("key", "1")))).before, "1");
    }
  });

  test("takes over the log of a member that never had a group", async (t) => {
    const group = await TestGroup.make(t, ["a"]);
    const directory = join(group.directory, "a");
    const limits = { snapshotLogBytes: 600, segmentBytes: 500 };
    const before = await openDurableLog({ directory, machine: new RegisterMachine(), boot: "here", limits });
    for (let n = 0; n < 40; n++) await before.propose(put(`key-${n % 7}`, `${n}`));
    await before.close();
    const { log, machine } = await group.open("a", { limits });
    assert.equal(machine.registers.get("key-4"), "39");
    await group.during(log.propose(put("key-4", "new")));
    assert.deepEqual(log.status().configuration, { voters: ["a"], learners: [] });
    await group.kill("a");
    const again = await group.open("a", { limits, founder: undefined });
    await group.during(again.log.readIndex());
    assert.equal(again.machine.registers.get("key-4"), "new");
  });
});
