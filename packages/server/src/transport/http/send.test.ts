import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, test } from "node:test";
import { TestHttp } from "../../naming/http.fixture.ts";
import { text } from "./answers.ts";
import type { HttpServerSetup } from "./http-server.ts";
import type { Route } from "./route.ts";
import { plain } from "./rows.ts";

let http: TestHttp | undefined;
afterEach(() => http?.close());

function serving(routes: readonly Route[], some: Partial<HttpServerSetup> = {}): TestHttp {
  http = new TestHttp(some, () => routes);
  return http;
}

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

  test("that fails before its first piece is answered as a failure", async () => {
    async function* nothing(): AsyncIterable<Uint8Array> {
      yield* [];
      throw new Error("the disk is gone");
    }
    const body = () => ({ status: 200, type: "application/zip", body: nothing() });
    const test = serving([plain("/pieces", body)]);
    const answer = await test.call("GET /pieces");
    assert.deepEqual([answer.status, answer.json.error], [500, "Internal Server Error"]);
    assert.doesNotMatch(answer.text, /disk/);
    assert.equal(test.log.errors.length, 1);
  });

  test("with a header that cannot be written is answered as a failure", async () => {
    const test = serving([plain("/x", () => ({ ...text("x"), headers: { "X-Name": "a\r\nb: c" } }))]);
    const answer = await test.call("GET /x");
    assert.deepEqual([answer.status, answer.headers["x-name"]], [500, undefined]);
    assert.equal(test.log.errors.length, 1);
  });

  test("is made no faster than it is read, and no further when its reader has gone", async () => {
    const stopped = Promise.withResolvers<void>();
    let made = 0;
    async function* endless(): AsyncIterable<Uint8Array> {
      try {
        for (;;) {
          made++;
          yield Buffer.alloc(64 * 1024);
        }
      } finally {
        stopped.resolve();
      }
    }
    const { server, log } = serving([plain("/pieces", () => ({ status: 200, type: "a/b", body: endless() }))]);
    const port = await server.listen({ port: 0, host: "127.0.0.1" });
    const socket = connect(port, "127.0.0.1");
    socket.write("GET /pieces HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(socket, "readable");
    // The buffers of the system take some; without a bound it would never come to rest.
    let before = -1;
    while (before !== made) {
      before = made;
      for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate);
    }
    socket.destroy();
    await stopped.promise;
    assert.deepEqual(log.errors, []);
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

  test("that is made while it is sent has no body for HEAD", async () => {
    let made = 0;
    let over = false;
    async function* body(): AsyncIterable<Uint8Array> {
      try {
        for (; made < 100; made++) yield Buffer.from("piece");
      } finally {
        over = true;
      }
    }
    const test = serving([plain("/pieces", () => ({ status: 200, type: "application/zip", body: body() }))]);
    const answer = await test.call("HEAD /pieces");
    assert.deepEqual([answer.status, answer.text, answer.headers["content-type"]], [200, "", "application/zip"]);
    assert.deepEqual([made, over], [0, true], "what it holds is let go of");
  });
});
