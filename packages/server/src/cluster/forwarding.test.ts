import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ForwardingFailures, noteForwarded, stillFails } from "./forwarding.ts";

const NOON = 1_767_268_800_000;

/** What is told of one member at that moment. */
function told(failures: ForwardingFailures, at: number) {
  const failure = failures.get("b");
  return failure !== undefined && stillFails(failure, at) ? failure : undefined;
}

describe("writes that fail to be forwarded", () => {
  test("are told of since the first of them, with the error of the last", () => {
    const failures: ForwardingFailures = new Map();
    noteForwarded(failures, "b", "10.0.0.1:80#true", "no answer", NOON);
    noteForwarded(failures, "b", "10.0.0.2:80#true", "its link is gone", NOON + 5_000);
    assert.deepEqual(told(failures, NOON + 6_000), {
      since: NOON,
      at: NOON + 5_000,
      error: "its link is gone",
      clients: new Set(["10.0.0.1:80#true", "10.0.0.2:80#true"]),
    });
  });

  test("are over with the first that does not fail", () => {
    const failures: ForwardingFailures = new Map();
    noteForwarded(failures, "b", "10.0.0.1:80#true", "no answer", NOON);
    noteForwarded(failures, "b", "10.0.0.1:80#true", undefined, NOON + 5_000);
    assert.equal(told(failures, NOON + 5_000), undefined);
  });

  test("are over when nothing is to be forwarded any more, because clients beat elsewhere or have ended", () => {
    const failures: ForwardingFailures = new Map();
    noteForwarded(failures, "b", "10.0.0.1:80#true", "no answer", NOON);
    assert.equal(told(failures, NOON + 10_000), undefined);
    noteForwarded(failures, "b", "10.0.0.1:80#true", "no answer", NOON + 60_000);
    assert.equal(told(failures, NOON + 60_000)?.since, NOON + 60_000, "what fails then began then");
  });
});
