import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import { allHttp } from "./all-http.fixture.ts";
import type { TestHttp } from "./naming/http.fixture.ts";
import { methodsOf } from "./transport/http/route.ts";

let http: TestHttp;
beforeEach(() => {
  http = allHttp();
});
afterEach(() => http.close());

const at = "serviceName=orders&ip=10.1.1.5&port=8080";
const data = async (line: string, form?: string) => (await http.call(line, form)).json.data;

/** Places where servers that speak this interface are known to go wrong; v1 has its own. */
describe("beyond v1", () => {
  test("parameters may be in the query, in a form without a type, or in both", async () => {
    assert.equal(await data("PUT /v3/admin/ns/ops/switches?entry=pushEnabled", "value=false"), "ok");
    const { statusCode } = await http.server.app.inject({
      method: "POST",
      url: "/nacos/v3/client/ns/instance",
      payload: at,
    });
    assert.equal(statusCode, 200);
    assert.equal((await data("GET /v3/client/ns/instance/list?serviceName=orders")).length, 1);
    assert.equal(await data("DELETE /v3/client/ns/instance", at), "ok");
    assert.deepEqual(await data("GET /v3/client/ns/instance/list?serviceName=orders"), []);
  });

  test("a beat is answered with the interval of the instance", async () => {
    await http.call(`POST /v2/ns/instance?${at}&metadata=preserved.heart.beat.interval=3000`);
    const beat = "PUT /v2/ns/instance/beat?serviceName=DEFAULT_GROUP@@orders&ip=10.1.1.5&port=8080";
    assert.equal((await http.call(beat)).json.clientBeatInterval, 3000);
  });

  test("a name may be composite or have its group beside it", async () => {
    await http.call("POST /v3/client/ns/instance?serviceName=g@@orders&ip=10.1.1.5&port=8080");
    for (const names of ["serviceName=g@@orders", "serviceName=orders&groupName=g"]) {
      const [found] = await data(`GET /v3/client/ns/instance/list?${names}`);
      assert.equal(found?.serviceName, "g@@orders", names);
    }
  });

  test("public, blank and missing are one namespace, and default is another", async () => {
    await http.call(`POST /v3/client/ns/instance?${at}`);
    for (const list of ["/v3/client/ns/instance/list", "/v3/admin/ns/instance/list"])
      for (const namespace of ["", "&namespaceId=", "&namespaceId=public"])
        assert.equal((await data(`GET ${list}?serviceName=orders${namespace}`)).length, 1, list + namespace);
    assert.deepEqual(await data("GET /v3/client/ns/instance/list?serviceName=orders&namespaceId=default"), []);
    assert.equal((await data("GET /v2/ns/service/list?namespaceId=")).count, 1);
    assert.equal((await data("GET /v2/ns/service/list?namespaceId=default")).count, 0);
  });

  test("names that break the rules are refused with a Result, before anything is done", async () => {
    for (const line of [
      `POST /v3/client/ns/instance?${at}&groupName=a%20b`,
      `POST /v3/admin/ns/instance?${at}&namespaceId=a.b`,
      "POST /v2/ns/instance?serviceName=orders&ip=10.1.1.5&port=70000",
      "POST /v3/admin/ns/service?serviceName=%E4%B8%AD",
    ]) {
      const { status, json } = await http.call(line);
      assert.deepEqual([status, json.code], [400, 20002], line);
    }
    assert.equal((await data("GET /v3/admin/ns/service/list")).totalCount, 0);
  });

  test("metadata of 100 KiB in the query reaches its rule", async () => {
    const { status, json } = await http.call(`POST /v3/client/ns/instance?${at}&metadata=a=${"x".repeat(100 * 1024)}`);
    assert.deepEqual([status, json.code], [400, 20002]);
    assert.match(json.data, /metadata.*length should not exceed 1024/);
  });

  test("members pass while naming is closed to clients", async () => {
    http.ready = { ready: false, status: "DOWN", reason: "the log is being read." };
    const list = "GET /v3/client/ns/instance/list?serviceName=orders";
    assert.equal((await http.call(list)).status, 503);
    assert.equal((await http.call(list, undefined, { "user-agent": "Nacos-Server:v2.4.0" })).status, 200);
  });

  test("an unknown path is 404 and an unknown method 405, as error objects", async () => {
    const unknown = await http.call("GET /v3/admin/ns/nothing");
    assert.deepEqual([unknown.status, unknown.json.path], [404, "/nacos/v3/admin/ns/nothing"]);
    const method = await http.call("DELETE /v3/admin/core/state");
    assert.deepEqual([method.status, method.json.error], [405, "Method Not Allowed"]);
  });
});

describe("every endpoint", () => {
  const NAMES =
    "namespaceId serviceName groupName ip port clusterName weight healthy enabled ephemeral metadata beat heartBeat " +
    "instances consistencyType pageNo pageSize healthyOnly enabledOnly entry value protectThreshold selector checkPort " +
    "useInstancePort4Check healthChecker logName logLevel clientId connectionId count redirectAddress loaderFactor type " +
    "address state keyword language show customNamespaceId withInstances serviceNameParam ignoreEmptyService " +
    "dataId group tenant content tag config_tags configTags desc schema search beta import export exportV2 clone delType " +
    "ids id nid policy against dryRun validate force quota maxSize grayName grayType grayRuleExp grayPriority config_detail " +
    "configDetail Listening-Configs namespaceName namespaceShowName namespace targetNamespaceId";
  const VALUES = [
    ..."orders g@@orders @@ ## 10.1.1.5 fe80::1 8080 0 -1 99999999999999999999 true false NaN 1e400 __proto__".split(
      " ",
    ),
    ...[
      "constructor",
      "10.0.0.2:8848",
      ":",
      "all",
      "UP",
      "accurate",
      "blur",
      "ids",
      "percentage",
      "a\u0002b\u0002c\u0001",
      "",
      " ",
      "{",
      "[]",
      "null",
      "a=b,c",
      "\u0000",
      "\n",
      "(",
      "*",
    ],
    ...['{"type":"NONE"}', '{"type":null}', '{"__proto__":{"a":"b"}}', '[{"ip":"10.1.1.5","port":8080},null]', "[[]]"],
    "x".repeat(2000),
  ];
  const BODIES = [
    '[{"cfgId":1}]',
    "",
    "{",
    "null",
    "[]",
    "[null]",
    "[[]]",
    '"text"',
    '{"logName":1}',
    '{"__proto__":{"logName":"x"}}',
  ];

  for (const checkParams of [true, false])
    test(`is answered or refused and none fails, with names ${checkParams ? "checked" : "unchecked"}`, async (t) => {
      const hostile = allHttp({ checkParams });
      t.after(() => hostile.close());
      await hostile.register("g@@orders", "10.1.1.5:8080");
      const pairs = fc.array(fc.tuple(fc.constantFrom(...NAMES.split(" ")), fc.constantFrom(...VALUES)), {
        maxLength: 12,
      });
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...hostile.server.routes.filter(({ path }) => !path.startsWith("/v1/ns/"))),
          fc.nat(),
          pairs,
          fc.constantFrom(...BODIES),
          async (route, at, query, body) => {
            const methods = methodsOf(route);
            const method = methods[at % methods.length];
            const path = route.path.replace(/:\w+/g, encodeURIComponent(query[0]?.[1] || "x"));
            const line = `${method} ${path}?${new URLSearchParams(query)}`;
            const { status, text } = await hostile.call(line, method === "GET" ? undefined : body);
            assert.ok(status < 500, `${line}: ${status} ${text}`);
          },
        ),
        { numRuns: 600 },
      );
      assert.deepEqual(hostile.log.errors, []);
    });
});
