import assert from "node:assert/strict";
import { connect } from "node:net";
import { afterEach, describe, test } from "node:test";
import { TestHttp } from "../../naming/http.fixture.ts";
import { result, text } from "./answers.ts";
import type { HttpServerSetup } from "./http-server.ts";
import type { Route } from "./route.ts";
import { v3 } from "./rows.ts";

let http: TestHttp | undefined;
afterEach(() => http?.close());

function serving(routes: readonly Route[], some: Partial<HttpServerSetup> = {}): TestHttp {
  http = new TestHttp(some, () => routes);
  return http;
}

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
    const undeclared = await post("/v3/quick", chunked(large));
    assert.equal(undeclared.status, 413);
    assert.match(await undeclared.text(), /more than 1000 bytes must say its size in Content-Length/);
  });

  test("that breaks off is neither handled nor answered, and gives its room back", async () => {
    let handled = 0;
    const large = {
      ...v3("POST", "/v3/large", () => {
        handled++;
        return result("ok");
      }),
      bodyBytesMax: 3000,
    };
    const { server } = serving([large], { bodyBytesMax: 1000, largeBodiesBytesMax: 3000 });
    const port = await server.listen({ port: 0, host: "127.0.0.1" });
    const post = () => fetch(`http://127.0.0.1:${port}/v3/large`, { method: "POST", body: "x".repeat(2000) });
    const socket = connect(port, "127.0.0.1");
    socket.write(`POST /v3/large HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n${"x".repeat(1000)}`);
    while ((await post()).status !== 503) await new Promise(setImmediate);
    handled = 0;
    socket.destroy();
    while ((await post()).status !== 200) await new Promise(setImmediate);
    assert.equal(handled, 1, "the one that came whole");
    assert.equal([...server.requests].filter(({ labels }) => labels.status === "400").length, 0);
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
