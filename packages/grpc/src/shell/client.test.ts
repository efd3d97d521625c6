import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { newAuthority } from "@nacre/testkit/certificates";
import type { Methods, Peer, ServerCall } from "../grpc/call.ts";
import { Metadata } from "../grpc/metadata.ts";
import { Status, StatusError } from "../grpc/status.ts";
import { type ConnectOptions, connectGrpc, type GrpcConnection } from "./client.ts";
import { GrpcServer, type ServerOptions } from "./server.ts";

const HOST = "127.0.0.1";

const METHODS: Methods = {
  "/test/Echo": { type: "unary", handle: (message) => message },
  "/test/Subject": { type: "unary", handle: (_, { peer }) => Buffer.from(String(peer.certificate?.subject.CN)) },
  "/test/Bidi": {
    type: "stream",
    open: (call) => ({ message: (message) => call.send(message), halfClosed: () => call.end() }),
  },
  "/test/Silent": { type: "stream", open: () => ({ message: () => {} }) },
};

async function serving(t: TestContext, options: Partial<ServerOptions> = {}): Promise<number> {
  const server = new GrpcServer({ host: HOST, port: 0, methods: METHODS, ...options });
  t.after(() => server.close(0));
  return server.listen();
}

async function connected(t: TestContext, port: number, options: Partial<ConnectOptions> = {}): Promise<GrpcConnection> {
  const connection = await connectGrpc({ host: HOST, port, ...options });
  t.after(() => connection.destroy());
  return connection;
}

/** A TCP server that does with sockets what the test wants. */
async function listening(
  t: TestContext,
  server: Server,
  onSocket: (socket: Socket) => void = () => {},
): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen(0, HOST);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Ends of a call that nobody expects to say more. */
function ending(connection: GrpcConnection, path: string, onMessage?: (message: Buffer) => void) {
  const { promise, resolve } = Promise.withResolvers<string>();
  const call = connection.call(path, {
    message: (message) => onMessage?.(message),
    closed: (status, message) => resolve(`${status} ${message}`),
  });
  return { call, ended: promise };
}

describe("connectGrpc", () => {
  test("gives a connection that carries unary calls", async (t) => {
    const connection = await connected(t, await serving(t));
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => connection.unary("/test/Echo", Buffer.from(String(index)))),
    );
    assert.deepEqual(
      answers.map(String),
      Array.from({ length: 100 }, (_, index) => String(index)),
    );
    assert.equal(connection.open, true);
  });

  test("says that nobody listens, with the system's error as cause", async (t) => {
    const taken = createServer();
    const port = await listening(t, taken);
    taken.close();
    await once(taken, "close");
    await assert.rejects(connectGrpc({ host: HOST, port }), (error) => {
      assert.ok(error instanceof StatusError);
      assert.equal(error.status, Status.UNAVAILABLE);
      assert.match(error.message, new RegExp(`^cannot connect to 127.0.0.1:${port}: connect ECONNREFUSED`));
      assert.equal((error.cause as NodeJS.ErrnoException).code, "ECONNREFUSED");
      return true;
    });
  });

  test("waits no longer than it may for a server that says nothing", async (t) => {
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const port = await listening(t, createServer(), (socket) => socket.resume().on("close", () => resolve()));
    const message = `cannot connect to 127.0.0.1:${port}: it took more than 20 ms`;
    await assert.rejects(connectGrpc({ host: HOST, port, connectTimeoutMs: 20 }), { status: 14, message });
    await gone;
  });

  test("tells a server that does not speak HTTP/2", async (t) => {
    const port = await listening(t, createServer(), (socket) =>
      socket.resume().write("HTTP/1.1 400 Bad Request\r\n\r\n"),
    );
    const message = `cannot connect to 127.0.0.1:${port}: the first frame is not SETTINGS`;
    await assert.rejects(connectGrpc({ host: HOST, port }), { status: Status.UNAVAILABLE, message });
  });

  test("tells a server that ends the connection", async (t) => {
    const port = await listening(t, createServer(), (socket) => socket.end());
    const message = `cannot connect to 127.0.0.1:${port}: the peer ended the TCP connection`;
    await assert.rejects(connectGrpc({ host: HOST, port }), { status: Status.UNAVAILABLE, message });
  });
});

describe("TLS", () => {
  const authority = newAuthority();
  const server = authority.issue("server");

  test("checks the server's certificate", async (t) => {
    const port = await serving(t, { tls: server });
    const connection = await connected(t, port, { tls: { ca: authority.cert } });
    assert.equal((await connection.unary("/test/Echo", Buffer.from("safe"))).toString(), "safe");

    await assert.rejects(connectGrpc({ host: HOST, port, tls: { ca: newAuthority().cert } }), {
      status: Status.UNAVAILABLE,
      message: /unable to verify|signature/,
    });
    await assert.rejects(connectGrpc({ host: HOST, port, tls: { ca: authority.cert, serverName: "other.example" } }), {
      status: Status.UNAVAILABLE,
      message: /Hostname\/IP does not match certificate's altnames/,
    });
    const named = await connected(t, port, { tls: { ca: authority.cert, serverName: "localhost" } });
    assert.equal((await named.unary("/test/Echo", Buffer.from("named"))).toString(), "named");
  });

  test("shows a certificate of our own", async (t) => {
    const port = await serving(t, { tls: { ...server, ca: authority.cert, clientCertificates: "required" } });
    const connection = await connected(t, port, { tls: { ca: authority.cert, ...authority.issue("member a") } });
    assert.equal((await connection.unary("/test/Subject", Buffer.alloc(0))).toString(), "member a");

    await assert.rejects(connectGrpc({ host: HOST, port, tls: { ca: authority.cert } }), { status: 14 });
    const stranger = newAuthority().issue("stranger");
    await assert.rejects(connectGrpc({ host: HOST, port, tls: { ca: authority.cert, ...stranger } }), { status: 14 });
  });

  test("asks for HTTP/2 in the handshake", async (t) => {
    const port = await listening(t, createTlsServer(server));
    const message = /the server did not agree to HTTP\/2 \(ALPN h2\) in its TLS handshake$/;
    await assert.rejects(connectGrpc({ host: HOST, port, tls: { ca: authority.cert } }), { status: 14, message });
  });

  test("with a key that is none is told like every failure", async () => {
    const none = "-----BEGIN NOTHING-----";
    await assert.rejects(connectGrpc({ host: HOST, port: 1, tls: { cert: none, key: none } }), {
      status: Status.UNAVAILABLE,
    });
  });
});

describe("a connection", () => {
  test("carries a long stream of messages both ways, no faster than both sides take them", async (t) => {
    const connection = await connected(t, await serving(t));
    const message = Buffer.alloc(10_000, "x");
    const total = 2000;
    let [sent, received] = [0, 0];
    const { promise, resolve } = Promise.withResolvers<string>();
    const call = connection.call("/test/Bidi", {
      message(echo) {
        received += echo.length;
      },
      drained: () => fill(),
      closed: (status, text) => resolve(`${status} ${text}`),
    });
    function fill(): void {
      while (sent < total) {
        sent++;
        if (!call.send(message)) break;
      }
      if (sent === total) call.halfClose();
    }
    fill();
    assert.ok(sent < total, "it became slow");
    assert.equal(await promise, "0 ");
    assert.equal(received, total * message.length);
  });

  test("enforces deadlines though nothing comes from its server", async (t) => {
    const connection = await connected(t, await serving(t));
    await assert.rejects(connection.unary("/test/Silent", Buffer.alloc(0), { deadlineMs: 5 }), {
      status: Status.DEADLINE_EXCEEDED,
    });
  });

  test("tells the server of a call that was cancelled", async (t) => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const methods: Methods = {
      "/test/Open": { type: "stream", open: () => ({ message: () => {}, closed: resolve }) },
    };
    const connection = await connected(t, await serving(t, { methods }));
    const { call, ended } = ending(connection, "/test/Open");
    call.send(Buffer.from("begin"));
    await connection.unary("/test/None", Buffer.alloc(0)).catch(() => {});
    call.cancel();
    assert.equal(await ended, "1 the call was cancelled");
    assert.equal(await promise, "cancelled");
  });

  test("tells that its server goes away, lets calls end, and ends", async (t) => {
    const { promise: opened, resolve: open } = Promise.withResolvers<ServerCall>();
    const methods: Methods = {
      "/test/Open": {
        type: "stream",
        open: (call) => {
          open(call);
          return { message: () => {} };
        },
      },
    };
    const { promise: draining, resolve: drain } = Promise.withResolvers<string>();
    const connection = await connected(t, await serving(t, { methods }), { draining: drain });
    const { ended } = ending(connection, "/test/Open");
    const served = await opened;
    served.peer.close(60_000);
    assert.equal(await draining, "the peer takes no more calls: NO_ERROR");
    assert.equal(connection.open, false);
    await assert.rejects(connection.unary("/test/Open", Buffer.alloc(0)), { status: Status.UNAVAILABLE });
    served.end(Status.OK, "done", new Metadata());
    assert.equal(await ended, "0 done");
    await connection.closed;
  });

  test("ends its calls with UNAVAILABLE when it is lost", async (t) => {
    let peer: Peer | undefined;
    const port = await serving(t, {
      accepts: (accepted) => {
        peer = accepted;
        return true;
      },
    });
    const connection = await connected(t, port);
    const { ended } = ending(connection, "/test/Silent");
    peer?.destroy();
    assert.match(await ended, /^14 the connection ended before the answer: /);
    await connection.closed;
    await assert.rejects(connection.unary("/test/Echo", Buffer.alloc(0)), { status: Status.UNAVAILABLE });
  });

  test("that is closed lets calls end, and begins none", async (t) => {
    const connection = await connected(t, await serving(t, { limits: { streamsMax: 1 } }));
    const { call, ended } = ending(connection, "/test/Bidi");
    const waiting = ending(connection, "/test/Bidi");
    const gone = connection.close(60_000);
    assert.equal(connection.open, false);
    await assert.rejects(connection.unary("/test/Echo", Buffer.alloc(0)), { status: Status.UNAVAILABLE });
    assert.equal(await waiting.ended, "14 the call was not processed: the connection is being closed");
    call.halfClose();
    assert.equal(await ended, "0 ");
    assert.equal(await gone, "the connection was closed");
  });

  test("that is closed ends calls that take too long", async (t) => {
    const connection = await connected(t, await serving(t));
    const { ended } = ending(connection, "/test/Silent");
    const gone = connection.close(5);
    assert.equal(await ended, "14 the connection ended before the answer: the connection was closed");
    assert.equal(await gone, "the connection was closed");
  });

  test("that is destroyed ends at once", async (t) => {
    const connection = await connected(t, await serving(t));
    const { ended } = ending(connection, "/test/Silent");
    connection.destroy();
    assert.equal(await ended, "14 the connection ended before the answer: the connection was closed");
    assert.equal(await connection.closed, "the connection was closed");
  });

  test("rejects a path that is none", async (t) => {
    const connection = await connected(t, await serving(t));
    await assert.rejects(connection.unary("nowhere", Buffer.alloc(0)), TypeError);
    assert.throws(() => connection.call("nowhere", { message: () => {}, closed: () => {} }), TypeError);
  });
});
