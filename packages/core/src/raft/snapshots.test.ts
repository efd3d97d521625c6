import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Member, sent } from "./member.fixture.ts";
import type { Chunk } from "./messages.ts";
import { NOBODY } from "./model.ts";
import { newRaft, type Raft } from "./state.ts";
import { step } from "./step.ts";

function member(): Raft {
  return newRaft(
    {
      self: "b",
      seed: 1,
      term: 1,
      vote: undefined,
      snapshot: { index: 0, term: 0, configuration: NOBODY, bytes: 1 },
      baseIndex: 0,
      baseTerm: 0,
      lastIndex: 0,
      runs: [],
      configurations: [],
      applied: 0,
      trust: "whole",
    },
    0,
  );
}

const configuration = { voters: ["a", "b"], learners: [] };

function chunk(offset: number, bytes: number, index = 50): Chunk {
  return { type: "chunk", term: 1, index, snapshotTerm: 1, configuration, total: 100, offset, bytes };
}

/** What is written, and from where on the sender is asked to go on. */
function took(state: Raft, message: Chunk): string[] {
  return step(state, { type: "received", from: "a", message }, 0).flatMap((effect) => {
    if (effect.type === "writeChunk") return [`writes ${effect.offset}+${effect.bytes}`];
    if (effect.type === "persist") return [`installs ${effect.snapshot?.index}`];
    return effect.type === "send" && effect.message.type === "chunkAnswer" ? [`has ${effect.message.offset}`] : [];
  });
}

describe("a snapshot of which an earlier life has left a part", () => {
  const there = { type: "chunksThere", index: 50, term: 1, total: 100 } as const;

  test("goes on behind that", () => {
    const state = member();
    step(state, { ...there, offset: 60 }, 0);
    assert.deepEqual(took(state, chunk(0, 30)), ["has 60"]);
    assert.deepEqual(took(state, chunk(60, 30)), ["writes 60+30", "has 90"]);
    assert.deepEqual(took(state, chunk(90, 10)), ["writes 90+10", "installs 50"]);
  });

  test("is installed with its last byte when all of it is there", () => {
    const state = member();
    step(state, { ...there, offset: 100 }, 0);
    assert.deepEqual(took(state, chunk(0, 30)), ["has 99"]);
    assert.deepEqual(took(state, chunk(99, 1)), ["writes 99+1", "installs 50"]);
  });

  test("begins anew when another one comes, or the file was lost", () => {
    const state = member();
    step(state, { ...there, offset: 60 }, 0);
    assert.deepEqual(took(state, chunk(0, 30, 51)), ["writes 0+30", "has 30"]);
    assert.deepEqual(took(state, chunk(0, 30)), ["writes 0+30", "has 30"]);
    const other = member();
    step(other, { ...there, offset: 60 }, 0);
    step(other, { type: "chunksLost" }, 0);
    assert.deepEqual(took(other, chunk(0, 30)), ["writes 0+30", "has 30"]);
  });
});

describe("a snapshot that cannot be read for a peer", () => {
  /** A leader that sends `b` the snapshot of 3, in four parts. */
  function leader(): Member {
    const member = new Member({ terms: [1, 1, 1], isFounded: true, options: { chunkBytes: 100 } });
    member.do({ type: "snapshotTaken", index: 3, bytes: 400 });
    member.do({ type: "logCut", first: 4 });
    member.lead();
    const rejected = { type: "rejected", term: 2, prevIndex: 3, hintIndex: 0, hintTerm: 0, trust: "whole" } as const;
    assert.equal(sent(member.hear("b", rejected), "chunk").length, 4);
    return member;
  }

  test("is tried again in a while, and not at once for each part that is lost", () => {
    const member = leader();
    for (let part = 0; part < 4; part++)
      assert.deepEqual(sent(member.do({ type: "snapshotLost", index: 3 }), "chunk"), []);
    member.now += member.core.options.retryMs;
    assert.deepEqual(
      sent(member.do({ type: "tick" }), "chunk").map(({ offset }) => offset),
      [0, 100, 200, 300],
    );
  });

  test("gives way to a newer one at once", () => {
    const member = leader();
    member.acknowledge("c", 4);
    member.do({ type: "applied", index: 4 });
    member.do({ type: "snapshotTaken", index: 4, bytes: 100 });
    const effects = member.do({ type: "snapshotLost", index: 3 });
    assert.deepEqual(
      sent(effects, "chunk").map(({ index, offset }) => [index, offset]),
      [[4, 0]],
    );
  });
});
