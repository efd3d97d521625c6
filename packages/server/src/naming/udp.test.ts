import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import type { Clock } from "../clock.ts";
import { openUdpPush, type UdpPush, type UdpPushOptions, type UdpSettled } from "./udp.ts";

function handClock() {
  let now = 0;
  const waiting = new Set<{ at: number; run: () => void }>();
  const clock: Clock = {
    now: () => now,
    wall: () => 1_760_000_000_000 + now,
    schedule(delayMs, run) {
      const entry = { at: now + delayMs, run };
      waiting.add(entry);
      return { cancel: () => waiting.delete(entry) };
    },
  };
  const forward = (ms: number) => {
    now += ms;
    for (const entry of [...waiting]) if (entry.at <= now && waiting.delete(entry)) entry.run();
  };
  return { clock, forward, waiting };
}

interface Packet {
  type: string;
  data: string;
  lastRefTime: number;
  zipped: boolean;
  from: RemoteInfo;
}

/** A subscriber with a real socket, which keeps what it receives. */
async function subscriber(t: TestContext) {
  const socket: Socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  const queue: Packet[] = [];
  let arrived: () => void = () => {};
  socket.on("message", (data, from) => {
    const zipped = data[0] === 0x1f && data[1] === 0x8b;
    queue.push({ ...JSON.parse((zipped ? gunzipSync(data) : data).toString()), zipped, from });
    arrived();
  });
  return {
    port: socket.address().port,
    async next(): Promise<Packet> {
      while (queue.length === 0) await new Promise<void>((resolve) => (arrived = resolve));
      return queue.shift() as Packet;
    },
    reply: (packet: Packet, text: string) => socket.send(text, packet.from.port, "127.0.0.1"),
  };
}

const ackOf = (packet: Packet) => JSON.stringify({ type: "push-ack", lastRefTime: `${packet.lastRefTime}`, data: "" });

async function opened(t: TestContext, options: Partial<UdpPushOptions> = {}) {
  const time = handClock();
  const push: UdpPush = await openUdpPush({ clock: time.clock, host: "127.0.0.1", ...options });
  t.after(() => push.close());
  const queue: UdpSettled[] = [];
  let arrived: () => void = () => {};
  push.onSettled((settled) => {
    queue.push(settled);
    arrived();
  });
  const settled = async () => {
    while (queue.length === 0) await new Promise<void>((resolve) => (arrived = resolve));
    return queue.shift() as UdpSettled;
  };
  return { push, settled, queue, ...time };
}

const ip = "127.0.0.1";

describe("a UDP push", () => {
  test("carries the service as text and is settled by its acknowledgement", async (t) => {
    const { push, settled, waiting } = await opened(t);
    const { port, next, reply } = await subscriber(t);
    push.send({ ip, port, body: '{"name":"orders"}' });
    const packet = await next();
    assert.deepEqual([packet.type, packet.data, packet.zipped], ["dom", '{"name":"orders"}', false]);
    assert.ok(Number.isSafeInteger(packet.lastRefTime));
    assert.equal(packet.from.port, push.port);
    assert.equal(push.pending, 1);
    reply(packet, ackOf(packet));
    assert.equal((await settled()).outcome, "acked");
    assert.deepEqual([push.pending, waiting.size], [0, 0]);
    assert.deepEqual(push.settled, { acked: 1, unanswered: 0, failed: 0, superseded: 0, untracked: 0 });
  });

  test("is compressed from 1 KiB on", async (t) => {
    const { push } = await opened(t);
    const { port, next } = await subscriber(t);
    push.send({ ip, port, body: "" });
    const frame = JSON.stringify({ type: "dom", data: "", lastRefTime: (await next()).lastRefTime }).length;
    for (const [bytes, zipped] of [
      [1023, false],
      [1024, true],
    ] as const) {
      const body = "x".repeat(bytes - frame);
      push.send({ ip, port, body });
      const packet = await next();
      assert.deepEqual([packet.zipped, packet.data === body], [zipped, true], `${bytes} bytes`);
    }
  });

  test("is sent once more after 10 s without an acknowledgement, then given up", async (t) => {
    const { push, settled, queue, forward } = await opened(t);
    const { port, next } = await subscriber(t);
    push.send({ ip, port, body: "a" });
    const first = await next();
    forward(9_999);
    assert.equal(queue.length, 0);
    forward(1);
    const second = await next();
    assert.equal(second.lastRefTime, first.lastRefTime);
    forward(10_000);
    const { outcome, tookMs } = await settled();
    assert.deepEqual([outcome, tookMs, push.pending], ["unanswered", 20_000, 0]);
  });

  test("is not settled by malformed, foreign or repeated acknowledgements", async (t) => {
    const { push, settled, queue } = await opened(t);
    const [one, other] = [await subscriber(t), await subscriber(t)];
    push.send({ ip, port: one.port, body: "a" });
    const packet = await one.next();
    for (const text of [
      "",
      "{",
      "null",
      "7",
      '{"type":"push-ack"}',
      '{"type":"push-ack","lastRefTime":{}}',
      '{"type":"push-ack","lastRefTime":"1"}',
      ackOf(packet).replace("push-ack", "dom"),
      `${ackOf(packet)}${" ".repeat(1100)}`,
      "\u0000\u00ff",
    ])
      one.reply(packet, text);
    other.reply(packet, ackOf(packet));
    // Loopback datagrams of one socket keep their order: once this round trip is done, all of the above was read.
    push.send({ ip, port: other.port, body: "b" });
    const probe = await other.next();
    other.reply(probe, ackOf(probe));
    assert.equal((await settled()).message.port, other.port);
    assert.equal(push.pending, 1);

    one.reply(packet, JSON.stringify({ type: "push-ack", lastRefTime: packet.lastRefTime, data: "" }));
    assert.equal((await settled()).outcome, "acked", "a number will do as well");
    assert.equal(queue.length, 0);
  });

  test("shares its packet with the other subscribers of one fan-out, and never repeats a number", async (t) => {
    const { push } = await opened(t);
    const [one, other] = [await subscriber(t), await subscriber(t)];
    push.send({ ip, port: one.port, body: "a" });
    push.send({ ip, port: other.port, body: "a" });
    push.send({ ip, port: one.port, body: "a" });
    push.send({ ip, port: one.port, body: "b" });
    const numbers = [await one.next(), await one.next(), await one.next()].map((packet) => packet.lastRefTime);
    assert.equal((await other.next()).lastRefTime, numbers[0]);
    assert.equal(new Set(numbers).size, 3);
    assert.equal(push.pending, 4);
  });

  test("takes the place of an older one about the same service that still waits", async (t) => {
    const { push, settled, waiting } = await opened(t);
    const { port, next } = await subscriber(t);
    push.send({ ip, port, body: "old", topic: "orders" });
    push.send({ ip, port, body: "users", topic: "users" });
    push.send({ ip, port, body: "new", topic: "orders" });
    const { outcome, message } = await settled();
    assert.deepEqual([outcome, message.body], ["superseded", "old"]);
    assert.deepEqual([push.pending, waiting.size], [2, 2]);
    assert.deepEqual([(await next()).data, (await next()).data, (await next()).data], ["old", "users", "new"]);
  });

  test("is still sent, but not waited for, when too many acknowledgements are pending", async (t) => {
    const { push, settled } = await opened(t, { pendingMax: 1 });
    const { port, next } = await subscriber(t);
    push.send({ ip, port, body: "a" });
    push.send({ ip, port, body: "b" });
    assert.deepEqual([(await settled()).outcome, push.pending], ["untracked", 1]);
    assert.deepEqual([(await next()).data, (await next()).data], ["a", "b"]);
  });

  test("is refused with the reason when it cannot be sent", async (t) => {
    const { push, settled } = await opened(t);
    const { port } = await subscriber(t);
    for (const [message, reason] of [
      [{ ip: "orders.local", port, body: "a" }, /orders\.local is not an IP address/],
      [{ ip, port: 0, body: "a" }, /port 0 is not between/],
      [{ ip, port, body: randomBytes(80_000).toString("base64") }, /a datagram carries 65507/],
    ] as const) {
      push.send(message);
      const result = await settled();
      assert.equal(result.outcome, "failed");
      assert.match(result.reason ?? "", reason);
    }
    assert.equal(push.pending, 0);
  });

  test("does nothing any more after the end", async (t) => {
    const { push, queue, waiting } = await opened(t);
    const { port } = await subscriber(t);
    push.send({ ip, port, body: "a" });
    await push.close();
    await push.close();
    push.send({ ip, port, body: "b" });
    assert.deepEqual([push.pending, waiting.size, queue.length], [0, 0, 0]);
  });
});
