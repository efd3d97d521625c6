import assert from "node:assert/strict";
import { test } from "node:test";
import { inTurns, oncePerTurn, SharedTurns, turn } from "./turn.ts";

test("long work lets others have their turn every 2 ms, and short work does not wait", async () => {
  let nowMs = 0;
  const pausedAt: number[] = [];
  const pause = async () => void pausedAt.push(nowMs);
  function* work(steps: number): Generator<undefined, string> {
    for (let step = 0; step < steps; step++) {
      nowMs += 0.5;
      yield;
    }
    return "done";
  }
  assert.equal(await inTurns(work(30), () => nowMs, pause), "done");
  assert.deepEqual(pausedAt, [2, 4, 6, 8, 10, 12, 14]);
  assert.equal(await inTurns(work(3), () => nowMs, pause), "done");
  assert.equal(pausedAt.length, 7);
});

test("those that wait for a turn share it: all while it is short, the others in the next one, in their order", async () => {
  let nowMs = 0;
  const turns = new SharedTurns(() => nowMs);
  let count = 0;
  let watching = true;
  const watch = (): void => {
    count++;
    if (watching) setImmediate(watch);
  };
  setImmediate(watch);
  const seen: string[] = [];
  const work = async (name: string, sliceMs: number): Promise<void> => {
    for (let slice = 1; slice <= 2; slice++) {
      await turns.turn();
      // What a slice does may wait for more than one promise.
      await null;
      nowMs += sliceMs;
      seen.push(`${name}${slice} in ${count}`);
    }
  };
  await Promise.all([work("a", 1.5), work("b", 1.5), work("c", 0.5), work("d", 0)]);
  watching = false;
  assert.deepEqual(seen, ["a1 in 1", "b1 in 1", "c1 in 2", "d1 in 2", "a2 in 2", "b2 in 3", "c2 in 3", "d2 in 4"]);
});

test("what is asked for many times in a turn runs once, behind all who asked, and again in a later one", async () => {
  let runs = 0;
  const ask = oncePerTurn(() => runs++);
  for (let n = 0; n < 3; n++) ask();
  assert.equal(runs, 0);
  await turn();
  assert.equal(runs, 1);
  ask();
  await turn();
  assert.equal(runs, 2);
});
