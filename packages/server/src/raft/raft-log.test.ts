import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { logSuite, put } from "@nacre/testkit/log-suite";
import { TestGroup } from "./group.fixture.ts";

logSuite("the log of a group of one", async (t, { machine, wallClock, limits }) => {
  const group = await TestGroup.make(t, ["a"]);
  const { log } = await group.open("a", { wallClock, limits }, machine);
  await group.during(log.readIndex());
  await group.until(() => log.appliedIndex === 2, "a session");
  return log;
});

for (const id of ["a", "b", "c"]) {
  logSuite(`the log of a group of three, at member ${id}`, async (t, { machine, wallClock, limits }) => {
    const group = await TestGroup.make(t, ["a", "b", "c"]);
    for (const one of ["a", "b", "c"])
      await group.open(one, { wallClock, limits }, ...(one === id ? ([machine] as const) : []));
    await group.until(() => [...group.members.values()].every(({ log }) => log.appliedIndex === 4), "sessions");
    return group.get(id).log;
  });
}

describe("a group of three", () => {
  test("has on every member what was proposed on any", async (t) => {
    const group = await TestGroup.ready(t, ["a", "b", "c"]);
    const members = [...group.members.values()];
    const answers = members.flatMap(({ id, log }) => ["1", "2", "3"].map((n) => log.propose(put(`${id}${n}`, n))));
    await Promise.all(answers);
    await group.settled();
    const expected = [...group.get("a").machine.registers].sort();
    assert.equal(expected.length, 10);
    for (const { machine } of members) assert.deepEqual([...machine.registers].sort(), expected);
  });
});
