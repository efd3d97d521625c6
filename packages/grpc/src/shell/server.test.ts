import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { newAuthority } from "@nacre/testkit/certificates";
import type { Method, Methods, Peer, ServerCall } from "../grpc/call.ts";
import { FrameType, PREFACE, Setting } from "../http2/protocol.ts";
import { data, headers, message, request, settings, settingsAck, windowUpdate } from "../http2/wire.fixture.ts";
import { type ConnectOptions, connectGrpc, type GrpcConnection } from "./client.ts";
import { Loop } from "./loop.ts";
import { GrpcServer, type ServerOptions } from "./server.ts";
import { type Reader, Turns } from "./turns.ts";
import { Wire } from "./wire.ts";

const HOST = "127.0.0.1";

const METHODS: Methods = {
  "/test/Echo": { type: "unary", handle: (message) => message },
  "/test/Subject": { type: "unary", handle: (_, { peer }) => Buffer.from(String(peer.certificate?.subject.CN)) },
};

interface Served {
  readonly server: GrpcServer;
  readonly port: number;
}

async function serving(t: TestContext, options: Partial<ServerOptions> = {}): Promise<Served> {
  const server = new GrpcServer({ host: HOST, port: 0, methods: METHODS, ...options });
  t.after(() => server.close(0));
  return { server, port: await server.listen() };
}

async function connected(t: TestContext, port: number, options: Partial<ConnectOptions> = {}): Promise<GrpcConnection> {
  const connection = await connectGrpc({ host: HOST, port, ...options });
  t.after(() => connection.destroy());
  return connection;
}

function busyFor(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** Collects what is thrown where nobody catches it. */
function uncaughtIn(t: TestContext): unknown[] {
  const errors: unknown[] = [];
  const { nextTick } = process;
  t.mock.method(process, "nextTick", (run: (...args: unknown[]) => void, ...given: unknown[]) => {
    nextTick(() => {
      try {
        run(...given);
      } catch (error) {
        errors.push(error);
      }
    });
  });
  return errors;
}

describe("certificates of clients that are optional", () => {
  const authority = newAuthority();
  const options = {
    tls: { ...authority.issue("server"), ca: authority.cert, clientCertificates: "optional" },
  } as const;
  const subject = async (t: TestContext, shown: object): Promise<string> => {
    const { port } = await serving(t, options);
    const connection = await connected(t, port, { tls: { ca: authority.cert, ...shown } });
    return (await connection.unary("/test/Subject", Buffer.alloc(0))).toString();
  };

  test("are shown when an authority of ours has signed them", async (t) => {
    assert.equal(await subject(t, authority.issue("member a")), "member a");
  });

  test("are as good as none otherwise: anybody can make one with any name", async (t) => {
    const { cert, key } = newAuthority();
    assert.equal(await subject(t, { cert, key }), "undefined");
    assert.equal(await subject(t, {}), "undefined");
  });
});

describe("a connection", () => {
  test("that is ended while it is accepted is closed, told of once, and forgotten", async (t) => {
    const closed: [Peer, string][] = [];
    let accepted: Peer | undefined;
    const { server, port } = await serving(t, {
      accepts: (peer) => {
        accepted = peer;
        peer.destroy();
        assert.deepEqual(closed, [], "nobody hears of the end before the beginning is over");
        return true;
      },
      closed: (peer, cause) => closed.push([peer, cause]),
    });
    const socket = connect(port, HOST).resume();
    await once(socket, "close");
    assert.deepEqual(closed, [[accepted, "the connection was closed before its first call"]]);
    assert.equal(server.connections, 0);
  });

  test("that is ended and then refused is told of to nobody", async (t) => {
    const closed: string[] = [];
    const { server, port } = await serving(t, {
      accepts: (peer) => {
        peer.destroy();
        return false;
      },
      closed: (_, cause) => closed.push(cause),
    });
    await once(connect(port, HOST).resume(), "close");
    assert.deepEqual([closed, server.connections], [[], 0]);
  });

  test("is told to be gone after all its calls, though one of them destroys it when it hears of its end", async (t) => {
    const told: string[] = [];
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const { promise: open, resolve: bothOpen } = Promise.withResolvers<void>();
    let calls = 0;
    const { port } = await serving(t, {
      methods: {
        "/test/Open": {
          type: "stream",
          open: ({ peer }) => {
            if (++calls === 2) bothOpen();
            return {
              message: () => {},
              closed: () => {
                peer.destroy();
                told.push("call");
              },
            };
          },
        },
      },
      closed: () => {
        told.push("connection");
        resolve();
      },
    });
    const connection = await connected(t, port);
    for (let nth = 0; nth < 2; nth++) connection.call("/test/Open", { message: () => {}, closed: () => {} });
    await open;
    connection.destroy();
    await gone;
    assert.deepEqual(told, ["call", "call", "connection"]);
  });

  test("that the peer resets says so, also on a port that takes TLS", async (t) => {
    const { promise: cause, resolve } = Promise.withResolvers<string>();
    const tls = { ...newAuthority().issue("server"), plaintext: true };
    const { port } = await serving(t, { tls, closed: (_, why) => resolve(why) });
    const socket = connect(port, HOST);
    socket.write(PREFACE);
    await once(socket, "data");
    socket.resetAndDestroy();
    assert.equal(await cause, "the TCP connection ended");
  });
});

describe("an answer of megabytes", () => {
  const BYTES = 3 * 1024 * 1024;
  const large: Method = { type: "unary", handle: () => Buffer.alloc(BYTES, "a") };

  test("is written whole before a server that is being closed ends TCP", async (t) => {
    const { server, port } = await serving(t, { methods: { "/test/Large": large } });
    const limits = { streamWindowBytes: 2 * BYTES, connectionWindowBytes: 2 * BYTES };
    const connection = await connected(t, port, { limits });
    const answer = connection.unary("/test/Large", Buffer.alloc(0));
    const flushed = t.mock.method(Wire.prototype, "flush", function (this: Wire) {
      flushed.mock.restore();
      void server.close(10_000);
      this.flush();
    });
    assert.equal((await answer).length, BYTES);
  });
});

test("what a slow reader made us hold is written after others are read", async (t) => {
  const MESSAGES = 20;
  const BYTES = 1024 * 1024;
  const open: Extract<Method, { type: "stream" }>["open"] = (call) => {
    for (let nth = 0; nth < MESSAGES; nth++) call.send(Buffer.alloc(BYTES));
    return { message() {} };
  };
  const { port } = await serving(t, { methods: { "/test/Much": { type: "stream", open } } });
  let behind = 0;
  const { wait } = Turns.prototype;
  t.mock.method(Turns.prototype, "wait", function (this: Turns, reader: Reader, now: number) {
    if (reader.isCostly(now)) behind++;
    wait.call(this, reader, now);
  });
  const limits = { streamWindowBytes: 2 ** 30, connectionWindowBytes: 2 ** 30 };
  const connection = await connected(t, port, { limits });
  const { promise: all, resolve } = Promise.withResolvers<void>();
  let came = 0;
  const message = (): void => {
    if (++came === MESSAGES) resolve();
  };
  connection.call("/test/Much", { message, closed() {} });
  await all;
  assert.ok(behind > 0);
});

test("what is sent to a socket that is full waits without a flush, and leaves when it is read", async (t) => {
  const BYTES = 1024 * 1024;
  const { promise: full, resolve } = Promise.withResolvers<ServerCall>();
  const open: Extract<Method, { type: "stream" }>["open"] = (call) => {
    let turns = 0;
    const fill = (): void => {
      // More than any system takes of what nobody reads.
      if (call.queuedBytes > 16 * BYTES) turns++;
      else call.send(Buffer.alloc(BYTES));
      if (turns < 5) setImmediate(fill);
      else resolve(call);
    };
    fill();
    return { message() {} };
  };
  const { port } = await serving(t, { methods: { "/test/Much": { type: "stream", open } } });
  const socket = connect(port, HOST);
  t.after(() => socket.destroy());
  const window = 2 ** 31 - 1;
  const call = headers(1, request({ ":path": "/test/Much" }));
  socket.write(
    Buffer.concat([PREFACE, settings([Setting.INITIAL_WINDOW_SIZE, window]), windowUpdate(0, window - 65_535), call]),
  );
  const sender = await full;
  const before = sender.queuedBytes;
  const flushes = t.mock.method(Loop.prototype, "flushSoon");
  sender.send(Buffer.alloc(BYTES));
  sender.send(Buffer.alloc(BYTES));
  assert.equal(flushes.mock.callCount(), 0);
  assert.ok(sender.queuedBytes > before + 2 * BYTES);
  sender.end();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  let tail = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-100);
    if (tail.includes("grpc-status")) end();
  });
  await ended;
});

describe("a connection that has not called", () => {
  test("hears nothing before it has greeted, and then all that is to be said at once", async (t) => {
    const { server, port } = await serving(t);
    const socket = connect(port, HOST);
    t.after(() => socket.destroy());
    await once(socket, "connect");
    const other = await connected(t, port);
    await other.unary("/test/Echo", Buffer.of(1));
    assert.equal(server.connections, 2);
    assert.equal(socket.bytesRead, 0);
    socket.write(Buffer.concat([PREFACE, settings()]));
    const [said] = (await once(socket, "data")) as [Buffer];
    const [own, answer] = [said.indexOf(Buffer.of(FrameType.SETTINGS, 0)), said.indexOf(settingsAck())];
    assert.ok(own === 3 && answer > own, said.toString("hex"));
  });

  test("waits for those that have, when time is short", async (t) => {
    const { port } = await serving(t);
    const known = await connected(t, port);
    await known.unary("/test/Echo", Buffer.of(1));
    t.mock.method(Turns.prototype, "endsAt", () => Number.NEGATIVE_INFINITY);
    const waits = t.mock.method(Turns.prototype, "wait");
    await known.unary("/test/Echo", Buffer.of(2));
    assert.equal(waits.mock.callCount(), 0);
    const other = await connected(t, port);
    await other.unary("/test/Echo", Buffer.of(3));
    assert.ok(waits.mock.callCount() > 0);
  });
});

describe("what comes at once", () => {
  const CALLS = 3000;

  test("is read in turns, all of it, also when its end comes with it", async (t) => {
    let heard = 0;
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    // Long enough for TCP to be gone before all is read.
    const hear = (): void => {
      busyFor(0.02);
      heard++;
    };
    const method = { type: "stream", open: () => ({ message: hear }) } as const;
    const { port } = await serving(t, { methods: { "/test/Hear": method }, closed: () => resolve() });
    const worked = t.mock.method(Wire.prototype, "work");
    const opened = headers(1, request({ ":path": "/test/Hear" }));
    connect(port, HOST).end(
      Buffer.concat([
        PREFACE,
        settings(),
        opened,
        ...Array.from({ length: CALLS }, () => data(1, message("x".repeat(60)))),
      ]),
    );
    await gone;
    assert.equal(heard, CALLS);
    assert.ok(worked.mock.callCount() > 4, `${worked.mock.callCount()} turns`);
  });

  test("lets another connection be served in between", async (t) => {
    const told: string[] = [];
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const busy: Method = {
      type: "unary",
      handle: (own) => {
        busyFor(1);
        told.push("busy");
        return own;
      },
    };
    const { port } = await serving(t, { methods: { ...METHODS, "/test/Busy": busy } });
    const [much, other] = [await connected(t, port), await connected(t, port)];
    const all = Array.from({ length: 300 }, () => much.unary("/test/Busy", Buffer.alloc(10)));
    await all[0];
    await other.unary("/test/Echo", Buffer.alloc(10));
    told.push("other");
    await Promise.all(all);
    resolve();
    await gone;
    const before = told.indexOf("other");
    assert.ok(before >= 1 && before < 250, `${before} of 300 went first`);
  });
});

test("a handshake of TLS waits for a turn of its own, and no longer than its connection is there", async (t) => {
  const authority = newAuthority();
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  const { port } = await serving(t, { tls: authority.issue("server"), closed: () => resolve() });
  const { promise: waits, resolve: waiting } = Promise.withResolvers<Reader>();
  t.mock.method(Turns.prototype, "wait", (reader: Reader) => waiting(reader));
  const forgotten = t.mock.method(Turns.prototype, "forget");
  const socket = connect(port, HOST);
  socket.write(Buffer.of(0x16));
  const handshake = await waits;
  assert.equal(handshake.indivisible, true);
  socket.resetAndDestroy();
  await gone;
  assert.ok(forgotten.mock.calls.some(({ arguments: [reader] }) => reader === handshake));
});

describe("an address that keeps breaking rules", () => {
  const authority = newAuthority();
  const kinds: Readonly<Record<string, Partial<ServerOptions>>> = {
    "of HTTP/2": {},
    "of HTTP/2, on a port that takes TLS too": { tls: { ...authority.issue("server"), plaintext: true } },
    "of TLS": { tls: authority.issue("server") },
    "of TLS, by doing without": { tls: authority.issue("server") },
  };
  for (const [what, options] of Object.entries(kinds)) {
    test(`${what} is served, but behind others`, async (t) => {
      const { port } = await serving(t, options);
      const waited = t.mock.method(Turns.prototype, "wait");
      // A record of TLS of which nothing is right, and a preface that is none.
      const garbage = Buffer.alloc(500, what === "of TLS" ? 0x16 : "G");
      const plain = options.tls === undefined || options.tls.plaintext === true;
      const one = async (): Promise<unknown> => {
        const socket = connect(port, HOST).on("error", () => {});
        socket.resume().write(garbage);
        return once(socket, "close");
      };
      for (let nth = 0; nth < 5; nth++) await Promise.all([one(), one(), one(), one(), one()]);
      const before = waited.mock.callCount();
      const tls = { ca: authority.cert, serverName: "localhost" };
      const connection = await connected(t, port, plain ? {} : { tls });
      assert.equal(String(await connection.unary("/test/Echo", Buffer.from("a"))), "a");
      assert.ok(waited.mock.callCount() > before);
    });
  }

  const fruitless: Readonly<Record<string, (port: number) => Promise<unknown>>> = {
    "a handshake of TLS": async (port) => {
      const socket = connectTls({
        port,
        host: HOST,
        ca: authority.cert,
        servername: "localhost",
        ALPNProtocols: ["h2"],
      });
      await once(socket, "secureConnect");
      return once(socket.destroy(), "close");
    },
    "the beginning of a handshake": async (port) => {
      const socket = connect(port, HOST);
      // A record that says it has 512 bytes. Whoever may speak TLS is not answered before it is whole.
      socket.write(Buffer.concat([Buffer.of(0x16, 3, 1, 2, 0), Buffer.alloc(100)]));
      await once(socket, "connect");
      return once(socket.end().resume(), "close");
    },
    "a greeting": async (port) => {
      const socket = connect(port, HOST);
      socket.write(Buffer.concat([PREFACE, settings()]));
      await once(socket, "data");
      return once(socket.end().resume(), "close");
    },
  };
  for (const [what, leave] of Object.entries(fruitless)) {
    test(`is one, too, from which ${what} comes again and again, and no call`, async (t) => {
      const tls = { ...authority.issue("server"), plaintext: true };
      const { promise: all, resolve } = Promise.withResolvers<void>();
      let ended = 0;
      const { port } = await serving(t, { tls, closed: () => ++ended === 30 && resolve() });
      for (let nth = 0; nth < 30; nth++) await leave(port);
      await all;
      const waited = t.mock.method(Turns.prototype, "wait");
      const connection = await connected(t, port);
      assert.equal(String(await connection.unary("/test/Echo", Buffer.from("a"))), "a");
      assert.ok(waited.mock.callCount() > 0);
    });
  }

  test("is not one from which connections come that say nothing, or call", async (t) => {
    const { port } = await serving(t);
    const waited = t.mock.method(Turns.prototype, "wait");
    for (let nth = 0; nth < 30; nth++) {
      const socket = connect(port, HOST).resume();
      socket.end(nth % 2 === 0 ? PREFACE : "");
      await once(socket, "close");
    }
    for (let nth = 0; nth < 30; nth++) {
      const connection = await connected(t, port);
      await connection.unary("/test/Echo", Buffer.alloc(0));
      connection.destroy();
    }
    const connection = await connected(t, port);
    await connection.unary("/test/Echo", Buffer.alloc(0));
    assert.equal(waited.mock.callCount(), 0);
  });
});

describe("a server that is closed before it listens", () => {
  for (const host of [HOST, "localhost"]) {
    test(`says so, does not listen, and closes (${host})`, async () => {
      const server = new GrpcServer({ host, port: 0, methods: METHODS });
      const listening = assert.rejects(server.listen(), /closed before it listened/);
      await server.close(0);
      await listening;
      await assert.rejects(server.listen(), /closed before it listened/);
    });
  }

  test("twice at a time closes for both who asked", async (t) => {
    const { server, port } = await serving(t);
    await connected(t, port);
    await Promise.all([server.close(1000), server.close(0)]);
    assert.equal(server.connections, 0);
  });
});

describe("what the application throws", () => {
  const mistake = new Error("a mistake");
  const fail = (): never => {
    throw mistake;
  };

  test("in `accepts` refuses the connection, and is not lost", async (t) => {
    const { server, port } = await serving(t, { accepts: fail });
    const errors = uncaughtIn(t);
    await once(connect(port, HOST).resume(), "close");
    assert.deepEqual([errors, server.connections], [[mistake], 0]);
  });

  test("in `closed` keeps the server neither from closing nor from hearing of it", async (t) => {
    const { server, port } = await serving(t, { closed: fail });
    const connection = await connected(t, port);
    await connection.unary("/test/Echo", Buffer.alloc(0));
    const errors = uncaughtIn(t);
    await server.close(0);
    assert.deepEqual(errors, [mistake]);
  });

  test("in a method is a line on stderr when nobody asks for it", async (t) => {
    const { port } = await serving(t, { methods: { "/test/Fail": { type: "unary", handle: fail } } });
    const connection = await connected(t, port);
    const written: string[] = [];
    const spy = t.mock.method(process.stderr, "write", (text: string) => written.push(text) > 0);
    for (let nth = 0; nth < 3; nth++) {
      await assert.rejects(connection.unary("/test/Fail", Buffer.alloc(0)), { status: 13 });
    }
    spy.mock.restore();
    assert.equal(written.length, 1);
    assert.match(String(written[0]), /^@nacre\/grpc: the method \/test\/Fail threw Error: a mistake .*\n$/);
  });

  test("in `onError` ends no more than the call that it is told of", async (t) => {
    const { port } = await serving(t, {
      methods: { ...METHODS, "/test/Fail": { type: "unary", handle: fail } },
      onError: fail,
    });
    const connection = await connected(t, port);
    const errors = uncaughtIn(t);
    await assert.rejects(connection.unary("/test/Fail", Buffer.alloc(0)), { status: 13 });
    assert.equal(String(await connection.unary("/test/Echo", Buffer.from("a"))), "a");
    assert.deepEqual(errors, [mistake]);
  });
});
