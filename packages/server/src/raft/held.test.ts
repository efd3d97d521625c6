import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { NewRecord } from "../storage/records.ts";
import { endPayload, openPayload, writePayload } from "./carried.ts";
import { holdsWrites } from "./held.ts";

const open = openPayload("a", 1);
const end = endPayload("a");
const write = writePayload({ member: "a", life: 1, number: 1, low: 1 }, Buffer.from("{}"));
/** Of a log from before there were groups. */
const plain = Buffer.from('{"type":"put"}');

/** Whether a log holds writes of features that has these entries behind what was applied. */
function found(payloads: readonly Buffer[], appliedIndex = 0, kind: NewRecord["kind"] = "command"): Promise<boolean> {
  const records = payloads.map((payload, at) => ({ index: at + 1, term: 1, kind, at: 0, payload }));
  const log = {
    firstIndex: 1,
    lastIndex: records.length,
    // One at a time, as if they were large.
    read: async (from: number) => records.slice(from - 1, from),
  };
  return holdsWrites({ log: log as never, applier: { appliedIndex } });
}

describe("a log that was opened", () => {
  test("holds writes of features when one is behind what was applied", async () => {
    assert.equal(await found([open, write]), true);
    assert.equal(await found([plain]), true);
    assert.equal(await found([write, open], 1), false, "what was applied is seen in the store");
  });

  test("holds none with what the group alone needs", async () => {
    assert.equal(await found([open, end, open]), false);
    assert.equal(await found([Buffer.from('{"voters":["a"],"learners":[]}')], 0, "configuration"), false);
    assert.equal(await found([]), false);
  });
});
