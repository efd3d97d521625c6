import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { append, Member, of, sent } from "./member.fixture.ts";

describe("reads", () => {
  test("wait for the leader's own term and a majority that heard it after they came (dissertation 6.4)", () => {
    const member = new Member({ options: { leaseReads: false } });
    member.lead();
    assert.deepEqual(of(member.do({ type: "readRequested", token: 1 }), "readReady"), []);
    const beats = sent(member.acknowledge("b", 1), "heartbeat");
    const round = beats[0]?.round ?? 0;
    assert.deepEqual(of(member.answer("c", round - 1), "readReady"), [], "a heartbeat of before");
    assert.deepEqual(of(member.answer("c", round), "readReady"), [{ type: "readReady", tokens: [1], index: 1 }]);
  });

  test("need no round while the lease lasts, which counts from the sending, less the margin (6.4.1)", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("b", 1);
    member.tick();
    const sentAt = member.now;
    member.now += 300;
    member.answer("b", member.core.leading?.round ?? 0, sentAt);
    member.now = sentAt + 899;
    assert.equal(of(member.do({ type: "readRequested", token: 1 }), "readReady").length, 1);
    member.now = sentAt + 900;
    assert.equal(of(member.do({ type: "readRequested", token: 2 }), "readReady").length, 0);
  });

  test("need a round for the rest of the term once somebody was told to campaign (R11)", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("b", 1);
    member.tick();
    member.answer("b", member.core.leading?.round ?? 0);
    assert.equal(sent(member.do({ type: "transfer", to: "b" }), "timeoutNow").length, 1);
    assert.equal(of(member.do({ type: "readRequested", token: 1 }), "readReady").length, 0);
  });

  test("fail when the leader is none any more", () => {
    const member = new Member({ options: { leaseReads: false } });
    member.lead();
    member.do({ type: "readRequested", token: 1 });
    const failed = of(member.hear("c", append(9, [0, 0], [])), "readFailed");
    assert.deepEqual(
      failed.map(({ tokens }) => tokens),
      [[1]],
    );
  });
});
