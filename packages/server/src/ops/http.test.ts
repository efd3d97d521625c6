import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { allHttp } from "../all-http.fixture.ts";
import type { TestHttp } from "../naming/http.fixture.ts";
import { type LeveledLog, levelSetter } from "./log-level.ts";

let http: TestHttp;
beforeEach(() => {
  http = allHttp();
});
afterEach(() => http.close());

describe("the level of the log", () => {
  const body = JSON.stringify({ logName: "core-raft", logLevel: "DEBUG" });

  test("is set by parameters in v1 and by JSON later, each answered in its own way", async () => {
    assert.equal((await http.call("PUT /v1/core/ops/log?logName=core-raft&logLevel=DEBUG")).text, "200");
    assert.deepEqual((await http.call("PUT /v2/core/ops/log", body, { "content-type": "application/json" })).json, {
      code: 200,
      message: null,
      data: null,
    });
    assert.equal((await http.call("PUT /v3/admin/core/ops/log", body)).json.data, null);
    assert.deepEqual(http.logLevels, ["core-raft=debug", "core-raft=debug", "core-raft=debug"]);
  });

  test("must be one that there is", async () => {
    const wrong = await http.call("PUT /v3/admin/core/ops/log", '{"logName":"x","logLevel":"LOUD"}');
    assert.deepEqual([wrong.status, wrong.json.code], [400, 20002]);
    assert.equal((await http.call("PUT /v3/admin/core/ops/log", '{"logLevel":"INFO"}')).json.code, 10000);
    assert.equal((await http.call("PUT /v3/admin/core/ops/log")).json.code, 10000);
    assert.deepEqual(http.logLevels, []);
  });

  test("is changed for the one log there is, which says so before it goes quiet", () => {
    const said: string[] = [];
    const log: LeveledLog = {
      level: "info",
      debug: () => {},
      info: () => {},
      warn: (_details, text) => said.push(`${log.level}: ${text}`),
      error: () => {},
    };
    levelSetter(log)("naming-push", "debug");
    assert.equal(log.level, "debug");
    levelSetter(log)("naming-push", "off");
    assert.equal(log.level, "silent");
    assert.deepEqual(said, ["debug: the log level was changed", "debug: the log level was changed"]);
  });
});

describe("other operations of the core", () => {
  test("have no generators of ids to show", async () => {
    assert.deepEqual((await http.call("GET /v1/core/ops/idInfo")).json.data, {});
    assert.deepEqual((await http.call("GET /v2/core/ops/ids")).json.data, []);
    assert.deepEqual((await http.call("GET /v3/admin/core/ops/ids")).json, { code: 0, message: "success", data: [] });
  });

  test("have no group to command where nothing is kept", async () => {
    assert.equal((await http.call("POST /v2/core/ops/raft", '{"command":"transferLeader"}')).json.code, 500);
    const refused = await http.call("POST /v3/admin/core/ops/raft", '{"command":"transferLeader"}');
    assert.deepEqual([refused.status, refused.json.code], [400, 23000]);
  });
});
