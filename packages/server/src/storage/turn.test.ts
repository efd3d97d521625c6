import assert from "node:assert/strict";
import { test } from "node:test";
import { inTurns, oncePerTurn, turn } from "./turn.ts";

test("long work lets others have their turn every 4 ms, and short work does not wait", async () => {
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
  assert.deepEqual(pausedAt, [4, 8, 12]);
  assert.equal(await inTurns(work(7), () => nowMs, pause), "done");
  assert.equal(pausedAt.length, 3);
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
