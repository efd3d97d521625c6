import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { CHECKERS, type HttpChecker } from "@nacre/core/health";
import { newHttpCheck } from "./http.ts";
import { closedPort, listening, never } from "./targets.fixture.ts";

const check = newHttpCheck({ connectMs: 10_000, answerMs: 10_000 });
const order = (port: number, given: Partial<HttpChecker> = {}) => ({
  ip: "127.0.0.1",
  port,
  checker: { ...CHECKERS.HTTP, ...given },
});

/** A server that answers with `status`, and the requests it got. */
async function answering(t: TestContext, status: number) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    response.writeHead(status, { location: "/elsewhere" }).end("body");
  });
  return { port: await listening(t, server), requests };
}

describe("an HTTP check", () => {
  for (const [status, outcome] of [
    [200, "ok"],
    [204, "failNow"],
    [302, "fail"],
    [404, "failNow"],
    [500, "failNow"],
    [503, "fail"],
  ] as const)
    test(`takes status ${status} as ${outcome}`, async (t) => {
      const { port } = await answering(t, status);
      const result = await check(order(port), never);
      assert.equal(result.outcome, outcome, result.reason);
      assert.match(result.reason, new RegExp(`^status ${status}`));
    });

  test("honours the expected status, also one that would pass otherwise", async (t) => {
    const { port } = await answering(t, 503);
    assert.equal((await check(order(port, { expectedResponseCode: 503 }), never)).outcome, "ok");
    const { port: ok } = await answering(t, 200);
    const result = await check(order(ok, { expectedResponseCode: 204 }), never);
    assert.deepEqual([result.outcome, result.reason], ["failNow", "status 200 instead of 204"]);
  });

  test("asks for the path with the headers and closes the connection", async (t) => {
    const { port, requests } = await answering(t, 200);
    await check(order(port, { path: "/up?deep=1", headers: "X-Probe:a:b|Host: orders.local" }), never);
    const [request] = requests;
    assert.deepEqual([request?.method, request?.url], ["GET", "/up?deep=1"]);
    assert.deepEqual([request?.headers["x-probe"], request?.headers.host], ["a:b", "orders.local"]);
    assert.equal(request?.headers.connection, "close");
  });

  test("leaves no doubt when the connection is refused", async () => {
    const result = await check(order(await closedPort()), never);
    assert.deepEqual([result.outcome, result.reason], ["failNow", "the connection was refused"]);
  });

  test("is a counted failure when the target takes the connection and does not answer", async (t) => {
    const port = await listening(t, createTcpServer());
    const result = await newHttpCheck({ connectMs: 10_000, answerMs: 30 })(order(port), never);
    assert.deepEqual([result.outcome, result.reason], ["fail", "connected, but no answer within 30 ms"]);
  });

  test("is a counted failure when the target hangs up or does not speak HTTP", async (t) => {
    const deaf = await listening(
      t,
      createTcpServer((socket) => socket.destroy()),
    );
    assert.equal((await check(order(deaf), never)).outcome, "fail");
    const strange = await listening(
      t,
      createTcpServer((socket) => socket.end("SSH-2.0\r\n")),
    );
    assert.equal((await check(order(strange), never)).outcome, "fail");
  });

  test("names a path that cannot be sent", async (t) => {
    const { port } = await answering(t, 200);
    const result = await check(order(port, { path: "/a b" }), never);
    assert.equal(result.outcome, "failNow");
    assert.match(result.reason, /^cannot be checked: Request path/);
  });
});
