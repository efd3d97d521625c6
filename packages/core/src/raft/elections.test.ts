import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { append, Member, sent, vote } from "./member.fixture.ts";
import type { Append } from "./messages.ts";
import { nextAt } from "./step.ts";

describe("votes", () => {
  test("are given once per term, and only when they are on disk (5.2)", () => {
    const member = new Member();
    member.isHeld = true;
    const [given] = sent(member.hear("b", vote(1, 0, 0)), "voteAnswer");
    assert.deepEqual([given?.granted, given?.after], [true, 1]);
    assert.equal(sent(member.hear("c", vote(1, 9, 9)), "voteAnswer")[0]?.granted, false);
    assert.equal(sent(member.hear("b", vote(1, 0, 0)), "voteAnswer")[0]?.granted, true, "asked again");
  });

  test("are not given again after a restart (5.2)", () => {
    const member = new Member({ term: 4, vote: "b" });
    member.now = 5_000;
    assert.equal(sent(member.hear("c", vote(4, 9, 9)), "voteAnswer")[0]?.granted, false);
  });

  test("go to nobody whose log is behind (5.4.1)", () => {
    for (const [lastIndex, lastTerm, granted] of [
      [3, 2, true],
      [1, 3, true],
      [2, 2, false],
      [9, 1, false],
    ] as const) {
      const member = new Member({ terms: [1, 2, 2] });
      member.now = 5_000;
      const answers = sent(member.hear("b", vote(7, lastIndex, lastTerm)), "voteAnswer");
      assert.equal(answers[0]?.granted, granted, `${lastIndex}/${lastTerm}`);
    }
  });

  test("go to nobody while a leader is heard, unless the leader asked for it (dissertation 4.2.3, 3.10)", () => {
    const member = new Member();
    member.hear("b", append(1, [0, 0], [1]));
    member.now = 999;
    assert.equal(sent(member.hear("c", vote(2, 1, 1)), "voteAnswer")[0]?.granted, false);
    assert.equal(member.core.term, 1, "and its term does not grow");
    assert.equal(sent(member.hear("c", vote(2, 1, 1, true)), "voteAnswer")[0]?.granted, true);
  });

  test("go to nobody for a while after a start, because of a lease that may be forgotten (R6)", () => {
    const member = new Member({ terms: [1] });
    member.now = 999;
    assert.equal(sent(member.hear("c", vote(2, 1, 1)), "voteAnswer")[0]?.granted, false);
    member.now = 1_000;
    assert.equal(sent(member.hear("c", vote(2, 1, 1)), "voteAnswer")[0]?.granted, true);
  });

  test("of its own count when they are on disk, too (R1)", () => {
    const member = new Member({ configuration: { voters: ["a"], learners: [] } });
    member.isHeld = true;
    assert.equal(nextAt(member.core), 0, "alone there is nobody to wait for");
    member.tick();
    assert.equal(member.core.role, "candidate");
    member.do({ type: "persisted", number: 1 });
    assert.equal(member.core.role, "leader");
  });

  test("are not asked for by a learner, which follows nobody any more when its leader is not heard", () => {
    const member = new Member({ configuration: { voters: ["b", "c"], learners: ["a"] } });
    member.hear("b", append(1, [0, 0], [1]));
    assert.equal(member.core.leader, "b");
    const effects = member.tick();
    assert.equal(member.core.leader, undefined);
    assert.ok(effects.some((effect) => effect.type === "leaderChanged" && effect.leader === undefined));
    assert.equal(member.core.role, "follower");
  });

  test("are not asked for in spite of leases because anybody but the leader says so (dissertation 3.10)", () => {
    const member = new Member();
    member.hear("b", append(1, [0, 0], [1]));
    member.hear("c", { type: "timeoutNow", term: 1 });
    assert.equal(member.core.role, "follower");
    member.hear("b", { type: "timeoutNow", term: 1 });
    assert.equal(member.core.role, "candidate");
  });

  test("are asked for only by those who could win (dissertation 9.6)", () => {
    const member = new Member({ terms: [1] });
    const asked = sent(member.tick(), "preVote");
    assert.deepEqual(
      asked.map(({ to, term }) => [to, term]),
      [
        ["b", 2],
        ["c", 2],
      ],
    );
    assert.equal(member.core.term, 1);
    for (const from of ["b", "c"]) member.hear(from, { type: "voteAnswer", term: 1, pre: true, granted: false });
    assert.deepEqual([member.core.role, member.core.term], ["follower", 1]);
  });
});

describe("a member that hears no leader", () => {
  test("waits for another time each time, within its bounds (5.2, dissertation 9.3)", () => {
    const member = new Member({ terms: [1] });
    const waits = Array.from({ length: 100 }, () => {
      member.tick();
      return nextAt(member.core) - member.now;
    });
    assert.ok(Math.min(...waits) >= 1_000 && Math.max(...waits) <= 2_000, `${waits}`);
    assert.ok(new Set(waits).size > 80);
  });

  test("and is removed by an entry that is not committed may campaign; then not any more (dissertation 4.2.2)", () => {
    for (const [commit, role] of [
      [1, "preCandidate"],
      [2, "follower"],
    ] as const) {
      const member = new Member({ terms: [1], isFounded: true });
      const message = append(1, [1, 1], [1], commit) as Append;
      const configurations = [{ index: 2, configuration: { voters: ["b", "c"], learners: [] } }];
      member.hear("b", { ...message, configurations });
      member.tick();
      assert.equal(member.core.role, role);
    }
  });
});

describe("a member that starts and does not know what is committed", () => {
  test("may campaign when it was a voter before the newest configuration of its log (dissertation 4.2.2)", () => {
    const voters = (...ids: string[]) => ({ voters: ids, learners: [] });
    for (const [before, role] of [
      [voters("a", "b"), "preCandidate"],
      [voters("b", "c"), "follower"],
    ] as const) {
      const configurations = [
        { index: 2, configuration: before },
        { index: 3, configuration: voters("b") },
      ];
      const member = new Member({ terms: [1, 1, 1], configuration: voters("b"), configurations });
      assert.equal(member.core.commit, 0);
      member.tick();
      assert.equal(member.core.role, role);
    }
  });
});

describe("a follower whose link to the leader has ended", () => {
  /** Follows `b` in term 1, which it heard at 0. */
  function follower(): Member {
    const member = new Member();
    member.hear("b", append(1, [0, 0], [1]));
    return member;
  }

  test("campaigns when its promise to that leader has run out, and not before (dissertation 6.4.1, 4.2.3)", () => {
    for (const at of [0, 300, 999]) {
      const member = follower();
      member.now = at;
      member.do({ type: "peerUnreachable", id: "b" });
      const due = nextAt(member.core);
      assert.ok(due >= 1_000 && due <= 1_100, `${due}`);
      assert.equal(sent(member.tick(), "preVote").length, 2);
      assert.equal(member.core.term, 1, "it asks first (9.6)");
    }
  });

  test("asks again soon, since others may have promised for a little longer (dissertation 6.4.1)", () => {
    const member = follower();
    member.do({ type: "peerUnreachable", id: "b" });
    member.tick();
    member.hear("c", { type: "voteAnswer", term: 1, pre: true, granted: false });
    assert.ok(nextAt(member.core) - member.now <= 500);
    assert.equal(sent(member.tick(), "preVote").length, 2);
  });

  test("waits as usual when the leader is heard again, or it was another one (9.3)", () => {
    const member = follower();
    const before = nextAt(member.core);
    member.do({ type: "peerUnreachable", id: "c" });
    assert.equal(nextAt(member.core), before);
    member.do({ type: "peerUnreachable", id: "b" });
    member.now = 900;
    member.hear("b", { type: "heartbeat", term: 1, commit: 0, round: 1, at: 0, sure: undefined });
    assert.ok(nextAt(member.core) >= 1_900);
    member.tick();
    assert.ok(nextAt(member.core) - member.now >= 1_000, "also when it has asked once");
  });
});

describe("two that campaign at once", () => {
  const ask = (member: Member, from: string, lastIndex: number) =>
    sent(member.hear(from, { type: "preVote", term: 2, lastIndex, lastTerm: 1 }), "voteAnswer")[0]?.granted;

  test("do not take each other's votes: who has less of the log waits, and of equal ones the later name", () => {
    for (const [from, lastIndex, granted, role] of [
      ["b", 2, true, "follower"],
      ["b", 1, true, "preCandidate"],
      ["A", 1, true, "follower"],
      ["b", 0, false, "preCandidate"],
    ] as const) {
      const member = new Member({ terms: [1] });
      member.tick();
      assert.equal(ask(member, from, lastIndex), granted);
      assert.equal(member.core.role, role, `${from} with ${lastIndex}`);
    }
  });

  test("do not, either, when one has not begun yet: who grants a pre-vote waits a moment", () => {
    const member = new Member({ terms: [1] });
    const due = nextAt(member.core);
    member.now = due - 1;
    ask(member, "b", 1);
    assert.ok(nextAt(member.core) >= due - 1 + 100 && nextAt(member.core) <= due - 1 + 200);
  });
});

describe("a start", () => {
  test("of the only voter waits for nobody, unless others may still count on it (dissertation 4.2.2, 6.4.1)", () => {
    const [alone, both] = [
      { voters: ["a"], learners: [] },
      { voters: ["a", "b"], learners: [] },
    ];
    for (const [before, isFounded, isWaiting] of [
      [alone, false, false],
      [both, true, false],
      [both, false, true],
    ] as const) {
      const configurations = [
        { index: 1, configuration: before },
        { index: 2, configuration: alone },
      ];
      const member = new Member({ terms: [1, 1], configuration: before, configurations, isFounded });
      assert.equal(
        nextAt(member.core) >= 1_000,
        isWaiting,
        `${before.voters}, ${isFounded ? "committed" : "not known"}`,
      );
    }
  });

  test("with entries of a term that is not on disk itself begins in that term, without a vote", () => {
    const { core } = new Member({ terms: [1, 4], term: 3, vote: "b" });
    assert.deepEqual([core.term, core.vote], [4, undefined]);
  });
});
