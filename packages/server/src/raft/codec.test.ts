import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Message } from "@nacre/core/raft";
import fc from "fast-check";
import type { NewRecord } from "../storage/records.ts";
import { configurationText, type Packet } from "./codec.ts";
import { FrameReader, FrameWriter } from "./frames.ts";

/** Objects as the code makes them: with a prototype. */
const record = <T>(parts: { readonly [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(parts, { noNullPrototype: true });
const count = fc.nat({ max: 2 ** 40 });
const trust = fc.constantFrom("whole", "logLost", "allLost", "stateLost");
const ids = fc.array(fc.string({ maxLength: 8 }), { maxLength: 4 });
const configuration = record({ voters: ids, learners: ids });
const payload = fc.uint8Array({ minLength: 1, maxLength: 30, min: 1 }).map((bytes) => Buffer.from(bytes));
const none = Buffer.alloc(0);

const plain = (message: fc.Arbitrary<Message>) =>
  message.map((one): Packet => ({ type: "raft", message: one, entries: [], chunk: none }));

const entry = fc.oneof(
  record({ kind: fc.constant("command" as const), at: count, payload }),
  record({ kind: fc.constant("noop" as const), at: count, payload: fc.constant(none) }),
  record({
    kind: fc.constant("configuration" as const),
    at: count,
    payload: configuration.map((one) => Buffer.from(configurationText(one))),
  }),
);

/** Entries of terms that grow, and what a message says of them. */
const append = record({
  prevIndex: count,
  commit: count,
  terms: fc.array(fc.nat({ max: 2 }), { maxLength: 30 }),
  entry: fc.array(entry, { minLength: 30, maxLength: 30 }),
}).map(({ prevIndex, commit, terms, entry }): Packet => {
  let term = 5;
  const entries = terms.map((more, at): NewRecord => {
    term += more;
    return { term, ...(entry[at] as (typeof entry)[number]) };
  });
  const runs = entries.flatMap((one, at) =>
    at > 0 && entries[at - 1]?.term === one.term ? [] : [{ first: prevIndex + 1 + at, term: one.term }],
  );
  const configurations = entries.flatMap(({ kind, payload }, at) =>
    kind === "configuration" ? [{ index: prevIndex + 1 + at, configuration: JSON.parse(payload.toString()) }] : [],
  );
  const bytes = entries.reduce((sum, one) => sum + one.payload.length, 0);
  const lastIndex = prevIndex + entries.length;
  return {
    type: "raft",
    message: { type: "append", term, prevIndex, prevTerm: 5, lastIndex, runs, configurations, bytes, commit },
    entries,
    chunk: none,
  };
});

const chunk = record({
  term: count,
  index: count,
  snapshotTerm: count,
  configuration,
  offset: count,
  more: count,
  chunk: payload,
}).map(({ more, chunk, ...rest }): Packet => {
  const bytes = chunk.length;
  const message: Message = { type: "chunk", ...rest, bytes, total: rest.offset + bytes + more };
  return { type: "raft", message, entries: [], chunk };
});

const real = fc.double({ noNaN: true, noDefaultInfinity: true });
const optional = fc.option(count, { nil: undefined });
const packets: fc.Arbitrary<Packet> = fc.oneof(
  append,
  chunk,
  plain(record({ type: fc.constant("preVote" as const), term: count, lastIndex: count, lastTerm: count })),
  plain(
    record({
      type: fc.constant("vote" as const),
      term: count,
      lastIndex: count,
      lastTerm: count,
      forced: fc.boolean(),
    }),
  ),
  plain(record({ type: fc.constant("voteAnswer" as const), term: count, pre: fc.boolean(), granted: fc.boolean() })),
  plain(record({ type: fc.constant("appended" as const), term: count, match: count, trust })),
  plain(
    record({
      type: fc.constant("rejected" as const),
      term: count,
      prevIndex: count,
      hintIndex: count,
      hintTerm: count,
      trust,
    }),
  ),
  plain(
    record({
      type: fc.constant("heartbeat" as const),
      term: count,
      commit: count,
      round: count,
      at: real,
      sure: optional,
    }),
  ),
  plain(record({ type: fc.constant("heartbeatAnswer" as const), term: count, round: count, at: real, trust })),
  plain(record({ type: fc.constant("commit" as const), term: count, commit: count })),
  plain(record({ type: fc.constant("chunkAnswer" as const), term: count, index: count, offset: count, trust })),
  plain(record({ type: fc.constantFrom("timeoutNow" as const, "newerTerm" as const), term: count })),
  record({ type: fc.constant("forward" as const), proposals: fc.array(record({ number: count, payload })) }),
  record({ type: fc.constant("taken" as const), life: count, numbers: fc.array(count) }),
  record({
    type: fc.constant("notTaken" as const),
    life: count,
    reason: fc.constantFrom("notLeader" as const, "lost" as const, "overThreshold" as const),
    numbers: fc.array(count),
  }),
  record({ type: fc.constant("askIndex" as const), id: count }),
  record({ type: fc.constant("index" as const), id: count, index: optional }),
  record({ type: fc.constant("stateHash" as const), index: count, hash: fc.nat({ max: 2 ** 32 - 1 }) }),
  record({ type: fc.constant("stateDiffers" as const), index: count }),
  record({ type: fc.constantFrom("order" as const, "orderEnded" as const), id: count, text: fc.string() }),
);

describe("what members send each other", () => {
  test("comes as it was sent, in however many frames", () => {
    fc.assert(
      fc.property(packets, fc.integer({ min: 18, max: 400 }), (packet, frameBytesMax) => {
        const frames = new FrameWriter(7, frameBytesMax).frames(packet);
        const reader = new FrameReader();
        const read = frames.map((frame) => {
          assert.ok(frame.length <= frameBytesMax);
          return reader.push(frame);
        });
        assert.deepEqual(read.pop(), packet);
        assert.ok(read.every((one) => one === undefined));
      }),
      { numRuns: 500 },
    );
  });

  test("is refused and never thrown, whatever the bytes are", () => {
    fc.assert(
      fc.property(
        packets,
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        fc.nat({ max: 30 }),
        (packet, at, value, cut) => {
          const [frame] = new FrameWriter(0, 10_000).frames(packet) as [Buffer];
          frame[at % frame.length] = value;
          new FrameReader().push(frame.subarray(0, frame.length - (cut % frame.length)));
        },
      ),
      { numRuns: 1000 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void new FrameReader().push(bytes)));
  });

  test("costs no memory for what a length only claims", () => {
    const frame = Buffer.concat([Buffer.alloc(17), Buffer.from([13, 0xff, 0xff, 0xff, 0xff])]);
    assert.deepEqual(new FrameReader().push(frame), {
      type: "malformed",
      reason: "a list is longer than its message",
    });
  });

  test("is bounded also over many frames", () => {
    const reader = new FrameReader();
    const frame = (part: number) => {
      const one = Buffer.alloc(1024 * 1024, 1);
      one.writeUInt32BE(0, 1);
      one.writeUIntBE(1, 5, 6);
      one.writeUInt32BE(1, 11);
      one.writeUInt16BE(part, 15);
      return one;
    };
    let part = 0;
    let last: ReturnType<FrameReader["push"]>;
    do last = reader.push(frame(part++));
    while (last === undefined && part < 30);
    assert.equal(last?.type, "malformed");
    assert.equal(part, 18);
  });

  test("may be a short message between the parts of a long one", () => {
    const writer = new FrameWriter(1, 100);
    const long: Packet = { type: "order", id: 1, text: "x".repeat(300) };
    const short: Packet = { type: "askIndex", id: 2 };
    const [first, ...rest] = writer.frames(long);
    const [between] = writer.frames(short);
    const reader = new FrameReader();
    const read = [first, between, ...rest].map((frame) => reader.push(frame as Uint8Array));
    assert.deepEqual(
      read.filter((one) => one !== undefined),
      [short, long],
    );
  });

  test("is dropped when a part of it was lost, or its sender has begun another life", () => {
    const long: Packet = { type: "order", id: 1, text: "x".repeat(300) };
    const [one, two, three, four] = new FrameWriter(1, 100).frames(long) as Uint8Array[];
    const reader = new FrameReader();
    for (const frame of [one, three, four]) assert.equal(reader.push(frame as Uint8Array), undefined);
    const [newer] = new FrameWriter(2).frames(long);
    assert.deepEqual(reader.push(newer as Uint8Array), long);
    assert.equal(reader.push(two as Uint8Array), undefined);
    const [older] = new FrameWriter(1).frames(long);
    assert.equal(reader.push(older as Uint8Array), undefined);
  });

  test("is not taken when it is of another epoch than the group, and leaves nothing", () => {
    const packet: Packet = { type: "askIndex", id: 2 };
    const reader = new FrameReader(3);
    for (const epoch of [2, 4]) {
      const [frame] = new FrameWriter(9, 100, epoch).frames(packet);
      assert.equal(reader.push(frame as Uint8Array), undefined);
    }
    const [frame] = new FrameWriter(1, 100, 3).frames(packet);
    assert.deepEqual(
      reader.push(frame as Uint8Array),
      packet,
      "also when its life counts less than one of another epoch",
    );
  });
});
