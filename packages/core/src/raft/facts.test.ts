import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { keepFrom, snapshotsInUse } from "./facts.ts";
import { append, Member } from "./member.fixture.ts";
import type { Message } from "./messages.ts";
import { splitAppend } from "./split.ts";

describe("helpers of shells", () => {
  test("split a message into two that say the same", () => {
    const whole = append(7, [4, 2], [2, 2, 5, 5, 7], 6) as Extract<Message, { type: "append" }>;
    for (let at = 5; at < 9; at++) {
      const member = new Member({ terms: [1, 1, 2, 2], term: 6 });
      const [head, tail] = splitAppend(whole, at);
      member.hear("b", head);
      member.hear("b", tail);
      const terms = [5, 6, 7, 8, 9].map((index) => member.core.log.termOf(index));
      assert.deepEqual([terms, member.core.commit], [[2, 2, 5, 5, 7], 6]);
    }
  });

  test("keep the log for a peer in reach that needs less of it than a snapshot (ADR 6)", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("b", 1);
    member.acknowledge("c", 1);
    member.propose(10, 10);
    member.acknowledge("b", 11);
    member.do({ type: "snapshotTaken", index: 11, bytes: 400 });
    assert.equal(keepFrom(member.core, member.now), 2, "c needs less");
    assert.equal(keepFrom(member.core, member.now + 60_000), 12, "c is away");
    member.do({ type: "logCut", first: 12 });
    member.hear("c", { type: "rejected", term: 1, prevIndex: 11, hintIndex: 1, hintTerm: 1, trust: "whole" });
    assert.deepEqual(snapshotsInUse(member.core), [11], "and is sent the snapshot");
  });

  test("start with a log of many terms and pieces", () => {
    const terms = Array.from({ length: 1_000 }, (_, at) => 1 + Math.floor(at / 7));
    const { core } = new Member({ terms });
    for (const index of [1, 7, 8, 256, 257, 999, 1_000]) assert.equal(core.log.termOf(index), terms[index - 1]);
  });
});
