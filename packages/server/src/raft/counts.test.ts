import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { describe, test } from "node:test";
import { put } from "@nacre/testkit/log-suite";
import { TestGroup } from "./group.fixture.ts";
import { HASHED_ENTRIES } from "./machine.ts";

describe("the log of a member says of itself", () => {
  test("what came of its proposals, and how often it came to a leader", async (t) => {
    const group = await TestGroup.ready(t, ["a", "b", "c"]);
    const { leader } = group;
    assert.ok(leader !== undefined);
    const before = leader.log.status().counts;
    assert.ok(before.elections >= 1 && before.leaders >= 1);
    await group.during(leader.log.propose(put("key", "1")));
    group.isolate(leader.id);
    const lost = group.during(leader.log.propose(put("key", "2")));
    await assert.rejects(lost, { failure: "outcomeUnknown" });
    await assert.rejects(group.during(leader.log.propose(put("key", "3"))), { failure: "notApplied" });
    const { done, notDone, unknown, refused } = leader.log.status().counts.proposals;
    assert.deepEqual(
      { done: done - before.proposals.done, notDone, unknown, refused },
      { done: 1, notDone: 1, unknown: 1, refused: 0 },
    );
    const other = group.follower.log.status().counts;
    group.isolate(leader.id, false);
    assert.ok(other.leaders >= 1);
  });

  test("a write that was not taken as refused, and one that was taken and decided against as done", async (t) => {
    const group = await TestGroup.make(t, ["a"]);
    const { log } = await group.open("a", { limits: { pendingMax: 1 } });
    await group.settled();
    const before = log.status().counts.proposals;
    const decided = log.propose({ type: "refuse", key: "key" });
    await assert.rejects(log.propose(put("key", "1")), { failure: "overThreshold" });
    await assert.rejects(group.during(decided), { failure: "conflict" });
    const { done, refused } = log.status().counts.proposals;
    assert.deepEqual([done - before.done, refused - before.refused], [1, 1]);
  });

  test("the hash of its state at the ends of blocks, equal at all members", async (t) => {
    const group = await TestGroup.ready(t, ["a", "b", "c"]);
    for (let n = 0; n < HASHED_ENTRIES; n += 500) {
      const batch = Array.from({ length: 500 }, (_, at) => group.follower.log.propose(put(`key-${n + at}`, "1")));
      await group.during(Promise.all(batch));
    }
    await group.settled();
    const [a, ...others] = [...group.members.values()].map(({ log }) => log.status().hashes);
    assert.equal(a?.[0]?.[0], HASHED_ENTRIES);
    for (const other of others) assert.deepEqual(other, a);
  });

  test("where its snapshot is, when one was ordered, and takes none when nothing is new", async (t) => {
    const group = await TestGroup.ready(t, ["a", "b", "c"]);
    const { log } = group.follower;
    const taken = await group.during(log.takeSnapshot());
    assert.equal(taken.index, log.appliedIndex);
    assert.equal((await stat(taken.path)).size, taken.bytes);
    const { snapshotIndex, snapshotAt } = log.status();
    assert.deepEqual([snapshotIndex, snapshotAt], [taken.index, group.clock.wall()]);
    assert.deepEqual(await group.during(log.takeSnapshot()), taken);
  });
});
