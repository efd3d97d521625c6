import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { put } from "@nacre/testkit/log-suite";
import { TestGroup } from "./group.fixture.ts";

const MEBIBYTE = 1024 * 1024;
const WRITES = 6;
/** Smaller frames are heartbeats, answers and the like. */
const LARGE_BYTES = 64 * 1024;

describe("large writes through a member that does not lead", () => {
  test("go to the leader once, and from it to each of the others once, over links that queue little", async (t) => {
    const group = await TestGroup.ready(t, ["a", "b", "c"]);
    const { follower, leader } = group;
    const carried = new Map<string, number>();
    /** What links hold that has not left in the turn in which it came. */
    let queued = new Map<string, number>();
    group.loses = (from, to, frame) => {
      const way = `${from} ${to}`;
      if (queued.size === 0)
        setImmediate(() => {
          queued = new Map();
        });
      const bytes = (queued.get(way) ?? 0) + frame.length;
      if (bytes > 32 * MEBIBYTE) return true;
      queued.set(way, bytes);
      if (frame.length > LARGE_BYTES) carried.set(way, (carried.get(way) ?? 0) + frame.length);
      return false;
    };
    const text = "x".repeat(10 * MEBIBYTE);
    const writes = Array.from({ length: WRITES }, (_, at) => follower.log.propose(put(`key-${at}`, text)));
    await group.during(Promise.all(writes));
    await group.settled();
    const whole = WRITES * 10;
    const mebibytes = (from: string, to: string) => Math.round((carried.get(`${from} ${to}`) ?? 0) / MEBIBYTE);
    assert.equal(mebibytes(follower.id, leader?.id ?? ""), whole);
    for (const { id } of group.members.values())
      if (id !== leader?.id) assert.equal(mebibytes(leader?.id ?? "", id), whole, `the leader to ${id}`);
  });
});
