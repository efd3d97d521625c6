import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { append, Member, of, sent, vote } from "./member.fixture.ts";
import type { Message } from "./messages.ts";

describe("damage", () => {
  test("takes the vote from a member until it has everything up to the leader's mark on disk (R12)", () => {
    const member = new Member({ trust: "logLost", term: 3, configuration: { voters: [], learners: [] } });
    member.now = 5_000;
    assert.equal(sent(member.hear("b", vote(4, 9, 3)), "voteAnswer")[0]?.granted, false);
    const beat: Message = { type: "heartbeat", term: 4, commit: 2, round: 1, at: 0, sure: 2 };
    assert.deepEqual(of(member.hear("b", beat), "trusted"), []);
    member.hear("b", append(4, [0, 0], [1, 4], 2));
    assert.equal(of(member.hear("b", beat), "trusted").length, 1);
  });

  test("lets a member believe in a commit only with entries that fit (R12)", () => {
    const member = new Member({ trust: "allLost", configuration: { voters: [], learners: [] } });
    member.hear("b", append(1, [0, 0], [1, 1]));
    member.hear("c", { type: "heartbeat", term: 2, commit: 2, round: 1, at: 0, sure: undefined });
    assert.equal(member.core.commit, 0, "c speaks of what this member had before");
    member.hear("c", append(2, [0, 0], [2], 1));
    assert.deepEqual([member.core.commit, member.core.log.lastTerm], [1, 2]);
  });

  test("makes a leader forget how far the member had come (R12)", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("b", 1);
    member.propose(1);
    const effects = member.answer("b", 1, 0, "logLost");
    assert.deepEqual(
      of(effects, "peerDamaged").map(({ id, trust }) => [id, trust]),
      [["b", "logLost"]],
    );
    assert.equal(member.core.leading?.peers.get("b")?.match, 0);
  });

  test("lets what the member acknowledges help to commit what the mark is made of (R12)", () => {
    const member = new Member();
    member.lead();
    assert.equal(of(member.acknowledge("b", 1, "logLost"), "commit")[0]?.index, 1);
  });

  test("lets it count up to the mark, and no further: nobody can tell when the log is lost once more (R12)", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("c", 1);
    member.answer("b", 1, 0, "logLost");
    assert.equal(member.core.leading?.peers.get("b")?.sure, 1);
    member.propose(1);
    assert.deepEqual(of(member.acknowledge("b", 2, "logLost"), "commit"), []);
    const effects = member.answer("b", 2);
    assert.deepEqual(of(effects, "commit"), [], "it may have only what makes it whole");
    assert.deepEqual(
      sent(effects, "append").map(({ to, prevIndex, lastIndex }) => [to, prevIndex, lastIndex]),
      [["b", 1, 2]],
    );
    assert.equal(of(member.acknowledge("b", 2), "commit")[0]?.index, 2);
  });

  test("that comes once more while the log is repaired is found by what the member refuses (R12)", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("c", 1);
    member.acknowledge("b", 1, "logLost");
    assert.equal(member.core.leading?.peers.get("b")?.match, 1);
    const rejected = { type: "rejected", term: 1, prevIndex: 1, hintIndex: 0, hintTerm: 0, trust: "logLost" } as const;
    const [again] = sent(member.hear("b", rejected), "append");
    assert.deepEqual([again?.prevIndex, again?.lastIndex], [0, 1]);
  });

  test("that a member does not know of, since older files took the place of its own, is found by its leader (R12)", () => {
    const leader = new Member();
    leader.lead();
    leader.propose(3);
    for (const id of ["b", "c"]) leader.acknowledge(id, 4);
    leader.do({ type: "peerUnreachable", id: "b" });
    const [probe] = sent(leader.do({ type: "peerReachable", id: "b" }), "append");
    assert.equal(probe?.prevIndex, 4);
    const rejected = { type: "rejected", term: 1, prevIndex: 4, hintIndex: 1, hintTerm: 1, trust: "whole" } as const;
    const effects = leader.hear("b", rejected);
    assert.deepEqual(
      of(effects, "peerDamaged").map(({ id, trust }) => [id, trust]),
      [["b", "logLost"]],
    );
    const [again] = sent(effects, "append");
    assert.deepEqual([again?.prevIndex, again?.lastIndex], [1, 4]);

    const older = new Member({ terms: [1, 1], term: 1 });
    older.hear("a", { type: "heartbeat", term: 1, commit: 4, round: 1, at: 0, sure: undefined });
    assert.equal(older.core.commit, 0, "that is of what it had");
  });

  test("is told of the commit by entries, with each heartbeat until it is whole: the last news may be lost (R12)", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("b", 1, "logLost");
    member.acknowledge("c", 1);
    member.acknowledge("b", 1, "logLost");
    for (let round = 1; round <= 3; round++) {
      const news = sent(member.answer("b", round, member.now, "logLost"), "append");
      assert.deepEqual(
        news.map(({ to, commit }) => [to, commit]),
        [["b", 1]],
      );
    }
    member.answer("b", 4);
    assert.deepEqual(sent(member.answer("b", 5), "append"), [], "not any more");
  });

  test("counts for nothing when the votes are lost too, until the member is no voter (R12)", () => {
    const member = new Member();
    member.lead();
    assert.deepEqual(of(member.acknowledge("b", 1, "allLost"), "commit"), []);
    member.acknowledge("c", 1);
    const mark = () => member.core.leading?.peers.get("b")?.sure;
    member.acknowledge("b", 1, "allLost");
    assert.equal(mark(), undefined);
    member.do({ type: "change", token: 9, order: { type: "demote", id: "b" } });
    member.acknowledge("c", 2);
    member.acknowledge("b", 2, "allLost");
    assert.equal(mark(), 2);
  });

  test("that takes the votes while the log is repaired makes a leader forget once more (R12)", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("c", 1);
    member.acknowledge("b", 1, "logLost");
    const peer = () => member.core.leading?.peers.get("b");
    assert.deepEqual([peer()?.match, peer()?.sure], [1, 1]);
    const effects = member.answer("b", 1, 0, "allLost");
    assert.deepEqual(
      of(effects, "peerDamaged").map(({ trust }) => trust),
      ["allLost"],
    );
    assert.deepEqual([peer()?.match, peer()?.sure], [0, undefined], "no mark makes it a voter that can be relied on");
  });
});
