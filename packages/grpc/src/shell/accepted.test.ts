import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { FrameType, PREFACE } from "../http2/protocol.ts";
import { settings } from "../http2/wire.fixture.ts";
import { AcceptedConnection } from "./accepted.ts";
import { connectGrpc } from "./client.ts";
import { GrpcServer } from "./server.ts";

const HOST = "127.0.0.1";

/** A server that tells when it has accepted somebody, and when he is gone. */
async function serving(t: TestContext) {
  const accepted = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<string>();
  const server = new GrpcServer({
    host: HOST,
    port: 0,
    methods: { "/test/Echo": { type: "unary", handle: (message) => message } },
    accepts() {
      accepted.resolve();
      return true;
    },
    closed: (_, cause) => closed.resolve(cause),
  });
  t.after(() => server.close(0));
  return { server, port: await server.listen(), accepted: accepted.promise, closed: closed.promise };
}

async function silent(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, HOST);
  t.after(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

describe("a connection that says nothing", () => {
  test("has no session before its first bytes, and one from then on", async (t) => {
    const begun = t.mock.method(AcceptedConnection.prototype, "begin");
    const { port, accepted, closed } = await serving(t);
    const socket = await silent(t, port);
    await accepted;
    socket.end();
    assert.equal(await closed, "the peer ended the TCP connection");
    assert.equal(begun.mock.callCount(), 0);

    const connection = await connectGrpc({ host: HOST, port });
    t.after(() => connection.destroy());
    await connection.unary("/test/Echo", Buffer.from("a"));
    await connection.unary("/test/Echo", Buffer.from("b"));
    assert.equal(begun.mock.callCount(), 1);
  });

  test("hears that the server goes away: it may be about to call", async (t) => {
    const { server, port, accepted } = await serving(t);
    const socket = await silent(t, port);
    const heard: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => heard.push(chunk));
    await accepted;
    const closing = server.close(1000);
    await once(socket, "data");
    socket.end();
    await closing;
    const types = [...typesOf(Buffer.concat(heard))];
    assert.equal(types[0], FrameType.SETTINGS, "who begins greets");
    assert.ok(types.includes(FrameType.GOAWAY), `frames of the types ${types}`);
  });
});

describe("a connection that its peer ends", () => {
  for (const [what, said] of [
    ["silent", Buffer.alloc(0)],
    ["with a preface", PREFACE],
    ["with a greeting", Buffer.concat([PREFACE, settings()])],
  ] as const) {
    test(`is closed, and not ended first, when nothing is left to write (${what})`, async (t) => {
      const { port, accepted, closed } = await serving(t);
      const socket = await silent(t, port);
      await accepted;
      const ended = t.mock.method(Object.getPrototypeOf(socket), "destroySoon");
      socket.resume();
      if (said.length > 0) socket.write(said);
      socket.end();
      await closed;
      await once(socket, "close");
      assert.equal(ended.mock.callCount(), 0);
    });
  }
});

function* typesOf(frames: Buffer): Generator<number> {
  for (let at = 0; at + 9 <= frames.length; at += 9 + frames.readUIntBE(at, 3)) yield frames[at + 3] as number;
}
