import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
import { BrokenInvariant } from "@nacre/core/assert";
import { escalate } from "./faults.ts";

describe("a fault that was caught", () => {
  test("goes on to the process when an invariant is broken, and only then", (t) => {
    const later = mock.method(globalThis, "setImmediate", () => undefined);
    t.after(() => later.mock.restore());
    escalate(new Error("some fault of one call"));
    assert.equal(later.mock.callCount(), 0);
    const broken = new BrokenInvariant("N12");
    escalate(broken);
    const thrower = later.mock.calls[0]?.arguments.at(0) as unknown as () => void;
    assert.throws(thrower, broken);
  });
});
