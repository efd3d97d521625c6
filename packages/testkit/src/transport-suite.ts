import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { ChannelCredentials, type ServiceError, status } from "@grpc/grpc-js";
import { systemClock } from "@nacre/server/clock";
import type { GrpcTransport, TransportFactory, TransportOptions } from "@nacre/server/transport";
import { newAuthority } from "./certificates.ts";
import { framed, GrpcClient, RawClient } from "./grpc-client.ts";
import { Witness } from "./witness.ts";

const MEBIBYTE = 1024 * 1024;

interface Started {
  readonly port: number;
  readonly witness: Witness;
  readonly transport: GrpcTransport;
}

/** What every gRPC transport must do, over real sockets on loopback. */
export function transportSuite(name: string, factory: TransportFactory): void {
  async function started(t: TestContext, options: Partial<TransportOptions> = {}): Promise<Started> {
    const witness = new Witness();
    const transport = factory(
      {
        host: "127.0.0.1",
        port: 0,
        messageBytesMax: 10 * MEBIBYTE,
        queuedBytesMax: 64 * 1024,
        connectionsMax: 1000,
        ...options,
      },
      witness,
      systemClock,
    );
    const port = await transport.listen();
    t.after(() => transport.close(0));
    return { port, witness, transport };
  }

  function client(t: TestContext, port: number, credentials?: ChannelCredentials): GrpcClient {
    const made = new GrpcClient(port, credentials);
    t.after(() => made.close());
    return made;
  }

  async function raw(t: TestContext, port: number): Promise<RawClient> {
    const made = await RawClient.connect(port);
    t.after(() => made.session.destroy());
    return made;
  }

  async function tcp(t: TestContext, port: number): Promise<Socket> {
    const socket = connectTcp(port, "127.0.0.1");
    socket.on("error", () => {});
    t.after(() => socket.destroy());
    await once(socket, "connect");
    return socket;
  }

  const statusOf = (expected: number) => (error: ServiceError) => error.code === expected;

  describe(`${name}: a unary call`, { timeout: 20_000 }, () => {
    test("is answered with the bytes that the server gives", async (t) => {
      const { port, witness } = await started(t);
      witness.answers = (payload) => Buffer.concat([Buffer.from("answer to "), payload]);

      const answer = await client(t, port).unary("question");

      assert.equal(answer.toString(), "answer to question");
    });

    test("may be answered later, and in another order than asked", async (t) => {
      const { port, witness } = await started(t);
      const first = Promise.withResolvers<Uint8Array>();
      witness.answers = (payload) => (payload.toString() === "first" ? first.promise : payload);
      const asking = client(t, port);

      const slow = asking.unary("first");
      await asking.unary("second");
      first.resolve(Buffer.from("at last"));

      assert.equal((await slow).toString(), "at last");
    });

    test("carries 10 MiB", async (t) => {
      const { port } = await started(t);
      const large = Buffer.alloc(10 * MEBIBYTE, 7);

      assert.ok((await client(t, port).unary(large)).equals(large));
    });

    test("over the limit is RESOURCE_EXHAUSTED, and the connection lives on", async (t) => {
      const { port, witness } = await started(t);
      const asking = client(t, port);

      await assert.rejects(asking.unary(Buffer.alloc(10 * MEBIBYTE + 1)), statusOf(status.RESOURCE_EXHAUSTED));

      assert.equal((await asking.unary("small")).toString(), "small");
      assert.equal(witness.connections.size, 1);
    });

    test("that the server fails to answer is INTERNAL, and the connection lives on", async (t) => {
      const { port, witness } = await started(t);
      const asking = client(t, port);
      witness.answers = () => Promise.reject(new Error("a fault"));
      await assert.rejects(asking.unary("one"), statusOf(status.INTERNAL));
      witness.answers = () => {
        throw new Error("a fault");
      };
      await assert.rejects(asking.unary("two"), statusOf(status.INTERNAL));
      witness.answers = (payload) => payload;

      assert.equal((await asking.unary("three")).toString(), "three");
      assert.equal(witness.connections.size, 1);
    });

    test("of an unknown method is UNIMPLEMENTED", async (t) => {
      const { port } = await started(t);

      await assert.rejects(client(t, port).unary("", "/Request/other"), statusOf(status.UNIMPLEMENTED));
    });
  });

  describe(`${name}: the stream`, { timeout: 20_000 }, () => {
    test("carries messages both ways, in order", async (t) => {
      const { port, witness } = await started(t);
      const stream = client(t, port).stream();
      const numbers = Array.from({ length: 300 }, (_, at) => String(at));
      for (const number of numbers) stream.write(number);

      const arrived = await witness.until("streamMessage", numbers.length);
      assert.deepEqual(
        arrived.map(({ payload }) => payload),
        numbers,
      );

      for (const number of numbers) assert.equal(witness.only.send(Buffer.from(number)), true);
      assert.deepEqual((await stream.until(numbers.length)).map(String), numbers);
    });

    test("is heard of before its first message, and before calls that follow", async (t) => {
      for (let round = 0; round < 10; round++) {
        const { port, witness } = await started(t);
        const client = await raw(t, port);
        // Everything leaves in one segment: the reader meets all of it at once.
        client.open().write(framed("setup"));
        client.unary("call");

        await witness.until("unary");

        assert.deepEqual(
          witness.seen.map(({ type }) => type),
          ["opened", "streamOpened", "streamMessage", "unary"],
        );
      }
    });

    test("is missing until the client opens it", async (t) => {
      const { port, witness } = await started(t);
      await client(t, port).unary("call");

      assert.equal(witness.only.streaming, false);
      assert.equal(witness.only.send(Buffer.from("nobody listens")), false);
    });

    test("takes the same bytes for many connections, unchanged", async (t) => {
      const { port, witness } = await started(t);
      const streams = [client(t, port).stream(), client(t, port).stream()];
      for (const stream of streams) stream.write("here");
      await witness.until("streamMessage", 2);
      const payload = new Uint8Array(Buffer.from("xx one push xx")).subarray(3, 11);

      for (const connection of witness.connections.values()) connection.send(payload);

      for (const stream of streams) assert.deepEqual((await stream.until(1)).map(String), ["one push"]);
      assert.equal(Buffer.from(payload).toString(), "one push");
    });

    test("may be opened twice: both are read, and the end of the second changes nothing", async (t) => {
      const { port, witness } = await started(t);
      const client = await raw(t, port);
      const first = client.open();
      first.write(framed("one"));
      await witness.until("streamMessage");
      const second = client.open();
      second.end(framed("two"));
      await once(second.resume(), "end");
      first.write(framed("three"));
      await witness.until("streamMessage", 3);

      assert.equal(witness.of("streamOpened").length, 1);
      assert.equal(witness.of("closed").length, 0);
    });
  });

  describe(`${name}: a connection`, { timeout: 20_000 }, () => {
    test("is the TCP peer: its calls and its stream share one identity", async (t) => {
      const { port, witness } = await started(t);
      const [one, two] = [await raw(t, port), await raw(t, port)];
      for (const each of [one, two]) {
        each.open().write(framed("setup"));
        each.unary("call");
      }
      const messages = await witness.until("streamMessage", 2);
      const calls = await witness.until("unary", 2);

      assert.deepEqual(new Set(calls.map(({ id }) => id)), new Set(messages.map(({ id }) => id)));
      assert.equal(witness.connections.size, 2);
      const ports = [...witness.connections.values()].map(({ remotePort }) => remotePort).sort();
      assert.deepEqual(ports, [one, two].map(({ session }) => session.socket.localPort).sort());
      for (const { id, remoteIp, remotePort, localPort, tls } of witness.connections.values()) {
        assert.match(id, new RegExp(`^\\d{13}_127\\.0\\.0\\.1_${remotePort}$`));
        assert.deepEqual({ remoteIp, localPort, tls }, { remoteIp: "127.0.0.1", localPort: port, tls: false });
      }
    });

    const endings: Record<string, (client: RawClient, stream: ReturnType<RawClient["open"]>) => void> = {
      "the stream is ended": (_client, stream) => stream.end(),
      "the stream is cancelled": (client, stream) => client.cancel(stream),
      "TCP is ended": (client) => client.session.destroy(),
      "TCP is reset": (client) => (client.session.socket as Socket).resetAndDestroy?.() ?? client.session.destroy(),
    };
    for (const [how, ending] of Object.entries(endings)) {
      test(`is closed, once, when ${how} by the client`, async (t) => {
        const { port, witness } = await started(t);
        const client = await raw(t, port);
        const stream = client.open();
        stream.write(framed("setup"));
        await witness.until("streamMessage");
        const ended = once(client.session, "close");

        ending(client, stream);

        const [closed] = await witness.until("closed");
        assert.notEqual(closed?.cause, "");
        await ended;
        assert.equal(witness.only.send(Buffer.from("too late")), false);
        assert.equal(witness.of("closed").length, 1);
      });
    }

    test("that the server closes has its stream ended as unavailable after what was queued, then TCP closed", async (t) => {
      const { port, witness } = await started(t);
      const connection = await raw(t, port);
      const call = connection.open();
      call.write(framed("setup"));
      await witness.until("streamMessage");
      const trailers = once(call, "trailers");
      const received: Buffer[] = [];
      call.on("data", (data: Buffer) => received.push(data));
      const gone = once(connection.session, "close");

      witness.only.send(Buffer.from("last words"));
      witness.only.close(5000);

      assert.equal((await trailers)[0]["grpc-status"], "14");
      assert.ok(Buffer.concat(received).equals(framed("last words")));
      await gone;
      await witness.until("closed");
    });

    test("that the server closes answers the calls that run", async (t) => {
      const { port, witness } = await started(t);
      const answer = Promise.withResolvers<Uint8Array>();
      witness.answers = (payload) => (payload.toString() === "question" ? answer.promise : payload);
      const asking = client(t, port);
      const call = asking.unary("question");
      await witness.until("unary");

      witness.only.close(5000);
      assert.equal((await asking.unary("a round trip")).toString(), "a round trip");
      answer.resolve(Buffer.from("answer"));

      assert.equal((await call).toString(), "answer");
      await witness.until("closed");
    });

    test("that the server closes ends after the grace although the client reads nothing", async (t) => {
      const { port, witness } = await started(t);
      const client = await raw(t, port);
      const call = client.open();
      call.pause();
      call.write(framed("setup"));
      await witness.until("streamMessage");
      witness.only.send(Buffer.alloc(4 * MEBIBYTE));

      witness.only.close(50);

      await witness.until("closed");
    });

    test("that reads slowly shows in queuedBytes, and drains once when it reads again", async (t) => {
      const { port, witness } = await started(t);
      const client = await raw(t, port);
      const call = client.open();
      call.pause();
      call.write(framed("setup"));
      await witness.until("streamMessage");
      const connection = witness.only;

      for (let at = 0; at < 64; at++) connection.send(Buffer.alloc(64 * 1024));
      assert.ok(connection.queuedBytes > 3 * MEBIBYTE, `${connection.queuedBytes} bytes are queued`);

      call.resume();
      await witness.until("drained");
      assert.ok(connection.queuedBytes < 32 * 1024);
      // A small message afterwards is below the limit and drains nothing.
      connection.send(Buffer.from("small"));
      client.unary("a round trip");
      await witness.until("unary");
      assert.equal(witness.of("drained").length, 1);
    });

    test("may ping as often as it likes", async (t) => {
      const { port, witness } = await started(t);
      const { session } = await raw(t, port);
      for (let at = 0; at < 50; at++)
        await new Promise<void>((resolve, reject) =>
          session.ping((error) => (error === null ? resolve() : reject(error))),
        );

      assert.equal(witness.of("closed").length, 0);
      assert.equal(session.closed, false);
    });

    test("may have a thousand calls under way", async (t) => {
      const { port, witness } = await started(t);
      const go = Promise.withResolvers<void>();
      witness.answers = (payload) => go.promise.then(() => payload);
      const asking = client(t, port);
      const calls = Array.from({ length: 1000 }, (_, at) => asking.unary(String(at)));
      await witness.until("unary", 1000);
      go.resolve();

      assert.deepEqual((await Promise.all(calls)).map(String), [...calls.keys()].map(String));
      assert.equal(witness.connections.size, 1);
    });
  });

  describe(`${name}: a connection that is not let in`, { timeout: 20_000 }, () => {
    test("over the limit is ended at accept, and leaves room when another one ends", async (t) => {
      const { port, witness } = await started(t, { connectionsMax: 1 });
      const first = await raw(t, port);
      await witness.until("opened");
      const second = await tcp(t, port);
      await once(second, "close");
      assert.equal(witness.of("opened").length, 1);

      first.session.destroy();
      await witness.until("closed");
      assert.equal((await client(t, port).unary("now")).toString(), "now");
    });

    test("is ended at accept when the server refuses it, and is not heard of again", async (t) => {
      const { port, witness } = await started(t);
      witness.lets = () => false;
      await once(await tcp(t, port), "close");

      assert.deepEqual(witness.seen, []);
    });
  });

  describe(`${name}: a peer that does not speak HTTP/2`, { timeout: 20_000 }, () => {
    const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const talk: Record<string, Buffer | undefined> = {
      "says nothing": undefined,
      "stops inside the preface": Buffer.from(PREFACE.slice(0, 10)),
      "stops after the preface": Buffer.from(PREFACE),
      "sends the start of a TLS handshake": Buffer.from("16030100050100000100", "hex"),
      "asks over HTTP/1": Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
      "sends garbage": Buffer.alloc(5000, 0xa5),
      "sends a broken frame after the preface": Buffer.concat([Buffer.from(PREFACE), Buffer.alloc(100, 0xff)]),
    };
    for (const [what, bytes] of Object.entries(talk)) {
      test(`and ${what} is dropped in a bounded time`, async (t) => {
        const { port, witness } = await started(t, { silentMs: 100 });
        const socket = await tcp(t, port);
        socket.resume();
        if (bytes !== undefined) socket.write(bytes);
        await once(socket, "close");
        await witness.until("closed");

        assert.equal((await client(t, port).unary("still there")).toString(), "still there");
      });
    }

    test("and ends TCP at once is closed", async (t) => {
      const { port, witness } = await started(t);
      (await tcp(t, port)).end();
      await witness.until("closed");
    });

    test("a message that is cut off takes nothing but its connection with it", async (t) => {
      const { port, witness } = await started(t);
      const cut = await raw(t, port);
      const stream = cut.open();
      stream.write(framed("whole"));
      stream.write(framed("never complete").subarray(0, 9));
      await witness.until("streamMessage");
      stream.end();
      await witness.until("closed");

      assert.equal((await client(t, port).unary("still there")).toString(), "still there");
    });
  });

  describe(`${name}: TLS`, { timeout: 20_000 }, () => {
    const authority = newAuthority();
    const server = authority.issue("server");
    const own = { cert: server.cert, key: server.key };
    const root = Buffer.from(authority.cert);
    const trusting = ChannelCredentials.createSsl(root);

    test("and plaintext share one port when plaintext is allowed", async (t) => {
      const { port, witness } = await started(t, { tls: { ...own, mutual: false, plaintext: true } });

      assert.equal((await client(t, port, trusting).unary("secret")).toString(), "secret");
      assert.equal((await client(t, port).unary("open")).toString(), "open");
      assert.deepEqual(
        [...witness.connections.values()].map(({ tls }) => tls),
        [true, false],
      );
    });

    test("alone refuses plaintext", async (t) => {
      const { port } = await started(t, { tls: { ...own, mutual: false, plaintext: false } });

      await assert.rejects(client(t, port).unary("open"), statusOf(status.UNAVAILABLE));
      assert.equal((await client(t, port, trusting).unary("secret")).toString(), "secret");
    });

    test("with client certificates lets in only clients of the authority", async (t) => {
      const { port } = await started(t, { tls: { ...own, ca: authority.cert, mutual: true, plaintext: false } });
      const known = authority.issue("client");
      const stranger = newAuthority().issue("client");
      const showing = ({ key, cert }: { key: string; cert: string }) =>
        ChannelCredentials.createSsl(root, Buffer.from(key), Buffer.from(cert));

      assert.equal((await client(t, port, showing(known)).unary("known")).toString(), "known");
      await assert.rejects(client(t, port, trusting).unary("nobody"), statusOf(status.UNAVAILABLE));
      await assert.rejects(client(t, port, showing(stranger)).unary("stranger"), statusOf(status.UNAVAILABLE));
    });

    test("takes a new certificate while it runs, and connections that are open live on", async (t) => {
      const { port, transport } = await started(t, { tls: { ...own, mutual: false, plaintext: false } });
      const early = client(t, port, trusting);
      await early.unary("before");
      const next = newAuthority();
      const { cert, key } = next.issue("server");

      assert.throws(() => transport.renewTls({ ...own, key, mutual: false, plaintext: false }));
      assert.equal((await client(t, port, trusting).unary("still the old one")).toString(), "still the old one");
      transport.renewTls({ cert, key, mutual: false, plaintext: false });

      await assert.rejects(client(t, port, trusting).unary("old root"), statusOf(status.UNAVAILABLE));
      const trustingNext = ChannelCredentials.createSsl(Buffer.from(next.cert));
      assert.equal((await client(t, port, trustingNext).unary("new root")).toString(), "new root");
      assert.equal((await early.unary("after")).toString(), "after");
    });

    test("carries the stream, and its connection is closed like any other", async (t) => {
      const { port, witness } = await started(t, { tls: { ...own, mutual: false, plaintext: false } });
      const stream = client(t, port, trusting).stream();
      stream.write("setup");
      await witness.until("streamMessage");

      witness.only.send(Buffer.from("push"));
      witness.only.close(5000);

      assert.deepEqual((await stream.until(1)).map(String), ["push"]);
      assert.equal(await stream.ended, status.UNAVAILABLE);
      await witness.until("closed");
    });
  });

  describe(`${name}: stopping`, { timeout: 20_000 }, () => {
    test("ends every stream, answers what runs, and accepts nothing new", async (t) => {
      const { port, witness, transport } = await started(t);
      const answer = Promise.withResolvers<Uint8Array>();
      witness.answers = () => answer.promise;
      const one = client(t, port);
      const stream = one.stream();
      stream.write("setup");
      await witness.until("streamMessage");
      const call = client(t, port).unary("question");
      await witness.until("unary");

      const stopped = transport.close(5000);
      answer.resolve(Buffer.from("answer"));

      assert.equal((await call).toString(), "answer");
      assert.equal(await stream.ended, status.UNAVAILABLE);
      await stopped;
      assert.equal(witness.of("closed").length, 2);
      const late = connectTcp(port, "127.0.0.1");
      const [error] = await once(late, "error");
      assert.equal(error.code, "ECONNREFUSED");
    });

    test("ends what is left after the grace", async (t) => {
      const { port, witness, transport } = await started(t);
      witness.answers = () => new Promise(() => {});
      const call = client(t, port).unary("never answered");
      const lost = assert.rejects(call, statusOf(status.UNAVAILABLE));
      await witness.until("unary");

      await transport.close(50);

      await lost;
      assert.equal(witness.of("closed").length, 1);
    });

    test("a port in use is reported by the system's code", async (t) => {
      const { port } = await started(t);

      await assert.rejects(started(t, { port }), { code: "EADDRINUSE" });
    });
  });
}
