import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { put } from "@nacre/testkit/log-suite";
import { Random } from "@nacre/testkit/random";
import Database from "better-sqlite3";
import { nodeFiles } from "../storage/files.ts";
import { TestGroup, type TestMember } from "./group.fixture.ts";

const IDS = ["a", "b", "c"];
/** Few bytes, so that snapshots come soon; the store holds more rows than one part of a snapshot. */
const SMALL = { limits: { snapshotLogBytes: 4000, segmentBytes: 2000 }, raft: { chunkBytes: 300 } };

async function write(group: TestGroup, { log }: TestMember, count: number, prefix = "key"): Promise<void> {
  for (let n = 0; n < count; n += 10) {
    const batch = Array.from({ length: 10 }, (_, at) => log.propose(put(`${prefix}-${n + at}`, `${n + at}`)));
    await group.during(Promise.all(batch));
  }
}

function leaderOf(group: TestGroup): TestMember {
  assert.ok(group.leader !== undefined);
  return group.leader;
}

/** A follower was away for longer than the log goes back. */
async function left(t: TestContext): Promise<{ group: TestGroup; away: TestMember; leader: TestMember }> {
  const group = await TestGroup.ready(t, IDS, SMALL);
  const away = group.follower;
  group.isolate(away.id);
  const leader = leaderOf(group);
  await write(group, leader, 200);
  const behind = away.log.status().lastIndex;
  await group.until(() => leader.log.status().firstIndex > behind + 1, "that the log was cut");
  return { group, away, leader };
}

describe("a member that lacks more than the log goes back", () => {
  test("takes a snapshot while it serves, and the group goes on meanwhile", async (t) => {
    const { group, away, leader } = await left(t);
    assert.equal(away.machine.registers.get("key-199"), undefined);
    group.isolate(away.id, false);
    const answer = leader.log.propose(put("meanwhile", "1"));
    await group.until(() => away.machine.registers.get("meanwhile") === "1", "that it has caught up");
    await group.during(answer);
    assert.deepEqual([...away.machine.registers].sort(), [...leader.machine.registers].sort());
    assert.ok(away.machine.entries.length < leader.machine.entries.length, "most of it came as a state");
    await group.during(away.log.propose(put("here", "1")));
    assert.equal(leader.machine.registers.get("here"), "1");
    const status = leader.log.status().followers.find(({ id }) => id === away.id);
    assert.equal(status?.mode, "pipeline");
    assert.equal(status?.lag, 0);
    const names = await readdir(join(group.directory, away.id, "snapshots"));
    assert.ok(
      names.every((name) => name.endsWith(".snapshot")),
      `${names}`,
    );
  });

  test("takes it also when parts are lost and the leader changes meanwhile", async (t) => {
    const { group, away } = await left(t);
    const random = new Random(7);
    let frames = 0;
    group.loses = (_, to) => to === away.id && frames++ > 0 && random.chance(0.2);
    group.isolate(away.id, false);
    await group.until(() => frames > 12);
    await group.during(
      leaderOf(group)
        .log.order({ type: "transfer", id: undefined })
        .catch(() => {}),
    );
    await group.until(() => away.machine.registers.get("key-199") !== undefined, "that it has caught up");
    group.loses = () => false;
    await group.settled();
  });

  test("goes on behind what is in the file when it is killed on the way", async (t) => {
    const { group, away, leader } = await left(t);
    const folder = join(group.directory, away.id, "snapshots");
    const begun = () =>
      readdirSync(folder).some((name) => name.endsWith(".incoming") && statSync(join(folder, name)).size > 2000);
    // Parts come one by one, since most of them are lost.
    const random = new Random(3);
    group.loses = (_, to) => to === away.id && random.chance(0.5);
    group.isolate(away.id, false);
    await group.until(begun, "a part of the snapshot");
    await group.kill(away.id);
    const rest = readdirSync(folder).filter((name) => name.endsWith(".incoming"));
    assert.equal(rest.length, 1, "it had not come whole");
    const chunks: number[] = [];
    const again = await group.open(away.id, SMALL);
    group.loses = (from, to) => {
      const snapshot = leader.log.status().followers.find(({ id }) => id === away.id)?.snapshot;
      const isThis = rest[0]?.endsWith(`-${snapshot?.total}.incoming`) ?? false;
      if (from === leader.id && to === away.id && isThis) chunks.push(snapshot?.sent ?? 0);
      return false;
    };
    await group.until(() => again.machine.registers.get("key-199") !== undefined, "that it has caught up");
    await group.settled();
    assert.ok(chunks.length > 0 && Math.min(...chunks) > 1500, `what was sent of it: ${chunks}`);
  });

  test("starts from its store, and takes another one, when that which it took is damaged afterwards", async (t) => {
    const { group, away, leader } = await left(t);
    group.isolate(away.id, false);
    await group.until(() => away.machine.registers.get("key-199") === "199", "that it has caught up");
    await group.settled();
    await group.stop(away.id);
    const folder = join(group.directory, away.id, "snapshots");
    for (const name of readdirSync(folder)) {
      const bytes = readFileSync(join(folder, name));
      bytes[10] = (bytes[10] ?? 0) ^ 1;
      writeFileSync(join(folder, name), bytes);
    }
    const again = await group.open(away.id, SMALL);
    const { snapshotIndex, appliedIndex } = again.log.status();
    assert.equal(snapshotIndex, appliedIndex);
    assert.equal(again.machine.registers.get("key-199"), "199");
    await group.during(leader.log.propose(put("next", "1")));
    await group.settled();
    assert.equal(again.machine.registers.get("next"), "1");
  });

  test("takes the next one when that of the leader cannot be read", async (t) => {
    const { group, away, leader } = await left(t);
    const folder = join(group.directory, leader.id, "snapshots");
    for (const name of readdirSync(folder)) rmSync(join(folder, name));
    let reads = 0;
    const { readRange } = nodeFiles;
    t.mock.method(nodeFiles, "readRange", (path: string, position: number, bytes: number) => {
      if (path.startsWith(folder)) reads++;
      return readRange(path, position, bytes);
    });
    group.isolate(away.id, false);
    const lostAt = group.clock.now();
    await group.until(() => group.clock.now() > lostAt + 2_000, "time");
    assert.ok(reads > 0 && reads < 100, `it was tried ${reads} times`);
    await group.during(leader.log.propose(put("next", "1")));
    await group.until(() => away.machine.registers.get("next") === "1", "that it has caught up");
    await group.settled();
  });

  test("takes another one when that of the leader is damaged on its disk", async (t) => {
    const { group, away, leader } = await left(t);
    const folder = join(group.directory, leader.id, "snapshots");
    for (const name of readdirSync(folder)) {
      const bytes = readFileSync(join(folder, name));
      const middle = bytes.length >> 1;
      bytes[middle] = (bytes[middle] ?? 0) ^ 1;
      writeFileSync(join(folder, name), bytes);
    }
    group.isolate(away.id, false);
    await group.until(() => away.machine.registers.get("key-199") !== undefined, "that it has caught up");
    await group.settled();
    assert.deepEqual([...away.machine.registers].sort(), [...leader.machine.registers].sort());
  });

  test("takes it while a snapshot of its own comes to its end", async (t) => {
    const { group, away } = await left(t);
    const { faults, log } = away;
    const gate = Promise.withResolvers<void>();
    Object.assign(faults, { where: "/snapshots/", syncGate: gate.promise });
    const own = log.takeSnapshot().catch(() => {});
    const { appliedIndex } = log;
    group.isolate(away.id, false);
    // The group's time stands still for the syncs that are held.
    await group.until(() => log.status().commitIndex > appliedIndex, "that the other one has come");
    faults.syncGate = undefined;
    gate.resolve();
    await own;
    const isThere = () => away.machine.registers.get("key-199") !== undefined;
    await group.until(() => isThere() || log.status().stopped !== undefined, "that it has caught up");
    assert.equal(log.status().stopped, undefined);
    await group.settled();
  });

  test("answers that a write was done but not what it gave, when the state came instead of its entry", async (t) => {
    const group = await TestGroup.ready(t, IDS, SMALL);
    const away = group.follower;
    const leader = leaderOf(group);
    // What it proposes gets there, and nothing comes back.
    group.loses = (_, to) => to === away.id;
    const answer = away.log.propose(put("key", "value")).catch((thrown: unknown) => thrown);
    await group.until(() => leader.machine.registers.get("key") === "value", "the write");
    await write(group, leader, 200);
    await group.until(() => leader.log.status().firstIndex > away.log.status().lastIndex + 1, "that the log was cut");
    group.loses = () => false;
    const outcome = (await group.during(answer)) as { failure?: string; message?: string };
    assert.equal(outcome.failure, "outcomeUnknown");
    assert.match(outcome.message ?? "", /the write was done/);
  });
});

describe("an order", () => {
  test("adds a learner, which is made a voter when it has caught up", async (t) => {
    const group = await TestGroup.ready(t, ["a"], SMALL);
    await write(group, group.get("a"), 200);
    const newcomer = await group.open("b", { ...SMALL, founder: undefined });
    await group.during(group.get("a").log.order({ type: "addLearner", id: "b" }));
    await group.until(() => group.get("a").log.status().configuration.voters.includes("b"), "another voter");
    await group.settled();
    assert.deepEqual(newcomer.log.status().configuration, { voters: ["a", "b"], learners: [] });
    assert.equal(newcomer.machine.registers.get("key-199"), "199");
  });

  test("waits for the change before it, so that several may be given at once", async (t) => {
    const group = await TestGroup.ready(t, ["a"], SMALL);
    const newcomers = ["b", "c", "d"];
    for (const id of newcomers) await group.open(id, { ...SMALL, founder: undefined });
    const { log } = group.get("a");
    await group.during(Promise.all(newcomers.map((id) => log.order({ type: "addLearner", id }))));
    await group.until(() => log.status().configuration.voters.length === 4, "that all are voters");
    await group.settled();
  });

  test("removes a voter, given at any member", async (t) => {
    const removed: string[] = [];
    const group = await TestGroup.make(t, IDS);
    for (const id of IDS) await group.open(id, { events: { removed: () => removed.push(id) } });
    await group.settled();
    const leader = leaderOf(group);
    const [first, second] = [...group.members.values()].filter(({ id }) => id !== leader.id) as [
      TestMember,
      TestMember,
    ];
    const { lastIndex } = leader.log.status();
    await group.during(first.log.order({ type: "remove", id: second.id }));
    await group.until(() => leader.log.appliedIndex === lastIndex + 2, "the change, and the end of a session");
    await group.until(() => removed.length === 1, "that it knows");
    assert.deepEqual(removed, [second.id]);
    assert.deepEqual(leader.log.status().configuration.voters.toSorted(), [first.id, leader.id].toSorted());
    await group.stop(second.id);
    await assert.rejects(group.during(leader.log.order({ type: "remove", id: "x" })), {
      failure: "notApplied",
      message: /because it is so already/,
    });
  });

  test("is not called done by a leader of before, to which the state came instead of what became of it", async (t) => {
    const group = await TestGroup.ready(t, IDS, { ...SMALL, proposals: { deadlineMs: 60_000 } });
    const before = leaderOf(group);
    group.isolate(before.id);
    const order = before.log.order({ type: "addLearner", id: "x" });
    const outcome = order.then(
      () => "done",
      ({ failure }: { failure: string }) => failure,
    );
    await group.until(() => group.leader !== undefined && group.leader !== before, "another leader");
    const leader = leaderOf(group);
    await write(group, leader, 200);
    await group.until(() => leader.log.status().firstIndex > before.log.status().lastIndex + 1, "that the log was cut");
    group.isolate(before.id, false);
    assert.equal(await group.during(outcome), "outcomeUnknown");
    await group.settled();
    assert.deepEqual(before.log.status().configuration.learners, []);
  });

  test("hands the leadership over", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const { id, log } = group.follower;
    await group.during(log.order({ type: "transfer", id }));
    await group.until(() => group.leader?.id === id, "the new leader");
  });

  test("hands the leadership over once, should several ask for it", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const { id, log } = leaderOf(group);
    const [next, other] = IDS.filter((one) => one !== id);
    const orders = Promise.allSettled(
      [next, undefined, next, other].map((to) => log.order({ type: "transfer", id: to })),
    );
    const outcomes = (await group.during(orders)).map((one) => one.status === "fulfilled" || one.reason.message);
    const refused = "the leadership is being handed over to another member already";
    assert.deepEqual(outcomes, [true, true, true, refused]);
    await group.until(() => group.leader?.id === next, "the new leader");
  });
});

describe("a planned stop", () => {
  test("leaves no time without a leader", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const before = leaderOf(group);
    const startedAt = group.clock.now();
    const others = [...group.members.values()].filter((one) => one !== before);
    const stopping = group.stop(before.id);
    await group.until(() => others.some(({ log }) => log.status().role === "leader"), "another leader");
    assert.ok(group.clock.now() - startedAt < 500, `${group.clock.now() - startedAt} ms`);
    await stopping;
  });

  test("gives what is proposed its outcome", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const { id, log } = group.follower;
    group.isolate(id);
    const never = log.propose(put("key", "value")).catch((thrown: unknown) => thrown);
    const reading = log.readIndex().catch((thrown: unknown) => thrown);
    await group.stop(id);
    assert.equal(((await never) as { failure: string }).failure, "notApplied");
    assert.equal(((await reading) as { failure: string }).failure, "unavailable");
  });
});

describe("a slow disk", () => {
  test("of both followers: nothing counts before it is on one of them (Q2)", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const leader = leaderOf(group);
    const gate = Promise.withResolvers<void>();
    for (const { id, faults } of group.members.values()) if (id !== leader.id) faults.syncGate = gate.promise;
    let isAnswered = false;
    const answer = leader.log.propose(put("key", "value")).then(() => {
      isAnswered = true;
    });
    const startedAt = group.clock.now();
    await group.until(() => group.clock.now() > startedAt + 3000, "time");
    assert.equal(isAnswered, false);
    assert.equal(leaderOf(group).id, leader.id, "it leads all the while");
    gate.resolve();
    await group.during(answer);
  });

  test("of the leader: what the followers have on theirs is committed without it", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const { log, machine } = group.follower;
    const leader = leaderOf(group);
    const gate = Promise.withResolvers<void>();
    leader.faults.syncGate = gate.promise;
    await group.during(log.propose(put("key", "value")));
    assert.equal(machine.registers.get("key"), "value");
    assert.equal(leader.machine.registers.get("key"), undefined);
    gate.resolve();
    await group.settled();
  });
});

describe("a store that fails", () => {
  test("has its member refuse writes by name, while others take them, until it takes writes again", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const leader = leaderOf(group);
    const { id, log } = group.follower;
    const other = new Database(join(group.directory, id, "store.db"), { timeout: 0 });
    t.after(() => other.close());
    other.exec("BEGIN IMMEDIATE");
    await group.during(log.propose(put("first", "1")));
    assert.match(log.status().storeFailing ?? "", /store.db cannot be written/);
    await assert.rejects(log.propose(put("next", "1")), {
      failure: "dataAccess",
      message: /store.db cannot be written/,
    });
    await group.during(leader.log.propose(put("elsewhere", "1")));
    other.exec("ROLLBACK");
    await group.until(() => log.status().storeFailing === undefined, "that the store takes writes again");
    await group.during(log.propose(put("later", "1")));
    assert.equal(leader.machine.registers.get("next"), undefined);
  });
});

describe("a full disk", () => {
  test("of a leader: another one leads, and writes go on", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const before = leaderOf(group);
    before.faults.write = { code: "ENOSPC", afterBytes: 3 };
    const first = before.log.propose(put("key", "1"));
    await group.until(() => group.leader !== undefined && group.leader.id !== before.id, "another leader");
    await assert.rejects(before.log.propose(put("key", "2")), { failure: "dataAccess", message: /ENOSPC/ });
    assert.match(before.log.status().refusing ?? "", /ENOSPC/);
    assert.equal(before.log.status().full, before.log.status().refusing);
    await group.during(leaderOf(group).log.propose(put("key", "3")));
    before.faults.write = undefined;
    await group.until(() => before.log.status().refusing === undefined, "that it takes writes again");
    assert.equal(before.log.status().full, undefined);
    assert.equal((await group.during(first)).before, undefined, "what was on its way is done, by the next leader");
    await group.settled();
    await group.during(leaderOf(group).log.order({ type: "transfer", id: before.id }));
    await group.until(() => group.leader?.id === before.id, "that it leads again");
  });

  test("of a member by itself: the write is refused with the reason, and the next one is a new try", async (t) => {
    const group = await TestGroup.ready(t, ["a"]);
    const { log, faults } = group.get("a");
    faults.write = { code: "ENOSPC", afterBytes: 3 };
    await assert.rejects(group.during(log.propose(put("key", "1"))), { failure: "dataAccess", message: /ENOSPC/ });
    faults.write = undefined;
    assert.equal((await group.during(log.propose(put("key", "2")))).before, undefined);
    await group.kill("a");
    const again = await group.open("a");
    await group.during(again.log.readIndex());
    assert.equal(again.machine.registers.get("key"), "2");
  });

  test("of a member by itself: it finds that there is space again although nobody writes", async (t) => {
    const group = await TestGroup.ready(t, ["a"]);
    const { log, faults } = group.get("a");
    faults.write = { code: "ENOSPC", afterBytes: 3 };
    await assert.rejects(group.during(log.propose(put("key", "1"))), { failure: "dataAccess" });
    const failedAt = group.clock.now();
    await group.until(() => group.clock.now() > failedAt + 5_000, "time");
    assert.match(log.status().full ?? "", /ENOSPC/, "as long as it lasts");
    faults.write = undefined;
    await group.until(() => log.status().full === undefined, "that it takes writes again");
    assert.equal(log.status().refusing, undefined);
    await group.during(log.propose(put("key", "2")));
  });

  test("of a leader whose followers are gone: it leads again by itself when there is space", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    const leader = leaderOf(group);
    group.isolate(leader.id);
    leader.faults.write = { code: "ENOSPC", afterBytes: 3 };
    const lost = leader.log.propose(put("key", "1")).catch(() => {});
    await group.until(() => leader.log.status().full !== undefined, "that it is full");
    const others = [...group.members.keys()].filter((id) => id !== leader.id);
    for (const id of others) await group.kill(id);
    leader.faults.write = undefined;
    await group.until(() => leader.log.status().full === undefined, "that it takes writes again");
    await group.during(lost);
    for (const id of others) await group.open(id);
    group.isolate(leader.id, false);
    await group.settled();
  });

  test("of all members: nothing is answered until one has space", async (t) => {
    const group = await TestGroup.ready(t, IDS);
    for (const { faults } of group.members.values()) faults.write = { code: "ENOSPC", afterBytes: 0 };
    const { log } = group.follower;
    const failed = (await group.during(log.propose(put("key", "1")).catch((thrown: unknown) => thrown))) as {
      failure: string;
    };
    assert.ok(["notApplied", "outcomeUnknown"].includes(failed.failure), failed.failure);
    for (const { faults } of group.members.values()) faults.write = undefined;
    const states = () => [...group.members.values()].map((one) => one.log.status().refusing);
    await group.until(() => states().every((refusing) => refusing === undefined), "that they take writes again");
    await group.settled();
  });
});
