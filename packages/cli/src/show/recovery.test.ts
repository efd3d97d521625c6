import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RecoveryPlan } from "@nacre/server/offline";
import { recoveryText } from "./recovery.ts";

const PLAN: RecoveryPlan = {
  directory: "data",
  memberId: "a",
  clusterId: "z",
  epoch: { from: 0, to: 7 },
  term: { from: 3, to: 4 },
  last: { index: 51, term: 3, at: undefined },
  appliedIndex: 50,
  voters: ["a", "b", "c"],
  addresses: { b: "10.0.0.2:8848" },
  learners: [],
};

describe("what a recovery is said to do", () => {
  test("names the voters of now and the only one that would be left", () => {
    const text = recoveryText(PLAN, false);
    assert.match(text, /\nvoters now +a \(this one\), b \(10\.0\.0\.2:8848\), c\n/);
    assert.match(text, /\nepoch +0 to one drawn when it is done\n/);
    assert.match(text, /This member would be the only voter, .*\n.*behind 51 that the 2 other voters had acknowledged/);
  });

  test("calls them the voters of before when it is done", () => {
    const text = recoveryText({ ...PLAN, learners: ["d"] }, true);
    assert.match(text, /\nvoters before +a \(this one\), .*\nlearners before +d\n/);
    assert.match(text, /\nepoch +0 to 7\n/);
    assert.match(text, /This member is the only voter, .*Done\. Start this member\.\n$/s);
  });

  test("speaks of one other voter", () => {
    assert.match(recoveryText({ ...PLAN, voters: ["a", "b"] }, false), / that the other voter had acknowledged\. /);
  });
});
