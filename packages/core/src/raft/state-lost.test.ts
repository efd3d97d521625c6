import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { needsSnapshot } from "./facts.ts";
import { append, Member, of, sent, vote } from "./member.fixture.ts";
import type { Chunk } from "./messages.ts";

const FOUNDED = { terms: [1, 1, 1], isFounded: true };

function chunk(index: number, total = 10): Chunk {
  const configuration = { voters: ["a", "b", "c"], learners: [] };
  return { type: "chunk", term: 1, index, snapshotTerm: 1, configuration, total, offset: 0, bytes: total };
}

describe("a member whose state differs (R14)", () => {
  test("votes and acknowledges, and does not campaign", () => {
    const member = new Member(FOUNDED);
    assert.equal(of(member.do({ type: "stateLost" }), "distrusted").length, 1);
    const [answer] = sent(member.hear("b", append(1, [3, 1], [1])), "appended");
    assert.deepEqual([answer?.match, answer?.trust], [4, "stateLost"]);
    member.now = 5_000;
    assert.deepEqual(sent(member.tick(), "preVote"), []);
    assert.equal(sent(member.hear("c", vote(2, 4, 1)), "voteAnswer")[0]?.granted, true);
  });

  test("takes a snapshot of what it has in its log, and is whole when that is in the place of its state", () => {
    const member = new Member(FOUNDED);
    member.hear("b", append(1, [3, 1], [1], 4));
    assert.deepEqual(of(member.hear("b", chunk(4)), "writeChunk"), [], "it has that already");
    member.do({ type: "stateLost" });
    member.isHeld = true;
    const effects = member.hear("b", chunk(4));
    const [persist] = of(effects, "persist");
    assert.deepEqual(persist?.snapshot?.index, 4);
    const [answer] = sent(effects, "appended");
    assert.deepEqual([answer?.match, answer?.trust, answer?.after], [4, "whole", persist?.number]);
    assert.equal(of(member.do({ type: "stateRenewed" }), "trusted").length, 1);
    assert.deepEqual([member.core.trust, member.core.commit], ["whole", 4]);
  });

  test("takes none that holds less than it has acknowledged", () => {
    const member = new Member(FOUNDED);
    member.do({ type: "stateLost" });
    member.hear("b", append(1, [3, 1], [1, 1], 4));
    assert.deepEqual(of(member.hear("b", chunk(4)), "writeChunk"), []);
    assert.equal(member.core.log.last, 5);
  });
});

describe("a leader that hears of such a member (R14)", () => {
  test("goes on to count it, and sends it a snapshot of everything that it was sent", () => {
    const member = new Member(FOUNDED);
    member.lead();
    member.acknowledge("c", 4);
    member.propose(3);
    assert.equal(member.core.log.last, 7);
    const effects = member.acknowledge("b", 5, "stateLost");
    assert.deepEqual(of(effects, "peerDamaged"), []);
    assert.deepEqual(of(effects, "commit").at(-1)?.index, 5, "what it has counts");
    assert.deepEqual(of(member.acknowledge("b", 7, "stateLost"), "commit").at(-1)?.index, 7);
    assert.deepEqual(
      sent(member.propose(1), "append").map(({ to }) => to),
      ["c"],
      "its log goes no further",
    );
    assert.equal(needsSnapshot(member.core), false, "not before this member has applied what it needs");
    member.do({ type: "applied", index: 7 });
    assert.equal(needsSnapshot(member.core), true);
    const [first] = sent(member.do({ type: "snapshotTaken", index: 7, bytes: 10 }), "chunk");
    assert.deepEqual([first?.to, first?.index], ["b", 7]);
    assert.deepEqual(
      sent(member.acknowledge("b", 7), "append").map(({ to, prevIndex }) => [to, prevIndex]),
      [["b", 7]],
      "whole again, it is sent what came meanwhile",
    );
  });

  test("sends it entries of this term first, so that it holds nothing that this member does not know of", () => {
    const member = new Member(FOUNDED);
    member.lead();
    member.answer("b", 1, 0, "stateLost");
    member.do({ type: "applied", index: 3 });
    assert.deepEqual(sent(member.do({ type: "snapshotTaken", index: 3, bytes: 10 }), "chunk"), []);
    assert.equal(needsSnapshot(member.core), false);
  });

  test("does not hand the leadership over to it", () => {
    const member = new Member(FOUNDED);
    member.lead();
    member.acknowledge("b", 4, "stateLost");
    member.acknowledge("c", 3);
    member.do({ type: "transfer", to: undefined });
    assert.equal(member.core.leading?.transfer?.to, "c");
  });

  test("hands it over when it is itself such a one", () => {
    const member = new Member(FOUNDED);
    member.lead();
    member.acknowledge("b", 4);
    assert.deepEqual(
      sent(member.do({ type: "stateLost" }), "timeoutNow").map(({ to }) => to),
      ["b"],
    );
  });
});
