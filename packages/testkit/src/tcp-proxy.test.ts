import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { Link, TcpProxy } from "./tcp-proxy.ts";

/** A socket whose arrivals can be awaited. */
class Peer {
  received = "";
  readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.setEncoding("utf8").on("data", (text: string) => {
      this.received += text;
    });
  }

  async until(text: string): Promise<void> {
    while (this.received !== text) await once(this.socket, "data");
  }

  /** `end`, or the code of the error. */
  closing(): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.socket
      .once("end", () => resolve("end"))
      .once("error", (error) => resolve((error as { code?: string }).code ?? ""));
    return promise;
  }
}

describe("the TCP proxy", () => {
  const accepted: Peer[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(new Peer(socket));
    server.emit("accepted");
  });
  const callers: Peer[] = [];
  let proxy: TcpProxy;

  beforeEach(async () => {
    accepted.length = 0;
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    proxy = await TcpProxy.listen({ to: { host: "127.0.0.1", port: (server.address() as AddressInfo).port } });
  });

  afterEach(async () => {
    await proxy.close();
    for (const { socket } of [...accepted, ...callers.splice(0)]) socket.destroy();
    server.close();
    await once(server, "close");
  });

  async function call(): Promise<Peer> {
    const caller = new Peer(connect({ ...proxy.address, allowHalfOpen: true }));
    callers.push(caller);
    await once(caller.socket, "connect");
    return caller;
  }

  async function pair(): Promise<{ caller: Peer; target: Peer }> {
    const isAccepted = once(server, "accepted");
    const caller = await call();
    await isAccepted;
    return { caller, target: accepted.at(-1) as Peer };
  }

  test("carries bytes and ends in both directions", async () => {
    const { caller, target } = await pair();
    caller.socket.write("question");
    await target.until("question");
    const callerEnds = target.closing();
    caller.socket.end();
    assert.equal(await callerEnds, "end");

    target.socket.write("answer");
    await caller.until("answer");
    const targetEnds = caller.closing();
    target.socket.end();
    assert.equal(await targetEnds, "end");
  });

  test("holds one direction back, and delivers in order what waited", async () => {
    const { caller, target } = await pair();
    proxy.link.up.stall();
    caller.socket.write("a");
    target.socket.write("while the other way works");
    await caller.until("while the other way works");
    caller.socket.write("b");
    // Long enough for what is not held back: a connection is made meanwhile.
    await pair();
    assert.equal(target.received, "");

    proxy.link.up.mend();
    await target.until("ab");
  });

  test("holds the end of a connection back as well", async () => {
    const { caller, target } = await pair();
    proxy.link.stall();
    const closing = target.closing();
    caller.socket.end("last words");
    await once(caller.socket, "finish");
    assert.equal(target.socket.readableEnded, false);

    proxy.link.mend();
    await target.until("last words");
    assert.equal(await closing, "end");
  });

  test("keeps a new connection waiting during a stall", async () => {
    proxy.link.stall();
    const caller = await call();
    caller.socket.write("hello");
    assert.equal(accepted.length, 0);

    const isAccepted = once(server, "accepted");
    proxy.link.mend();
    await isAccepted;
    await accepted[0]?.until("hello");
  });

  test("swallows what is silenced, and resets the stream that has a hole", async () => {
    const { caller, target } = await pair();
    proxy.link.down.silence();
    target.socket.write("lost");
    caller.socket.write("heard");
    await target.until("heard");

    while (proxy.link.down.lostBytes < "lost".length) await new Promise(setImmediate);
    const closing = caller.closing();
    assert.equal(caller.received, "");
    proxy.link.down.mend();
    assert.equal(await closing, "ECONNRESET");
  });

  test("resets what stands, and what is new when told to refuse", async () => {
    const { caller, target } = await pair();
    const closings = Promise.all([caller.closing(), target.closing()]);
    proxy.link.refuse();
    assert.deepEqual(await closings, ["ECONNRESET", "ECONNRESET"]);

    const refused = new Peer(connect(proxy.address));
    callers.push(refused);
    assert.equal(await refused.closing(), "ECONNRESET");

    proxy.link.mend();
    const { caller: next, target: reached } = await pair();
    next.socket.write("again");
    await reached.until("again");
  });

  test("passes a reset on", async () => {
    const { caller, target } = await pair();
    caller.socket.write("x");
    await target.until("x");
    const closing = target.closing();
    caller.socket.resetAndDestroy();
    assert.equal(await closing, "ECONNRESET");
  });

  test("resets the caller when the target is not there", async () => {
    const { port } = server.address() as AddressInfo;
    const nowhere = await TcpProxy.listen({ to: { host: "127.0.0.1", port } });
    try {
      server.close();
      await once(server, "close");
      const caller = new Peer(connect(nowhere.address));
      callers.push(caller);
      assert.equal(await caller.closing(), "ECONNRESET");
    } finally {
      await nowhere.close();
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
    }
  });

  test("is refused by the machine while it is shut", async () => {
    const { address } = proxy;
    proxy.shut();
    const caller = new Peer(connect(address));
    callers.push(caller);
    assert.equal(await caller.closing(), "ECONNREFUSED");
  });

  test("delivers no byte before its delay", async () => {
    const { caller, target } = await pair();
    proxy.link.up.delay(100);
    const sentAt = performance.now();
    caller.socket.write("late");
    await target.until("late");
    assert.ok(performance.now() - sentAt >= 100);
  });

  test("is no faster than its throttle", async () => {
    const { caller, target } = await pair();
    proxy.link.up.throttle(1000);
    const sentAt = performance.now();
    caller.socket.write("x".repeat(100));
    await target.until("x".repeat(100));
    caller.socket.write("y");
    await target.until(`${"x".repeat(100)}y`);
    assert.ok(performance.now() - sentAt >= 100);
  });

  test("reads no more from a sender than it may hold", async () => {
    const { caller } = await pair();
    proxy.link.up.stall();
    const chunk = Buffer.alloc(1024 * 1024);
    // Until the buffers of the proxy and of the machine are full.
    let sent = 0;
    while (caller.socket.write(chunk) || caller.socket.writableLength < 64 * chunk.length) {
      sent++;
      await new Promise(setImmediate);
    }
    assert.ok(sent >= 64);
    assert.ok(caller.socket.bytesWritten - caller.socket.writableLength < 32 * chunk.length);
  });

  test("tells links apart by who calls", async () => {
    const links = [new Link(), new Link()];
    const { port } = server.address() as AddressInfo;
    let next = 0;
    const chosen = await TcpProxy.listen({ to: { host: "127.0.0.1", port }, linkOf: () => links[next++] as Link });
    try {
      const peers = [];
      for (let i = 0; i < 2; i++) {
        const isAccepted = once(server, "accepted");
        const caller = new Peer(connect(chosen.address));
        callers.push(caller);
        await isAccepted;
        peers.push({ caller, target: accepted.at(-1) as Peer });
      }
      links[0]?.stall();
      for (const { caller } of peers) caller.socket.write("x");
      await peers[1]?.target.until("x");
      assert.equal(peers[0]?.target.received, "");
      assert.deepEqual(
        links.map((link) => link.connections),
        [2, 2],
      );
    } finally {
      await chosen.close();
    }
  });
});
