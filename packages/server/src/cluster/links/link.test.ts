import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { frames, type Message } from "@nacre/core/distro";
import type { Frame } from "@nacre/core/membership";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { type Arrived, HEAD_BYTES, readBatch } from "./envelopes.ts";
import { LINK_LIMITS, type LinkLimits } from "./limits.ts";
import { Link } from "./link.ts";
import { ack, batch, large, probeFor } from "./links.fixture.ts";

/** A link whose stream is the test. */
function alone(limits: Partial<LinkLimits> = {}) {
  const told: string[] = [];
  const messages: Message[] = [];
  const batches: Buffer[] = [];
  const world = { known: true, roomy: true };
  const clock = new FakeClock();
  const note = (what: string): void => void told.push(what);
  const link = new Link(
    {
      setup: {
        clock,
        log: { debug: () => {}, info: () => {}, warn: (_, text) => note(text), error: (_, text) => note(text) },
        portOffset: 0,
        handlers: {
          opened: () => {},
          connectFailed: () => {},
          closed: () => {},
          frame: (_, frame: Frame) => note(frame.type),
          message: (_, message) => void messages.push(message),
          credit: (_, room) => note(`credit ${room}`),
          raft: () => undefined,
          memberOf: () => (world.known ? "peer" : undefined),
        },
        calls: {},
      },
      limits: { ...LINK_LIMITS, ...limits },
      turns: { add: () => {} },
      gone: (_, reason) => note(`gone: ${reason}`),
      malformed: (_, reason) => note(`malformed: ${reason}`),
    },
    1,
    undefined,
    {
      remoteIp: "10.0.0.2",
      encrypted: false,
      queuedBytes: 0,
      send(bytes) {
        batches.push(bytes);
        return world.roomy;
      },
      end: () => note("ended the stream"),
      destroy: () => note("destroyed"),
    },
  );
  return {
    link,
    told,
    messages,
    world,
    clock,
    receive(bytes: Buffer): void {
      link.received(bytes);
      while (link.work());
    },
    /** What has left, batch by batch, after all that was queued in this turn. */
    async left(): Promise<string[][]> {
      await Promise.resolve();
      const all = batches.map((bytes) => [...readBatch(bytes)].map(({ kind }: Arrived) => kind));
      batches.length = 0;
      return all;
    },
  };
}

function creditOf(messages: number, bytes: number): Buffer {
  const body = Buffer.alloc(16);
  body.writeBigUInt64BE(BigInt(messages), 0);
  body.writeBigUInt64BE(BigInt(bytes), 8);
  return batch(["credit", body]);
}

describe("what leaves over a link", () => {
  test("leaves as one batch when it was queued in one turn, by urgency", async () => {
    const { link, receive, left } = alone();
    assert.deepEqual(await left(), [["credit"]], "before anything else: it is the greeting");
    receive(creditOf(10, 1_000_000));
    link.sendMessage(ack(1));
    link.call("x", 1, 1_000).catch(() => {});
    link.sendFrame(probeFor("a"));
    link.sendFrame(probeFor("b"));
    assert.deepEqual(await left(), [["frame", "frame", "call", "message"]]);
  });

  test("is cut into batches of a bounded size, of which a frame waits for one at most", async () => {
    const { link, receive, left, world } = alone({ batchBytesMax: 300_000 });
    await left();
    receive(creditOf(10, 10_000_000));
    world.roomy = false;
    for (let at = 0; at < 6; at++) link.sendMessage(large(100_000));
    assert.deepEqual(await left(), [["message", "message"]]);
    link.sendFrame(probeFor("a"));
    assert.deepEqual(await left(), [], "the stream is full");
    link.drained();
    assert.deepEqual(await left(), [["frame", "message", "message"]]);
  });

  test("follows the credit of bytes as well as that of messages, within a message too", async () => {
    const { link, receive, left, told } = alone();
    await left();
    const parts = frames({ type: "fetch", ids: ["x".repeat(2_500)] }, 1_000);
    assert.equal(parts.length, 3);
    link.sendMessage(parts);
    link.sendMessage(ack(1));
    assert.deepEqual(await left(), []);
    receive(creditOf(1, 1_300));
    assert.deepEqual(await left(), [["message", "message"]], "room for one frame, and the one that fills it up");
    assert.equal(told.at(-1), "credit 0");
    receive(creditOf(2, 10_000));
    assert.deepEqual(await left(), [["message", "message"]]);
    receive(creditOf(9, 10_000));
    assert.equal(told.at(-1), "credit 7");
  });

  test("ends with the reason, once, however often the stream has room afterwards", async () => {
    const { link, left, world, told, clock } = alone();
    await left();
    world.roomy = false;
    link.sendFrame(probeFor("a"));
    assert.deepEqual(await left(), [["frame"]]);
    link.sendFrame(probeFor("b"));
    link.close("over");
    assert.deepEqual(await left(), [], "it waits for room");
    world.roomy = true;
    link.drained();
    link.drained();
    assert.deepEqual(await left(), [["frame"], ["end"]]);
    assert.deepEqual(told, ["ended the stream"]);
    clock.advance(LINK_LIMITS.closeMs);
    assert.deepEqual(told, ["ended the stream", "destroyed"], "a peer that does not end its side is not waited for");
  });

  test("refuses to grow with a peer that asks without taking answers", async () => {
    const { receive, world, told } = alone({ callQueueBytesMax: 10_000 });
    world.roomy = false;
    const asked = batch(...Array.from({ length: 200 }, () => ["call", '{"number":1,"name":"x"}'] as const));
    receive(asked);
    assert.ok(told.includes("destroyed"));
    assert.ok(told.includes("a link was given up"));
  });
});

describe("Distro messages of somebody", () => {
  const parts = frames({ type: "fetch", ids: ["x".repeat(2_500)] }, 1_000);
  const [first = new Uint8Array(), second = new Uint8Array(), third = new Uint8Array()] = parts;
  const [whole = new Uint8Array()] = ack(5);

  test("who becomes a member within a message begin with the next one", () => {
    const { receive, messages, world, told } = alone();
    world.known = false;
    receive(batch(["message", first]));
    world.known = true;
    receive(batch(["message", second], ["message", third], ["message", whole]));
    assert.deepEqual(messages, [{ type: "ack", seq: 5 }]);
    assert.deepEqual(told, []);
  });

  test("who stops to be a member within a message leave nothing of it behind", () => {
    const { receive, messages, world, told } = alone();
    receive(batch(["message", first]));
    world.known = false;
    receive(batch(["message", second], ["message", third]));
    world.known = true;
    receive(batch(["message", whole]));
    assert.deepEqual(messages, [{ type: "ack", seq: 5 }]);
    assert.deepEqual(told, []);
  });
});

describe("what came before the end of a link", () => {
  test("is handed on, and its end told after it", () => {
    const { link, receive, messages, told } = alone();
    link.received(
      batch(["frame", JSON.stringify(probeFor("a"))], ["message", ack(1)[0] as Uint8Array], ["end", "over"]),
    );
    link.ended("the stream ended");
    receive(batch(["frame", "never read: nothing follows the end"]));
    assert.deepEqual(messages, [{ type: "ack", seq: 1 }]);
    assert.deepEqual(told, ["probeFor", "gone: the peer closed the link: over"]);
  });

  test("has nothing in it that could steer a terminal", () => {
    const { link, told, receive } = alone();
    receive(batch(["end", "\u001b[2J\r\nover"]));
    link.ended("x");
    while (link.work());
    assert.equal(told.at(-1), "gone: the peer closed the link: [2J  over");
  });

  test("is dropped when this side closes", () => {
    const { link, told } = alone();
    link.received(batch(["frame", JSON.stringify(probeFor("a"))]));
    link.close("over");
    while (link.work());
    assert.ok(!told.includes("probeFor"));
  });
});

test("an envelope takes five bytes beside its body", () => {
  assert.equal(batch(["end", "abc"]).length, HEAD_BYTES + 3);
});
