import assert from "node:assert/strict";
import { test } from "node:test";
import { casesOf } from "./h2spec.ts";

test("a case of an h2spec report passed only when it says nothing", () => {
  const report = `<testsuites><testsuite name="6.7. PING" package="http2/6.7" tests="3">
    <testcase package="http2/6.7" classname="Sends a PING frame" time="0.0008"></testcase>
    <testcase package="http2/6.7" classname="Sends with ACK" time="2.0"><error>PING Frame (length:8)
Timeout <nil></error>
    </testcase>
    <testcase package="hpack/2" classname="Skips" time="0"><skipped></skipped></testcase>
  </testsuite></testsuites>`;

  assert.deepEqual(casesOf(report), [
    { name: "http2/6.7 Sends a PING frame", failure: undefined },
    { name: "http2/6.7 Sends with ACK", failure: "error PING Frame (length:8) Timeout <nil>" },
    { name: "hpack/2 Skips", failure: "skipped" },
  ]);
});
