import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Effect } from "./events.ts";
import { Member, sent } from "./member.fixture.ts";

const MEBIBYTE = 1024 * 1024;

/** What `b` is sent of the log: the entry before it, and the last one that it carries. */
const toB = (effects: readonly Effect[]) =>
  sent(effects, "append").flatMap(({ to, prevIndex, lastIndex }) => (to === "b" ? [[prevIndex, lastIndex]] : []));

/** Leads in term 2 with what both others have, up to its first entry. */
function leader(): Member {
  const member = new Member({ terms: [1], isFounded: true });
  member.lead();
  for (const peer of ["b", "c"]) member.acknowledge(peer, 2);
  member.do({ type: "applied", index: 2 });
  return member;
}

/** Ticks, which others answer, until `b` is sent something of the log again. */
function waited(member: Member): readonly (readonly number[])[] {
  for (let ticks = 0; ticks < 20; ticks++) {
    const effects = member.tick();
    for (const { round, to } of sent(effects, "heartbeat")) member.answer(to, round);
    const told = toB(effects);
    if (told.length > 0) return told;
  }
  return assert.fail("it is asked");
}

describe("entries that a peer does not acknowledge in time", () => {
  test("are asked for, however often, and not sent again", () => {
    const member = leader();
    assert.deepEqual(toB(member.propose(1, 10 * MEBIBYTE)), [[2, 3]]);
    assert.deepEqual(waited(member), [[3, 3]]);
    assert.deepEqual(waited(member), [[3, 3]]);
    assert.deepEqual(toB(member.acknowledge("b", 3)), []);
  });

  test("are sent again from where they were lost", () => {
    const member = leader();
    member.propose(1, 10 * MEBIBYTE);
    member.propose(1, 10 * MEBIBYTE);
    member.acknowledge("b", 3);
    assert.deepEqual(waited(member), [[4, 4]]);
    const { term } = member.core;
    const lost = { type: "rejected", term, prevIndex: 4, hintIndex: 3, hintTerm: term, trust: "whole" } as const;
    assert.deepEqual(toB(member.hear("b", lost)), [[3, 3]], "it is known to lack the entry when that fits");
    assert.deepEqual(toB(member.acknowledge("b", 3)), [[3, 4]]);
  });
});

describe("a peer of which it is not known how far it is", () => {
  test("is sent little with the question, and what is large when it has answered", () => {
    const [small, large] = [leader(), leader()];
    for (const member of [small, large]) member.do({ type: "peerUnreachable", id: "b" });
    small.propose(1, 10);
    large.propose(1, 10 * MEBIBYTE);
    assert.deepEqual(toB(small.do({ type: "peerReachable", id: "b" })), [[2, 3]]);
    assert.deepEqual(toB(large.do({ type: "peerReachable", id: "b" })), [[2, 2]]);
    assert.deepEqual(toB(large.acknowledge("b", 2)), [[2, 3]]);
  });
});
