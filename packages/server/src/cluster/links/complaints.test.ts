import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { Complaints, KNOWN_MAX } from "./complaints.ts";

const AGAIN_MS = 600_000;

describe("what is wrong with peers", () => {
  test("is said once in ten minutes, each thing by itself", () => {
    const clock = new FakeClock();
    const complaints = new Complaints(clock);
    assert.deepEqual(
      ["one", "one", "two"].map((what) => complaints.isNew(what)),
      [true, false, true],
    );
    clock.advance(AGAIN_MS - 1);
    assert.equal(complaints.isNew("one"), false);
    clock.advance(1);
    assert.equal(complaints.isNew("one"), true);
  });

  test("is said no more once as many things were said as are remembered, until the oldest is over", () => {
    const clock = new FakeClock();
    const complaints = new Complaints(clock);
    for (let peer = 0; peer < KNOWN_MAX; peer++) {
      assert.equal(complaints.isNew(`peer ${peer}`), true);
      clock.advance(1);
    }
    for (let peer = 0; peer < 10 * KNOWN_MAX; peer++) assert.equal(complaints.isNew(`stranger ${peer}`), false);
    assert.equal(complaints.isNew("peer 0"), false, "it is known as before");
    clock.advance(AGAIN_MS - KNOWN_MAX);
    assert.deepEqual(
      ["stranger 1", "stranger 2"].map((what) => complaints.isNew(what)),
      [true, false],
    );
  });
});
