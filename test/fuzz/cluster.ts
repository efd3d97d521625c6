import assert from "node:assert/strict";
import { FrameReader, frames } from "@nacre/core/distro";
import { type Frame, newMembership, type Start, step } from "@nacre/core/membership";
import fc from "fast-check";
import { readCall } from "../../packages/server/src/cluster/links/calls.ts";
import {
  type Arrived,
  HEAD_BYTES,
  KINDS,
  type Kind,
  Malformed,
  readBatch,
  readCredit,
  readEnd,
} from "../../packages/server/src/cluster/links/envelopes.ts";
import { readFrame, writeFrame } from "../../packages/server/src/cluster/links/frames.ts";
import { LINK_LIMITS } from "../../packages/server/src/cluster/links/limits.ts";
import { Link } from "../../packages/server/src/cluster/links/link.ts";
import { batchOf } from "../../packages/server/src/cluster/links/outgoing.ts";
import type { LinkHandlers } from "../../packages/server/src/cluster/links/types.ts";
import { FakeClock } from "../../packages/testkit/src/fake-clock.ts";
import { anyJson, mutated, mutatedBytes } from "./inputs.ts";
import { type FuzzTarget, orRefused, target } from "./target.ts";

const card = {
  id: "member-b",
  clusterId: "c",
  settled: true,
  epoch: 0,
  incarnation: 2,
  beat: 70,
  addresses: ["10.0.0.2:8848", "[fd00::2]:8848"],
  protocol: { speaks: 1, oldest: 1 },
  version: "1.2.3",
  fingerprint: "",
  listHash: "abc",
  clockAt: 1_767_225_600_000.25,
  state: "UP",
  forever: false,
  pausedMs: 0,
} as const;
const sight = {
  id: "member-c",
  incarnation: 1,
  beat: -1,
  state: "SUSPICIOUS",
  out: true,
  in: false,
  addresses: ["c.example:8848"],
} as const;
const listed = { address: "c.example:8848", resolved: ["10.0.0.3:8848"], id: "member-c" };
const VALID: readonly Frame[] = [
  { type: "probe", seq: 1, card, row: [sight], list: [listed] },
  { type: "probe", seq: 1, card: { ...card, clusterId: "other" }, row: [], list: undefined },
  { type: "answer", seq: 1, card, row: [sight], listed: true, list: undefined },
  { type: "refuse", code: "twin", sentence: "two of one id", id: "member-b" },
  { type: "probeFor", target: "member-c" },
  { type: "probedFor", target: "member-c", incarnation: 1, beat: 5, error: undefined },
];

const anyFrame: fc.Arbitrary<unknown> = fc.oneof(
  ...VALID.map((frame) => ({ weight: 3, arbitrary: mutated({ ...frame }) })),
  { weight: 1, arbitrary: anyJson },
);

const bodies: Record<Kind, fc.Arbitrary<Uint8Array>> = {
  frame: anyFrame.map(json),
  message: mutatedBytes(
    fc.constantFrom(
      ...frames({ type: "fetch", ids: ["a", "b"] }),
      ...frames({ type: "digest", loaded: true, owners: [{ owner: "a", count: 1, hash: 7 }] }),
      ...frames({ type: "fetch", ids: ["x".repeat(40)] }, 16),
    ),
  ),
  call: fc.oneof(mutated({ number: 1, name: "echo", payload: { a: 1 } }), anyJson).map(json),
  answer: fc.oneof(mutated({ number: 1, result: {} }), mutated({ number: 1, failure: "x", sentence: "y" })).map(json),
  credit: fc.uint8Array({ minLength: 14, maxLength: 17 }),
  end: fc.uint8Array({ maxLength: 20 }),
  raft: fc.uint8Array({ maxLength: 40 }),
};
const envelope = fc
  .constantFrom(...KINDS)
  .chain((kind) => bodies[kind].map((body) => ({ kind, body: Buffer.from(body) })));
const batches = fc.array(envelope, { maxLength: 5 }).map(written);

/** What members read of each other: nothing that comes may throw into the process, or be more than it was declared. */
export const members: readonly FuzzTarget[] = [
  target("members: frames", anyFrame, (given) => {
    const frame = orRefused(Malformed, () => readFrame(Buffer.from(json(given))));
    if (frame === undefined) return;
    assert.deepEqual(readFrame(writeFrame(frame)), frame, "what was read reads as itself");
    // The core trusts what was read: it takes it, whatever it says.
    const state = newMembership(START, 0);
    step(state, { type: "listRead", text: "10.0.0.2:8848", source: "fuzz" }, 0);
    step(state, { type: "linkOpened", link: 1, address: undefined }, 1);
    step(state, { type: "linkOpened", link: 2, address: "10.0.0.2:8848" }, 1);
    for (const link of [1, 2, 1]) step(state, { type: "received", link, frame }, 2);
    step(state, { type: "tick", clockAt: 100_000 }, 10_000);
  }),
  target("members: batches", mutatedBytes(batches), (bytes) => {
    const read = orRefused(Malformed, () => [...readBatch(Buffer.from(bytes))]);
    if (read !== undefined) assert.ok(written(read).equals(bytes), "what was read is written as it was");
  }),
  target("members: calls, credit, ends", fc.tuple(bodies.call, bodies.credit, bodies.end), ([call, credit, end]) => {
    const asked = orRefused(Malformed, () => readCall(Buffer.from(call)));
    assert.ok(asked === undefined || Number.isSafeInteger(asked.number));
    const given = orRefused(Malformed, () => readCredit(Buffer.from(credit), { messages: 0, bytes: 0 }));
    assert.ok(given === undefined || Number.isSafeInteger(given.messages + given.bytes * 0));
    assert.doesNotMatch(readEnd(Buffer.from(end)), /[\r\n]/);
  }),
  target("members: Distro frames", fc.array(bodies.message, { maxLength: 3 }), (parts) => {
    const reader = new FrameReader();
    for (const part of parts) reader.push(part);
  }),
  target("members: a whole link", fc.array(mutatedBytes(batches), { maxLength: 4 }), (came) => {
    const { link, errors } = testLink();
    for (const bytes of came) {
      link.received(Buffer.from(bytes));
      while (link.work()) {
        // Until nothing is left.
      }
    }
    link.ended("over");
    while (link.work()) {
      // Until nothing is left.
    }
    assert.deepEqual(errors, []);
  }),
];

const START: Start = {
  id: "member-a",
  incarnation: 1,
  clusterId: "c",
  settled: true,
  epoch: 0,
  holdsData: true,
  joined: [],
  protocol: { speaks: 1, oldest: 1 },
  version: "1.2.3",
  fingerprint: "",
  port: 8848,
  host: "10.0.0.1",
};

function json(given: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(given) ?? "");
}

function written(envelopes: readonly Arrived[]): Buffer {
  return batchOf(
    envelopes,
    envelopes.reduce((sum, { body }) => sum + HEAD_BYTES + body.length, 0),
  );
}

/** A link on nothing, with handlers that take everything. */
function testLink(): { link: Link; errors: unknown[] } {
  const errors: unknown[] = [];
  const error = (details: object): void => void errors.push(details);
  const handlers: LinkHandlers = {
    opened: () => {},
    connectFailed: () => {},
    closed: () => {},
    frame: () => {},
    raft: () => undefined,
    message: () => {},
    credit: (_, batches) => assert.ok(batches >= 0),
    memberOf: () => "member-b",
  };
  const link = new Link(
    {
      setup: {
        clock: new FakeClock(),
        log: { debug: () => {}, info: () => {}, warn: () => {}, error },
        portOffset: 0,
        handlers,
        calls: { echo: (payload) => payload },
      },
      limits: LINK_LIMITS,
      turns: { add: () => {} },
      gone: () => {},
      malformed: () => {},
    },
    1,
    undefined,
    { remoteIp: "10.0.0.2", encrypted: false, queuedBytes: 0, send: () => true, end: () => {}, destroy: () => {} },
  );
  return { link, errors };
}
