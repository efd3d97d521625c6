import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { FRAME_BYTES_MAX, FrameReader, frames } from "./codec.ts";
import { CONTENTS, head, version } from "./distro.fixture.ts";
import type { Message } from "./messages.ts";
import type { Change, Head } from "./model.ts";

function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const text = fc.string({ unit: "grapheme", maxLength: 12 });
const whole = fc.maxSafeNat();
const hash = fc.nat(0xffffffff);
const byte = fc.nat(255);
const anyHead = record({
  id: text,
  kind: fc.constantFrom("connection", "address"),
  version: record({ owner: text, incarnation: whole, counter: whole }),
  contentHash: hash,
  gone: fc.constantFrom(undefined, "removed", "lost"),
  answers: fc.boolean(),
  after: whole,
  ageMs: whole,
});
const instance = record({
  ip: text,
  port: fc.nat(65_535),
  weight: fc.double({ noNaN: true }),
  healthy: fc.boolean(),
  enabled: fc.boolean(),
  cluster: text,
  metadata: fc.dictionary(text, text, { maxKeys: 4, noNullPrototype: true }),
  instanceId: fc.option(text, { nil: undefined }),
});
const service = record({ namespace: text, group: text, name: text });
const contents = record({
  ip: text,
  port: fc.nat(65_535),
  app: text,
  agent: text,
  createdAt: fc.double({ noNaN: true }),
  publications: fc.array(record({ service, instances: fc.array(instance, { maxLength: 3 }) }), { maxLength: 3 }),
});
const asked = anyHead.map((of): Head => ({ ...of, gone: "removed", asked: true }));
const change = fc.tuple(anyHead, contents).map(([of, held]) => ({ ...of, gone: undefined, contents: held }));
const list = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: 5 });
const cursor = record({ bucket: byte, after: text });

const MESSAGES: { readonly [T in Message["type"]]: fc.Arbitrary<Extract<Message, { type: T }>> } = {
  sync: record({
    type: fc.constant("sync"),
    seq: whole,
    changes: list(change),
    removals: list(fc.oneof(anyHead, asked)),
  }),
  ack: record({ type: fc.constant("ack"), seq: whole }),
  digest: record({
    type: fc.constant("digest"),
    loaded: fc.boolean(),
    owners: list(record({ owner: text, count: whole, hash })),
  }),
  digestAsk: fc.constant({ type: "digestAsk" }),
  buckets: record({ type: fc.constant("buckets"), owner: text, from: byte, hashes: list(hash) }),
  listing: record({
    type: fc.constant("listing"),
    owner: text,
    buckets: list(byte),
    heads: list(anyHead),
    next: fc.option(byte, { nil: undefined }),
  }),
  fetch: record({ type: fc.constant("fetch"), ids: list(text) }),
  loadAsk: fc.constant({ type: "loadAsk" }),
  loadOffer: record({ type: fc.constant("loadOffer"), loaded: fc.boolean(), clients: whole }),
  loadRequest: record({ type: fc.constant("loadRequest"), cursor }),
  loadChunk: record({
    type: fc.constant("loadChunk"),
    cursor,
    changes: list(change),
    removals: list(anyHead),
    next: fc.option(cursor, { nil: undefined }),
  }),
  handOver: record({ type: fc.constant("handOver"), heads: list(anyHead) }),
  marks: record({
    type: fc.constant("marks"),
    mark: fc.constantFrom("unconfirmed", "answers"),
    heads: list(anyHead),
  }),
};

function readAll(parts: readonly Uint8Array[]): unknown[] {
  const reader = new FrameReader();
  return parts.map((part) => reader.push(part)).filter((message) => message !== undefined);
}

describe("a message between members", () => {
  for (const [type, arbitrary] of Object.entries(MESSAGES))
    test(`of type ${type} is read as it was written, in frames of any size`, () => {
      fc.assert(
        fc.property(arbitrary as fc.Arbitrary<Message>, fc.integer({ min: 2, max: 500 }), (message, bytesMax) => {
          const parts = frames(message, bytesMax);
          assert.ok(parts.every(({ length }) => length <= bytesMax));
          assert.deepEqual(readAll(parts), [message]);
        }),
        { numRuns: 60 },
      );
    });

  test("of many clients becomes several, of which the last asks for the acknowledgement", () => {
    const changes: Change[] = [];
    for (let at = 0; at < 40; at++)
      changes.push({ ...head(`x${at}`, version("a", 1)), contents: { ...CONTENTS, agent: String(at).repeat(30_000) } });
    const parts = frames({ type: "sync", seq: 7, changes, removals: [] });
    assert.ok(parts.every(({ length }) => length <= FRAME_BYTES_MAX));
    const read = readAll(parts) as Extract<Message, { type: "sync" }>[];
    assert.deepEqual(
      read.flatMap((message) => message.changes),
      changes,
    );
    assert.deepEqual(
      read.map(({ seq }) => seq).filter((seq) => seq !== 0),
      [7],
    );
    assert.equal(read.at(-1)?.seq, 7);
  });

  test("of one client that is larger than a frame takes several frames", () => {
    const large = { ...head("x", version("a", 1)), contents: { ...CONTENTS, agent: "y".repeat(3 * FRAME_BYTES_MAX) } };
    const message: Message = { type: "sync", seq: 1, changes: [large], removals: [] };
    const parts = frames(message);
    assert.equal(parts.length, 4);
    assert.deepEqual(readAll(parts), [message]);
  });
});

describe("bytes that are no message", () => {
  test("are a failure with a reason, never more", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const read = new FrameReader().push(bytes);
        if (read?.type === "malformed") assert.ok(read.reason.length > 0);
      }),
      { numRuns: 2_000 },
    );
  });

  test("are found when a message is cut, lengthened or changed", () => {
    fc.assert(
      fc.property(MESSAGES.sync, fc.nat(), byte, (message, at, value) => {
        const [frame] = frames(message);
        assert.ok(frame);
        assert.equal(new FrameReader().push(frame.subarray(0, frame.length - 1))?.type, "malformed");
        assert.equal(new FrameReader().push(new Uint8Array([...frame, 0]))?.type, "malformed");
        const changed = frame.slice();
        changed[1 + (at % (frame.length - 1))] = value;
        new FrameReader().push(changed);
      }),
      { numRuns: 200 },
    );
  });
});
