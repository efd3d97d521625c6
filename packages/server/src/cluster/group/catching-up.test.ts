import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { CatchingUp } from "./catching-up.ts";

const REFUSED = new RegistryError("unavailable", "2 of 3 members are needed");

function start(readIndex: () => Promise<number>) {
  const clock = new FakeClock();
  const told: string[] = [];
  const log = { debug: () => {}, info: () => {}, error: () => {}, warn: (_: object, text: string) => told.push(text) };
  const catchingUp = new CatchingUp({ clock, log, readIndex, ended: () => told.push("ended") });
  catchingUp.start();
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100);
      for (let turn = 0; turn < 5; turn++) await undefined;
    }
  };
  return { catchingUp, told, pass, clock };
}

describe("a member that starts", () => {
  test("serves durable data when it has applied what was committed, and says nothing", async () => {
    let attempts = 0;
    const { catchingUp, told, pass, clock } = start(() =>
      ++attempts < 3 ? Promise.reject(REFUSED) : Promise.resolve(7),
    );
    await pass(100);
    assert.equal(catchingUp.isOver, false);
    assert.equal(catchingUp.reason, "2 of 3 members are needed");
    await pass(600);
    assert.equal(catchingUp.isOver, true);
    assert.deepEqual(told, ["ended"]);
    assert.equal(clock.waiting, 0, "no timer is left");
  });

  test("serves what it has after 4 s when it knows that no majority is in reach, and says so", async () => {
    const { catchingUp, told, pass, clock } = start(() => Promise.reject(REFUSED));
    await pass(3_500);
    assert.equal(catchingUp.isOver, false);
    await pass(1_000);
    assert.equal(catchingUp.isOver, true);
    assert.match(told.join(), /may not be the newest,ended/);
    assert.equal(clock.waiting, 0);
  });

  test("serves what it has after 10 s when nobody knows", async () => {
    const { catchingUp, told, pass } = start(() => new Promise(() => {}));
    await pass(9_800);
    assert.equal(catchingUp.isOver, false);
    await pass(400);
    assert.equal(catchingUp.isOver, true);
    assert.match(told.join(), /may not be the newest/);
  });

  test("that stops waits for nothing", async () => {
    const { catchingUp, told, pass, clock } = start(() => new Promise(() => {}));
    catchingUp.stop();
    await pass(20_000);
    assert.deepEqual(told, []);
    assert.equal(clock.waiting, 0);
  });
});
