import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import { TestHttp } from "../../naming/http.fixture.ts";
import { type Answer, pageBody, pageText, result, text } from "./answers.ts";
import type { Call } from "./call.ts";
import type { HttpServerSetup } from "./http-server.ts";
import type { Route } from "./route.ts";
import { plain, v1, v2, v3 } from "./rows.ts";

let http: TestHttp | undefined;
afterEach(() => http?.close());

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

describe("a body", () => {
  const echo = v3("POST", "/v3/echo", (params, call) => text(`${params.text("a", "-")} ${call.body.length}`));

  for (const [type, expected] of [
    [undefined, "1 3"],
    ["application/x-www-form-urlencoded;charset=GBK", "1 3"],
    ["text/plain", "1 3"],
    ["nonsense", "- 3"],
    ["application/json", "- 3"],
  ] as const)
    test(`declared as ${type ?? "nothing"} is ${expected === "1 3" ? "read as a form" : "left to the handler"}`, async () => {
      const test = serving([echo]);
      const headers = type === undefined ? {} : { "content-type": type };
      const answer = await test.server.app.inject({
        method: "POST",
        url: "/v3/echo",
        payload: Buffer.from("a=1"),
        headers,
      });
      assert.equal(answer.body, expected);
    });

  const parts = (boundary: string, ...given: readonly (readonly [head: string, body: string])[]) =>
    `${given.map(([head, body]) => `--${boundary}\r\nContent-Disposition: form-data; ${head}\r\n\r\n${body}\r\n`).join("")}--${boundary}--\r\n`;

  test("of several parts gives its fields as parameters and its files to the handler", async () => {
    const seen: unknown[] = [];
    const test = serving([
      v3("POST", "/v3/parts", (params, call) => {
        seen.push(params.optional("a"), params.raw("text"), Buffer.from(call.file("file") ?? []).toString());
        return result(call.file("other") === undefined);
      }),
    ]);
    const body = parts(
      "Xy",
      ['name="a"', "from the form"],
      ['name="text"', " 配置 %41+ "],
      ['name="file"; filename="x.zip"', "PK"],
    );
    const answer = await test.call("POST /v3/parts?a=1", body, { "content-type": "multipart/form-data; boundary=Xy" });
    assert.deepEqual([answer.json.data, seen], [true, ["1", " 配置 %41+ ", "PK"]]);
  });

  for (const [what, type, body] of [
    ["has no boundary", "multipart/form-data", parts("x", ['name="a"', "1"])],
    [
      "ends in the middle",
      "multipart/form-data; boundary=x",
      '--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nPK',
    ],
    [
      "has more parts than a request needs",
      "multipart/form-data; boundary=x",
      parts("x", ...Array.from({ length: 101 }, (_, at) => [`name="a${at}"`, "1"] as const)),
    ],
  ] as const)
    test(`of several parts is refused when it ${what}`, async () => {
      const answer = await serving([echo]).call("POST /v3/echo", body, { "content-type": type });
      assert.deepEqual([answer.status, answer.json.code], [400, 10000]);
    });

  test("that is too large is refused with 413 in the words of its family, and routes may take more", async () => {
    const test = serving([echo, { ...echo, path: "/v3/large", bodyBytesMax: 3000 }], { bodyBytesMax: 1000 });
    const large = `a=${"x".repeat(2000)}`;
    const refused = await test.call("POST /v3/echo", large);
    assert.deepEqual(
      [refused.status, refused.json.code, refused.json.data],
      [413, 20002, "the body of this call may have 1000 bytes at most"],
    );
    assert.equal((await test.call("POST /v3/large", large)).status, 200);
    assert.match((await test.call("POST /v3/large", large + large)).json.data, /3000 bytes/);
  });

  test("that is large has its room among all that are on their way, and must say its size", async () => {
    const entered = Promise.withResolvers<void>();
    const leave = Promise.withResolvers<void>();
    const slow = {
      ...v3("POST", "/v3/slow", async () => {
        entered.resolve();
        await leave.promise;
        return result("ok");
      }),
      bodyBytesMax: 3000,
    };
    const quick = { ...echo, path: "/v3/quick", bodyBytesMax: 3000 };
    const { server } = serving([slow, quick], { bodyBytesMax: 1000, largeBodiesBytesMax: 4000 });
    const port = await server.listen({ port: 0, host: "127.0.0.1" });
    const post = (path: string, body: string | ReadableStream) =>
      fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body, duplex: "half" } as RequestInit);
    const large = `a=${"x".repeat(2500)}`;
    const first = post("/v3/slow", large);
    await entered.promise;
    const refused = await post("/v3/quick", large);
    assert.equal(refused.status, 503);
    assert.match(await refused.text(), /2502 bytes of large bodies already, of 4000/);
    assert.equal((await post("/v3/quick", "a=1")).status, 200);
    leave.resolve();
    assert.equal((await first).status, 200);
    await (await first).text();
    while ((await post("/v3/quick", large)).status !== 200) await new Promise(setImmediate);

    const chunked = (text: string) => new Blob([text]).stream();
    assert.equal((await post("/v3/quick", chunked("a=1"))).status, 200);
    assert.equal((await post("/v3/quick", chunked(large))).status, 413);
  });

  test("of a megabyte is read like a short one, wherever its slices end", async () => {
    let seen: string | undefined;
    const test = serving([
      {
        ...v3("POST", "/v3/long", (params) => {
          seen = params.raw("a");
          return result(params.raw("b"));
        }),
        bodyBytesMax: 8_000_000,
      },
    ]);
    const value = `${"配+%é\u{1F600}".repeat(40_000)}x`;
    const answer = await test.call("POST /v3/long", { a: value, b: "2" });
    assert.equal(answer.json.data, "2");
    assert.ok(seen === value);
    for (const bad of ["%f", "%zz", "%ff"])
      assert.equal((await test.call("POST /v3/long", `a=${"x".repeat(1_000_000)}${bad}`)).status, 400, bad);
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

describe("an answer", () => {
  async function* pieces(fails: boolean): AsyncIterable<Uint8Array> {
    yield Buffer.from("one ");
    if (fails) throw new Error("the disk is gone");
    yield Buffer.from("two");
  }
  const streamed = (fails: boolean) =>
    plain("/pieces", () => ({ status: 200, type: "application/zip", body: pieces(fails) }));

  test("may be made while it is sent", async () => {
    const answer = await serving([streamed(false)]).call("GET /pieces");
    assert.deepEqual([answer.text, answer.headers["content-type"]], ["one two", "application/zip"]);
  });

  test("that fails on the way ends the connection, so that nobody takes it for complete", async () => {
    const { server } = serving([streamed(true)]);
    const port = await server.listen({ port: 0, host: "127.0.0.1" });
    const ended = await fetch(`http://127.0.0.1:${port}/pieces`)
      .then((response) => response.text())
      .then(
        () => "complete",
        () => "cut",
      );
    assert.equal(ended, "cut");
  });
});

describe("a call that waits", () => {
  const local = { port: 0, host: "127.0.0.1" };
  const aborted = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });

  test("is told when its caller has gone", async () => {
    const parked = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const { server } = serving([
      plain("/wait", async (_params, { cut }) => {
        parked.resolve();
        await aborted(cut);
        gone.resolve();
        return text("");
      }),
    ]);
    const port = await server.listen(local);
    const socket = connect(port, "127.0.0.1");
    socket.write("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    await parked.promise;
    socket.destroy();
    await gone.promise;
  });

  test("is told when the port closes, and its answer closes the connection", async () => {
    const parked = Promise.withResolvers<void>();
    const { server } = serving([
      plain("/wait", async (_params, { cut }) => {
        parked.resolve();
        await aborted(cut);
        return text("over");
      }),
    ]);
    const port = await server.listen(local);
    const answered = fetch(`http://127.0.0.1:${port}/wait`);
    await parked.promise;
    const closed = server.close(60_000);
    const answer = await answered;
    assert.deepEqual([await answer.text(), answer.headers.get("connection")], ["over", "close"]);
    await closed;
  });
});

describe("the port", () => {
  const local = { port: 0, host: "127.0.0.1" };
  const answerOf = (url: string, agent: Agent) =>
    new Promise<number>((resolve, reject) => {
      get(url, { agent }, (response) => {
        response.resume().once("end", () => resolve(response.statusCode ?? 0));
      }).once("error", reject);
    });

  test("closes although a client keeps its connection", async () => {
    const { server } = serving([]);
    const port = await server.listen(local);
    const agent = new Agent({ keepAlive: true });
    assert.equal(await answerOf(`http://127.0.0.1:${port}/nacos/v1/ns/operator/metrics`, agent), 200);
    await server.close(0);
    agent.destroy();
  });

  test("lets a call finish that runs when it closes, and ends it once the grace is over", async () => {
    const running = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const answer = Promise.withResolvers<Answer>();
    const hold = (which: number, held: Promise<Answer>) => () => {
      running[which]?.resolve();
      return held;
    };
    const never = new Promise<Answer>(() => {});
    const { server, clock } = serving([plain("/slow", hold(0, answer.promise)), plain("/stuck", hold(1, never))]);
    const port = await server.listen(local);
    const agent = new Agent();
    const slow = answerOf(`http://127.0.0.1:${port}/slow`, agent);
    const stuck = answerOf(`http://127.0.0.1:${port}/stuck`, agent).then(
      () => "answered",
      () => "ended",
    );
    await Promise.all(running.map(({ promise }) => promise));
    const closed = server.close(1000);
    answer.resolve(text("x"));
    assert.equal(await slow, 200);
    clock.advance(1000);
    assert.equal(await stuck, "ended");
    await closed;
  });

  test("takes no more connections of one address than it may", async () => {
    const { server } = serving([], { connectionsPerIpMax: 1 });
    const port = await server.listen(local);
    const first = connect(port, "127.0.0.1");
    await once(first, "connect");
    const second = connect(port, "127.0.0.1");
    await once(second, "close");
    first.destroy();
  });
});
