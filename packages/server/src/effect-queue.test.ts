import assert from "node:assert/strict";
import { test } from "node:test";
import { EffectQueue } from "./effect-queue.ts";

test("what follows an effect that takes longer waits until it is done, in order", () => {
  const done: string[] = [];
  const queue = new EffectQueue<string>(
    (effect) => {
      done.push(effect);
      if (effect === "long") queue.hold();
    },
    (_, thrown) => assert.fail(String(thrown)),
  );
  assert.equal(queue.add(["a", "long", "b"]), false);
  assert.equal(queue.add(["c", "long", "d"]), false);
  assert.deepEqual([done.splice(0), queue.isHeld], [["a", "long"], true]);
  assert.equal(queue.resume(), false, "it came to the next one");
  assert.deepEqual(done.splice(0), ["b", "c", "long"]);
  assert.equal(queue.resume(), true);
  assert.deepEqual([done, queue.isHeld], [["d"], false]);
});
