import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import { TestHttp } from "../../naming/http.fixture.ts";
import { pageBody, pageText, result, text } from "./answers.ts";
import type { Call } from "./call.ts";
import type { HttpServerSetup } from "./http-server.ts";
import type { Route } from "./route.ts";
import { plain, v1, v2, v3 } from "./rows.ts";
import { exchange } from "./wire.fixture.ts";

let http: TestHttp | undefined;
afterEach(() => http?.close());

const CLOSE = "Connection: close\r\n";

function serving(routes: readonly Route[], some: Partial<HttpServerSetup> = {}): TestHttp {
  http = new TestHttp(some, () => routes);
  return http;
}

const failing = (path: string, thrown: unknown): Route[] => [
  v1("GET", `/v1${path}`, "open", "", () => Promise.reject(thrown)),
  v3("GET", `/v3${path}`, () => Promise.reject(thrown)),
];

describe("a failure of a handler", () => {
  test("is text in v1 and a Result in v3, with the numbers of the table of failures", async () => {
    const test = serving(failing("/x", new RegistryError("serviceExists", "specified service x already exists!")));
    const old = await test.call("GET /v1/x");
    assert.deepEqual([old.status, old.text], [400, "specified service x already exists!"]);
    const now = await test.call("GET /v3/x");
    assert.equal(now.status, 400);
    assert.deepEqual(now.json, {
      code: 21007,
      message: "service already exist",
      data: "specified service x already exists!",
    });
  });

  test("that nobody expected is logged, and never sent", async () => {
    const test = serving(failing("/x", new TypeError("secret is undefined")));
    for (const path of ["/v1/x", "/v3/x"]) {
      const answer = await test.call(`GET ${path}`);
      assert.equal(answer.status, 500);
      assert.doesNotMatch(answer.text, /secret/);
    }
    assert.match(String((test.log.errors[0]?.details as { err?: unknown } | undefined)?.err), /secret is undefined/);
  });
});

describe("a path", () => {
  const cases: [url: string, path: string, uri: string][] = [
    ["/nacos/v3/x", "/v3/x", "/nacos/v3/x"],
    ["/v3/x", "/v3/x", "/v3/x"],
    ["//nacos//v3//x", "/v3/x", "/nacos/v3/x"],
    ["/nacos/v3/x/?a=//nacos", "/v3/x/", "/nacos/v3/x/"],
  ];
  for (const [url, path, uri] of cases)
    test(`${url} is served with or without the context path, however many slashes there are`, async () => {
      const test = serving([v3("GET", "/v3/x", (params, call) => result([call.path, call.uri, params.text("a", "")]))]);
      const answer = await test.server.app.inject({ method: "GET", url });
      assert.deepEqual(JSON.parse(answer.body).data, [path, uri, url.includes("?") ? "//nacos" : ""]);
    });

  test("may come with the server's name in front, as proxies are asked", async () => {
    const { server } = serving([v3("GET", "/v3/x", (params, call) => result([call.uri, params.text("a", "")]))]);
    const port = await server.listen({ port: 0, host: "127.0.0.1" });
    const answer = await exchange(port, `GET http://x:1/nacos/v3/x?a=//b HTTP/1.1\r\nHost: x:1\r\n${CLOSE}\r\n`);
    assert.match(answer, /"data":\["\/nacos\/v3\/x","\/\/b"\]/);
    assert.match(await exchange(port, `GET http://x HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n`), /"path":"\/"/);
  });

  test("that only begins like the context path is another one", async () => {
    const test = serving([v3("GET", "/v3/x", () => result(1))]);
    assert.equal((await test.server.app.inject({ method: "GET", url: "/nacosv3/x" })).statusCode, 404);
    assert.equal((await test.server.app.inject({ method: "GET", url: "/other/v3/x" })).statusCode, 404);
  });
});

describe("a path that no route answers", () => {
  const object = (answer: { json: Record<string, unknown> }) => {
    const { timestamp, ...rest } = answer.json;
    assert.match(String(timestamp), /^\d{4}-.*\+00:00$/);
    return rest;
  };

  test("is 404, another method is 405, and an unknown call of v1 naming is 501", async () => {
    const test = serving([]);
    const missing = await test.call("GET /v9/x");
    assert.equal(missing.status, 404);
    assert.deepEqual(object(missing), {
      status: 404,
      error: "Not Found",
      message: "nothing is served under /nacos/v9/x",
      path: "/nacos/v9/x",
    });
    const method = await test.call("POST /v1/ns/instance/list");
    assert.deepEqual([method.status, method.headers.allow], [405, "GET"]);
    const unknown = await test.call("GET /v1/ns/foo");
    assert.equal(unknown.status, 501);
    assert.equal(object(unknown).message, "no such api:GET:/nacos/v1/ns/foo");
  });
});

describe("a path that routes answer", () => {
  test("is answered to HEAD with the headers of GET and nothing else", async () => {
    const answer = await serving([]).call("HEAD /v1/ns/operator/metrics");
    assert.deepEqual([answer.status, answer.text, answer.headers["content-type"]], [200, "", "application/json"]);
  });

  test("is refused when its escapes are broken", async () => {
    const answer = await serving([v3("GET", "/v3/x/:id", () => result(1))]).call("GET /v3/x/%zz");
    assert.deepEqual([answer.status, answer.json.error], [400, "Bad Request"]);
  });
});

describe("a request", () => {
  test("comes from where the proxy says, and names its program and application", async () => {
    let seen: Call | undefined;
    const test = serving([
      plain("/who/:name", (_params, call) => {
        seen = call;
        return text(call.segment("name"));
      }),
    ]);
    const ask = async (headers: Record<string, string>) => {
      await test.call("GET /who/me?app=shop", undefined, headers);
      return [seen?.sourceIp, seen?.agent, seen?.app];
    };
    assert.deepEqual(await ask({ "x-forwarded-for": "1.2.3.4, 5.6.7.8", "x-real-ip": "9.9.9.9" }), [
      "1.2.3.4",
      "Nacos-Java-Client:v1.4.2",
      "shop",
    ]);
    assert.deepEqual(
      await ask({ "x-real-ip": "9.9.9.9", "client-appname": "cart", "user-agent": "", "client-version": "v2" }),
      ["9.9.9.9", "v2", "cart"],
    );
    assert.deepEqual((await ask({}))[0], "127.0.0.1");
  });

  test("says no more about its caller than a name takes", async () => {
    const long = "n".repeat(5000);
    const headers = { "x-forwarded-for": `${long}, 10.0.0.2`, "user-agent": long, "client-appname": long };
    let seen: Call | undefined;
    const test = serving([
      plain("/who", (_params, call) => {
        seen = call;
        return text("");
      }),
    ]);
    await test.call("GET /who", undefined, headers);
    assert.deepEqual([seen?.sourceIp.length, seen?.agent.length, seen?.app.length], [128, 256, 256]);
  });

  test("is counted under the pattern of its route", async () => {
    const test = serving([plain("/who/:name", () => text("x"))]);
    await test.call("GET /who/a");
    await test.call("GET /who/b");
    await test.call("GET /nowhere/1");
    const counted = [...test.server.requests].map(({ labels: { uri, status }, count }) => [uri, status, count]);
    assert.deepEqual(counted, [
      ["/who/:name", "200", 2],
      ["UNKNOWN", "404", 1],
    ]);
  });

  test("with names that break the rules is refused before its handler, as its family does", async () => {
    const handled: string[] = [];
    const handle = (_params: unknown, call: Call) => {
      handled.push(call.path);
      return result("ok");
    };
    const test = serving([v2("GET", "/v2/x", "admin", "", handle), v3("GET", "/v3/x", handle)]);
    for (const path of ["/v2/x", "/v3/x"]) {
      const refused = await test.call(`GET ${path}?groupName=a%20b`);
      assert.deepEqual([refused.status, refused.json.code], [400, 20002]);
    }
    assert.deepEqual(handled, []);
    assert.equal((await test.call("GET /v3/x?groupName=ab")).status, 200);
  });
});

describe("a page", () => {
  test("counts the pages that are there, and an empty one has none", () => {
    const counts = (total: number, size: number) => pageBody(total, 1, size, []).pagesAvailable;
    assert.deepEqual([counts(0, 10), counts(10, 10), counts(11, 10), counts(5, 0)], [0, 1, 2, 0]);
    assert.deepEqual(JSON.parse(pageText(2, 1, 1, ['{"a":1}'])), pageBody(2, 1, 1, [{ a: 1 }]));
  });
});

describe("a gate", () => {
  test("that is closed answers 410 with JSON in JSON", async () => {
    const test = serving([], { gates: { open: true, admin: false, console: true } });
    const closed = await test.call("GET /v1/ns/operator/switches");
    assert.equal(closed.status, 410);
    const inner = JSON.parse(closed.json.message);
    assert.equal(inner.code, 40000);
    assert.match(inner.message, /use API\(s\) GET \/v3\/admin\/ns\/ops\/switches instead/);
    assert.match(inner.message, /set nacos\.core\.api\.compatibility\.admin\.enabled=true/);
    const replaced = await test.call("GET /v1/ns/instance/statuses?key=g@@s");
    assert.match(JSON.parse(replaced.json.message).message, /deprecated, please set nacos/, "nothing took its place");
    assert.equal((await test.call("GET /v1/ns/operator/metrics")).status, 200);
    assert.equal((await test.call("GET /v1/ns/catalog/services?pageNo=1&pageSize=1")).status, 200);
  });
});

describe("a member that cannot serve", () => {
  const list = "GET /v1/ns/instance/list?serviceName=x";
  const write = "POST /v1/ns/instance?serviceName=x&ip=10.1.1.5&port=1";

  test("answers naming with 503 and its reason, but members and operators get through", async () => {
    const test = serving([
      v3("GET", "/v3/client/ns/x", () => result(1)),
      v3("GET", "/v3/admin/core/x", () => result(1)),
    ]);
    test.ready = { ready: false, status: "STARTING", reason: "loading" };
    const refused = await test.call(list);
    assert.deepEqual([refused.status, refused.text], [503, "server is STARTINGnow, detailed error message: loading"]);
    assert.equal((await test.call(list, undefined, { "user-agent": "Nacos-Server:v3.0.0" })).status, 200);
    assert.deepEqual((await test.call("GET /v1/ns/operator/metrics")).json, { status: "STARTING" });
    const later = await test.call("GET /v3/client/ns/x");
    assert.deepEqual([later.status, later.json.code], [503, 30000]);
    assert.equal((await test.call("GET /v3/admin/core/x")).status, 200);
  });

  test("shows nothing of configurations while those that it has are not as they should be", async () => {
    const test = serving([v3("GET", "/v3/client/cs/x", () => result(1)), v3("GET", "/v3/admin/cs/x", () => result(1))]);
    test.ready = { ready: false, status: "STARTING", reason: "loading" };
    assert.equal((await test.call("GET /v3/client/cs/x")).status, 200);
    test.ready = { ...test.ready, isWrong: true };
    for (const path of ["/v3/client/cs/x", "/v3/admin/cs/x"])
      assert.equal((await test.call(`GET ${path}`)).status, 503);
  });

  test("serves while it leaves, unless an operator set a status", async () => {
    const test = serving([]);
    test.ready = { ready: false, status: "DOWN", reason: "stopping", isLeaving: true };
    assert.deepEqual([(await test.call(list)).status, (await test.call(write)).status], [200, 200]);
    await test.call("PUT /v1/ns/operator/switches?entry=overriddenServerStatus&value=DOWN");
    assert.equal((await test.call(list)).status, 503);
    await test.call("PUT /v1/ns/operator/switches?entry=overriddenServerStatus&value=");
    test.ready = { ready: false, status: "DOWN", reason: "stopping" };
    assert.equal((await test.call(list)).status, 503);
  });

  test("obeys the status that an operator sets", async () => {
    const test = serving([]);
    const status = (value: string) =>
      test.call(`PUT /v1/ns/operator/switches?entry=overriddenServerStatus&value=${value}`);
    const statuses = async () => [(await test.call(list)).status, (await test.call(write)).status];
    assert.deepEqual(await statuses(), [200, 200]);
    await status("READ_ONLY");
    assert.deepEqual(await statuses(), [200, 503]);
    await status("WRITE_ONLY");
    assert.deepEqual(await statuses(), [503, 200]);
    await status("DOWN");
    assert.equal((await test.call(list)).text, "server is DOWNnow, please try again later!");
    await status("");
    assert.deepEqual(await statuses(), [200, 200]);
  });

  test("answers paths that an operator blocked with the operator's status and nothing else", async () => {
    const test = serving([]);
    await test.call("PUT /v1/ns/operator/switches", { entry: "limitedUrlMap", value: "/nacos/v1/ns/instance:429" });
    const blocked = await test.call(list);
    assert.deepEqual([blocked.status, blocked.text], [429, ""]);
    assert.equal((await test.call("GET /v1/ns/service/list?pageNo=1&pageSize=1")).status, 200);
  });
});

describe("routes that are loaded later", () => {
  function loading(further: (time: number) => Promise<readonly Route[]>) {
    let times = 0;
    const test = serving([plain("/early", () => text("early"))], { furtherRoutes: () => further(++times) });
    return { test, times: () => times };
  }

  test("are loaded with the first call that none of the others answers, and once", async () => {
    const { test, times } = loading(async () => [plain("/late", () => text("late"))]);
    assert.equal((await test.call("GET /early")).text, "early");
    assert.equal(times(), 0);
    const answers = await Promise.all([test.call("GET /late"), test.call("GET /late"), test.call("GET /nowhere")]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 404],
    );
    assert.equal((await test.call("GET /early")).text, "early");
    assert.equal(times(), 1);
    assert.ok(
      [...test.server.requests].some(({ labels: { uri } }) => uri === "/late"),
      "counted by their path",
    );
  });

  test("that cannot be loaded are a failure that is logged, and the next call tries again", async () => {
    const { test } = loading(async (time) => {
      if (time === 1) throw new Error("too many open files");
      return [plain("/late", () => text("late"))];
    });
    const failed = await test.call("GET /late");
    assert.equal(failed.status, 500);
    assert.doesNotMatch(failed.text, /open files/);
    assert.match(String((test.log.errors[0]?.details as { err?: unknown } | undefined)?.err), /too many open files/);
    assert.equal((await test.call("GET /late")).text, "late");
  });
});
