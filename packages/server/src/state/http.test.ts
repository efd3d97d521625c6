import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { allHttp } from "../all-http.fixture.ts";
import type { TestHttp } from "../naming/http.fixture.ts";

let http: TestHttp;
beforeEach(() => {
  http = allHttp();
});
afterEach(() => http.close());

const ask = async (path: string) => {
  const { status, text } = await http.call(`GET ${path}`);
  return [status, text];
};
const OK = '{"code":0,"message":"success","data":"ok"}';

describe("a ready server", () => {
  for (const [path, body] of [
    ["/v1/console/health/readiness", "OK"],
    ["/v2/console/health/readiness", OK],
    ["/v3/console/health/readiness", OK],
    ["/v3/admin/core/state/readiness", OK],
    ["/actuator/health", '{"status":"UP"}'],
    ["/actuator/health/readiness", '{"status":"UP"}'],
  ] as const)
    test(`says so at ${path}`, async () => assert.deepEqual(await ask(path), [200, body]));
});

describe("a server that is not ready", () => {
  const REASON = "naming not in readiness: the log is being read; it will be ready in a moment.";
  const RESULT = `{"code":30000,"message":"${REASON}","data":null}`;
  beforeEach(() => {
    const reason = "the log is being read; it will be ready in a moment.";
    http.ready = { ready: false, status: "STARTING", reason };
  });

  for (const [path, body] of [
    ["/v1/console/health/readiness", REASON],
    ["/v2/console/health/readiness", RESULT],
    ["/v3/console/health/readiness", RESULT],
    ["/v3/admin/core/state/readiness", RESULT],
    ["/actuator/health", `{"status":"DOWN","details":{"reason":"${REASON}"}}`],
    ["/actuator/health/readiness", `{"status":"DOWN","details":{"reason":"${REASON}"}}`],
  ] as const)
    test(`answers 503 with the reason at ${path}`, async () => assert.deepEqual(await ask(path), [503, body]));

  for (const [path, body] of [
    ["/v1/console/health/liveness", "OK"],
    ["/v2/console/health/liveness", OK],
    ["/v3/console/health/liveness", OK],
    ["/v3/admin/core/state/liveness", OK],
    ["/actuator/health/liveness", '{"status":"UP"}'],
  ] as const)
    test(`lives all the same at ${path}`, async () => assert.deepEqual(await ask(path), [200, body]));

  test("refuses naming of v2 and v3 with a Result", async () => {
    for (const path of ["/v2/ns/instance/list", "/v3/client/ns/instance/list", "/v3/admin/ns/service/list"]) {
      const { status, json } = await http.call(`GET ${path}?serviceName=orders`);
      assert.deepEqual([status, json.code], [503, 30000], path);
      assert.match(json.data, /the log is being read/);
    }
  });
});

describe("a status that an operator set", () => {
  test("makes a ready server unready, and says how to end it", async () => {
    const set = await http.call("PUT /v3/admin/ns/ops/switches", { entry: "overriddenServerStatus", value: "DOWN" });
    assert.equal(set.json.data, "ok");
    const [status, text] = await ask("/v1/console/health/readiness");
    assert.equal(status, 503);
    assert.match(String(text), /an operator set the status DOWN; clear the switch overriddenServerStatus/);

    await http.call("PUT /v3/admin/ns/ops/switches", { entry: "overriddenServerStatus", value: "" });
    assert.deepEqual(await ask("/v1/console/health/readiness"), [200, "OK"]);
  });
});

describe("the state map", () => {
  test("is bare for consoles and in a Result for administrators, all texts", async () => {
    const bare = (await http.call("GET /v1/console/server/state")).json;
    assert.deepEqual((await http.call("GET /v3/console/server/state")).json, bare);
    assert.deepEqual((await http.call("GET /v3/admin/core/state")).json.data, bare);
    assert.deepEqual([bare.version, bare.startup_mode, bare.server_port], ["1.2.3", "standalone", "8848"]);
    assert.ok(Object.values(bare).every((value) => value === null || typeof value === "string"));
  });
});

describe("the front page", () => {
  test("is a line of text, below the context path and without it", async () => {
    for (const url of ["/nacos/", "/nacos/index.html", "/"]) {
      const { statusCode, body } = await http.server.app.inject({ url });
      assert.equal(statusCode, 200, url);
      assert.match(body, /^Nacre is running/);
    }
  });

  test("has a guide, and announcements in the languages it knows", async () => {
    assert.equal((await http.call("GET /v3/console/server/guide")).json.code, 0);
    assert.equal((await http.call("GET /v3/console/server/announcement?language=en-US")).json.data, "");
    assert.equal((await http.call("GET /v3/console/server/announcement?language=xx")).json.code, 30000);
    assert.equal((await http.call("GET /v1/console/server/announcement?language=xx")).json.code, 500);
  });
});

describe("the actuator", () => {
  test("lists what it answers", async () => {
    const { _links } = (await http.call("GET /actuator", undefined, { host: "registry:8848" })).json;
    assert.deepEqual(Object.keys(_links), ["self", "health", "prometheus"]);
    assert.equal(_links.health.href, "http://registry:8848/nacos/actuator/health");
  });
});
