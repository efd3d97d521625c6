import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Effect, Event } from "./events.ts";
import { keepFrom, snapshotsInUse } from "./facts.ts";
import type { Message } from "./messages.ts";
import type { Configuration, Trust } from "./model.ts";
import type { RaftOptions } from "./options.ts";
import { splitAppend } from "./split.ts";
import { newRaft, type Raft } from "./state.ts";
import { nextAt, step } from "./step.ts";

const THREE: Configuration = { voters: ["a", "b", "c"], learners: [] };

interface Given {
  readonly terms?: readonly number[];
  readonly term?: number;
  readonly vote?: string;
  readonly configuration?: Configuration;
  readonly trust?: Trust;
  readonly options?: Partial<RaftOptions>;
}

/** Member `a` with a log of these terms on disk; its disk takes everything at once unless it is held. */
class Member {
  readonly core: Raft;
  now = 0;
  isHeld = false;

  constructor({ terms = [], term, vote, configuration = THREE, trust = "whole", options }: Given = {}) {
    const runs = terms.flatMap((of, at) => (terms[at - 1] === of ? [] : [{ first: at + 1, term: of }]));
    const snapshot = { index: 0, term: 0, configuration, bytes: 1 };
    const rest = { seed: 1, baseIndex: 0, baseTerm: 0, configurations: [], applied: 0, trust };
    const facts = { self: "a", term: term ?? terms.at(-1) ?? 0, vote, snapshot, lastIndex: terms.length, runs };
    this.core = newRaft({ ...facts, ...rest }, 0, options);
  }

  do(event: Event): readonly Effect[] {
    const effects = [...step(this.core, event, this.now)];
    const { issued, persisted } = this.core;
    if (!this.isHeld && issued > persisted) effects.push(...this.do({ type: "persisted", number: issued }));
    return effects;
  }

  hear(from: string, message: Message): readonly Effect[] {
    return this.do({ type: "received", from, message });
  }

  propose(count: number, bytes = 10): readonly Effect[] {
    const proposals = Array.from({ length: count }, (_, at) => ({ token: at + 1, bytes }));
    return this.do({ type: "propose", proposals });
  }

  tick(): readonly Effect[] {
    this.now = Math.max(this.now, nextAt(this.core));
    return this.do({ type: "tick" });
  }

  /** Wins pre-vote and vote with the help of `b`. */
  lead(): readonly Effect[] {
    this.tick();
    this.hear("b", { type: "voteAnswer", term: this.core.term + 1, pre: true, granted: true });
    return this.hear("b", { type: "voteAnswer", term: this.core.term, pre: false, granted: true });
  }

  acknowledge(from: string, match: number, trust: Trust = "whole"): readonly Effect[] {
    return this.hear(from, { type: "appended", term: this.core.term, match, trust });
  }

  answer(from: string, round: number, at = this.now, trust: Trust = "whole"): readonly Effect[] {
    return this.hear(from, { type: "heartbeatAnswer", term: this.core.term, round, at, trust });
  }
}

function sent<Type extends Message["type"]>(effects: readonly Effect[], type: Type) {
  return effects.flatMap((effect) =>
    effect.type === "send" && effect.message.type === type
      ? [{ to: effect.to, after: effect.after, ...(effect.message as Extract<Message, { type: Type }>) }]
      : [],
  );
}

function of<Type extends Effect["type"]>(effects: readonly Effect[], type: Type) {
  return effects.filter((effect): effect is Extract<Effect, { type: Type }> => effect.type === type);
}

function append(term: number, prev: readonly [number, number], terms: readonly number[], commit = 0): Message {
  const [prevIndex, prevTerm] = prev;
  const runs = terms.flatMap((of, at) => (terms[at - 1] === of ? [] : [{ first: prevIndex + 1 + at, term: of }]));
  const lastIndex = prevIndex + terms.length;
  return { type: "append", term, prevIndex, prevTerm, lastIndex, runs, configurations: [], bytes: 10, commit };
}

function vote(term: number, lastIndex: number, lastTerm: number, forced = false): Message {
  return { type: "vote", term, lastIndex, lastTerm, forced };
}

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

describe("a start", () => {
  test("with entries of a term that is not on disk itself begins in that term, without a vote", () => {
    const { core } = new Member({ terms: [1, 4], term: 3, vote: "b" });
    assert.deepEqual([core.term, core.vote], [4, undefined]);
  });
});

describe("a follower", () => {
  test("takes what fits, and acknowledges it when it is on disk (5.3)", () => {
    const member = new Member({ terms: [1] });
    member.isHeld = true;
    const effects = member.hear("b", append(2, [1, 1], [2, 2], 2));
    assert.deepEqual(of(effects, "persist")[0], {
      type: "persist",
      number: 1,
      hard: { term: 2, vote: undefined },
      snapshot: undefined,
      cutFrom: undefined,
      first: 2,
      last: 3,
    });
    assert.deepEqual(
      sent(effects, "appended").map(({ match, after }) => [match, after]),
      [[3, 1]],
    );
    assert.deepEqual(
      of(effects, "commit").map(({ index }) => index),
      [1],
      "no more than is on this disk",
    );
    assert.deepEqual(
      of(member.do({ type: "persisted", number: 1 }), "commit").map(({ index }) => index),
      [2],
    );
  });

  test("refuses what does not follow on what it has, and says where to look (5.3)", () => {
    const member = new Member({ terms: [1, 1, 4, 4] });
    const beyond = sent(member.hear("b", append(5, [9, 5], [5])), "rejected")[0];
    assert.deepEqual([beyond?.hintIndex, beyond?.hintTerm], [4, 4]);
    const other = sent(member.hear("b", append(5, [4, 3], [5])), "rejected")[0];
    assert.deepEqual([other?.hintIndex, other?.hintTerm], [2, 1], "a whole term at once");
  });

  test("cuts only what differs, so that late messages take nothing away (5.3)", () => {
    const member = new Member({ terms: [1] });
    member.hear("b", append(2, [1, 1], [2, 2, 2]));
    assert.deepEqual(of(member.hear("b", append(2, [1, 1], [2])), "persist"), []);
    assert.equal(member.core.log.last, 4);
    const cut = of(member.hear("c", append(3, [2, 2], [3])), "persist").find(({ cutFrom }) => cutFrom !== undefined);
    assert.deepEqual([cut?.cutFrom, cut?.first, cut?.last], [3, 3, 3]);
  });

  test("stops rather than cutting what is committed (5.4.3)", () => {
    const member = new Member();
    member.hear("b", append(1, [0, 0], [1, 1], 1));
    assert.throws(() => member.hear("c", append(2, [0, 0], [2])), /broken/);
  });

  test("tells a leader of the past that it is one", () => {
    const member = new Member({ terms: [3] });
    assert.deepEqual(
      sent(member.hear("b", append(2, [0, 0], [2])), "newerTerm").map(({ term }) => term),
      [3],
    );
  });
});

describe("a leader", () => {
  test("commits what a majority has, from the first entry of its own term on (5.4.2, figure 8)", () => {
    const member = new Member({ terms: [1, 2] });
    member.lead();
    assert.deepEqual([member.core.term, member.core.log.last], [3, 3]);
    assert.deepEqual(of(member.acknowledge("b", 2), "commit"), [], "two of three have the entry of term 2");
    assert.deepEqual(
      of(member.acknowledge("b", 3), "commit").map(({ index }) => index),
      [3],
    );
  });

  test("counts itself when its own disk has it (dissertation 10.2.1)", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("b", 1);
    member.isHeld = true;
    const effects = member.propose(1);
    assert.deepEqual(
      sent(effects, "append").map(({ to, after }) => [to, after]),
      [["b", 0]],
      "it travels meanwhile",
    );
    assert.deepEqual(of(member.acknowledge("b", 2), "commit"), []);
    assert.deepEqual(of(member.do({ type: "persisted", number: member.core.issued }), "commit").length, 1);
  });

  test("is committed by the others without its own disk, and applies when that has it", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("b", 1);
    member.isHeld = true;
    member.propose(1);
    member.acknowledge("b", 2);
    const effects = member.acknowledge("c", 2);
    assert.deepEqual([member.core.commit, of(effects, "commit")], [2, []]);
  });

  test("stops to lead when no majority answers (dissertation 6.2)", () => {
    const member = new Member();
    member.lead();
    const startedAt = member.now;
    while (member.core.role === "leader") member.tick();
    assert.ok(member.now - startedAt <= 1_150, "within an election timeout");
  });

  test("refuses proposals at the bound, and takes again what there is room for", () => {
    const member = new Member({ options: { proposalsMax: 3, proposalBytesMax: 100 } });
    member.lead();
    member.acknowledge("b", 1);
    member.do({ type: "applied", index: 1 });
    const effects = member.propose(5);
    assert.equal(of(effects, "accepted")[0]?.proposals.length, 3);
    assert.deepEqual(
      of(effects, "refused").map(({ tokens, reason }) => [tokens, reason]),
      [[[4, 5], "overThreshold"]],
    );
    member.acknowledge("b", 4);
    assert.equal(of(member.propose(1), "refused").length, 1, "not applied yet");
    member.do({ type: "applied", index: 4 });
    assert.equal(of(member.propose(1, 5_000), "accepted").length, 1, "one is taken when nothing waits");
    assert.equal(of(member.propose(1), "refused").length, 1);
  });

  test("tells whose proposals are lost when something else is committed there, and not before (R9)", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("b", 1);
    member.propose(2);
    assert.deepEqual(of(member.hear("c", append(2, [1, 1], [2])), "lost"), [], "cut here, and maybe not elsewhere");
    assert.deepEqual(
      of(member.hear("c", append(2, [2, 2], [2], 2)), "lost").map(({ tokens }) => tokens),
      [[1]],
    );
    assert.deepEqual(
      of(member.hear("c", append(2, [3, 2], [], 3)), "lost").map(({ tokens }) => tokens),
      [[2]],
    );
  });

  test("does not call lost what another one committed in its place after all (R9)", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("b", 1);
    member.propose(1);
    member.hear("c", append(2, [1, 1], [2]));
    // c's entry was on no majority; b had the proposal, and leads now.
    const effects = member.hear("b", append(3, [1, 1], [1, 3], 3));
    assert.deepEqual([of(effects, "lost"), member.core.displaced], [[], []]);
  });

  test("that could not write what it has sent stops to lead, and hands over (R3)", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("b", 1);
    member.isHeld = true;
    member.propose(1);
    const effects = member.do({ type: "persistFailed", number: member.core.issued });
    assert.deepEqual(
      sent(effects, "timeoutNow").map(({ to }) => to),
      ["b"],
    );
    assert.deepEqual([member.core.role, member.core.log.last], ["follower", 1]);
    assert.deepEqual(of(effects, "lost"), [], "the others may have it");
    assert.equal(nextAt(member.core) > member.now, true);
    member.tick();
    assert.equal(member.core.role, "follower", "and does not campaign while its disk refuses");
  });

  test("that is alone gives up what it could not write, and goes on (R3)", () => {
    const member = new Member({ configuration: { voters: ["a"], learners: [] } });
    member.tick();
    member.do({ type: "applied", index: 1 });
    member.isHeld = true;
    member.propose(2);
    const effects = member.do({ type: "persistFailed", number: member.core.issued });
    assert.deepEqual(
      of(effects, "lost").map(({ tokens }) => tokens),
      [[1, 2]],
    );
    assert.deepEqual(
      of(member.propose(1), "refused").map(({ reason }) => reason),
      ["diskRefuses"],
    );
    member.do({ type: "diskTakes" });
    assert.deepEqual(
      of(member.propose(1), "accepted").map(({ first, term }) => [first, term]),
      [[2, 1]],
    );
    assert.equal(nextAt(member.core), Infinity, "and does nothing by itself");
  });
});

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
    assert.deepEqual(of(member.acknowledge("b", 2, "logLost"), "commit").length, 1, "what it says from now on is true");
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
});

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
