import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import { CHECKERS, checkSkipped, parseChecker, parseHeaders } from "./checker.ts";

describe("a checker", () => {
  test("is read from JSON text or an object, absent fields by default", () => {
    assert.deepEqual(parseChecker('{"type":"TCP"}'), CHECKERS.TCP);
    assert.deepEqual(parseChecker({ type: "NONE", extra: 1 }), CHECKERS.NONE);
    assert.deepEqual(parseChecker({ type: "HTTP" }), CHECKERS.HTTP);
    assert.deepEqual(parseChecker({ type: "HTTP", path: "up?x=1", headers: "a:b", expectedResponseCode: 204 }), {
      type: "HTTP",
      path: "/up?x=1",
      headers: "a:b",
      expectedResponseCode: 204,
    });
    assert.deepEqual(parseChecker({ type: "MYSQL", user: "u", pwd: "p", cmd: "select 1" }), {
      type: "MYSQL",
      user: "u",
      pwd: "p",
      cmd: "select 1",
    });
  });

  for (const [given, rule] of [
    ["{", /is not JSON/],
    ["[]", /JSON object/],
    ["{}", /type must be one of NONE, TCP, HTTP, MYSQL/],
    ['{"type":"PING"}', /type must be one of/],
    ['{"type":"HTTP","path":7}', /path must be text/],
    ['{"type":"HTTP","headers":"no colon"}', /pair 1/],
    ['{"type":"HTTP","headers":"a:b|c:d\\r\\ne:f"}', /pair 2/],
    ['{"type":"HTTP","expectedResponseCode":99}', /from 100 to 599/],
    [`{"type":"MYSQL","cmd":"${"x".repeat(1025)}"}`, /cmd must not exceed/],
  ] as const)
    test(`${given.slice(0, 50)} is refused by name`, () => {
      assert.throws(
        () => parseChecker(given),
        (thrown) =>
          thrown instanceof RegistryError && thrown.failure === "invalidParameter" && rule.test(thrown.message),
      );
    });

  test("that cannot be read does not leak its password into the message", () => {
    assert.throws(
      () => parseChecker('{"type":"MYSQL","pwd":"hunter2"'),
      (thrown) => thrown instanceof Error && !`${thrown.stack} ${String(thrown.cause)}`.includes("hunter2"),
    );
  });
});

describe("headers of an HTTP checker", () => {
  test("are pairs separated by bars; values may hold colons", () => {
    assert.deepEqual(parseHeaders(""), []);
    assert.deepEqual(parseHeaders("Host: a:80 | X-Probe:1|"), [
      ["Host", "a:80"],
      ["X-Probe", "1"],
    ]);
  });
});

describe("metadata", () => {
  test("skips the check with enableHealthCheck=true on the instance or its service", () => {
    assert.equal(checkSkipped({ enableHealthCheck: "true" }, {}), true);
    assert.equal(checkSkipped({}, { enableHealthCheck: "TRUE" }), true);
    assert.equal(checkSkipped({ enableHealthCheck: "false" }, {}), false);
    assert.equal(checkSkipped({}, {}), false);
  });
});
