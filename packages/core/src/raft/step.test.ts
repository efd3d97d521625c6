import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { append, Member, of, sent, THREE, vote } from "./member.fixture.ts";
import type { Append, Message } from "./messages.ts";
import { nextAt } from "./step.ts";

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

  test("counts a configuration from when it has it, and as long as it is not cut (dissertation 4.1)", () => {
    const member = new Member({ terms: [1], isFounded: true });
    const configurations = [{ index: 2, configuration: { voters: ["a", "b", "c", "d"], learners: [] } }];
    member.hear("b", { ...(append(1, [1, 1], [1], 1) as Append), configurations });
    assert.deepEqual(member.core.configuration.voters, ["a", "b", "c", "d"], "committed or not");
    member.hear("c", append(2, [1, 1], [2], 1));
    assert.deepEqual(member.core.configuration, THREE);
  });

  test("has what its snapshot stands for, whatever a message of it says (5.4.3)", () => {
    const member = new Member({ terms: [1, 1, 1], isFounded: true });
    member.do({ type: "snapshotTaken", index: 3, bytes: 1 });
    member.do({ type: "logCut", first: 4 });
    const [answer] = sent(member.hear("b", append(2, [0, 0], [1, 1], 3)), "appended");
    assert.equal(answer?.match, 3);
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

describe("a disk", () => {
  test("that fails brings back what was to be cut, and what the term was (R3)", () => {
    const member = new Member({ terms: [1, 2, 2] });
    member.isHeld = true;
    member.hear("b", append(3, [1, 1], [3]));
    assert.deepEqual([member.core.term, member.core.log.last, member.core.leader], [3, 2, "b"]);
    member.do({ type: "persistFailed", number: 1 });
    const { core } = member;
    assert.deepEqual([core.term, core.log.last, core.log.lastTerm, core.leader], [2, 3, 2, undefined]);
  });

  test("that is slow holds the second acknowledgement as well as the first (R2)", () => {
    const member = new Member();
    member.isHeld = true;
    for (const after of [1, 1]) {
      const [answer] = sent(member.hear("b", append(1, [0, 0], [1])), "appended");
      assert.equal(answer?.after, after);
    }
  });

  test("that fails later than it was asked leaves what was written before (R3)", () => {
    const member = new Member();
    member.isHeld = true;
    member.hear("b", append(1, [0, 0], [1]));
    member.hear("b", append(1, [1, 1], [1, 1]));
    member.do({ type: "persistFailed", number: 2 });
    assert.deepEqual([member.core.log.last, member.core.durable], [1, 0]);
    member.do({ type: "persisted", number: 1 });
    assert.deepEqual([member.core.log.last, member.core.durable], [1, 1]);
  });

  test("that failed holds no acknowledgement of what is written (R2, R3)", () => {
    const member = new Member({ terms: [1, 1] });
    member.isHeld = true;
    member.hear("b", append(1, [2, 1], [1]));
    member.do({ type: "persistFailed", number: 1 });
    const [answer] = sent(member.hear("b", append(1, [1, 1], [1])), "appended");
    assert.deepEqual([answer?.match, answer?.after], [2, 0], "nothing is to be written, so nothing would let it go");
  });
});

describe("a snapshot that comes in (7)", () => {
  function chunk(offset: number, bytes = 100): Message {
    const of = { index: 9, snapshotTerm: 2, configuration: THREE, total: 250 };
    return { type: "chunk", term: 3, ...of, offset, bytes };
  }

  test("is written in order, and asked for from where it broke off", () => {
    const member = new Member({ terms: [1] });
    const answers = [0, 200, 0, 100].map((offset) => {
      const effects = member.hear("b", chunk(offset));
      return [of(effects, "writeChunk").length, sent(effects, "chunkAnswer")[0]?.offset];
    });
    assert.deepEqual(answers, [
      [1, 100],
      [0, 100],
      [0, 100],
      [1, 200],
    ]);
    member.isHeld = true;
    const effects = member.hear("b", chunk(200, 50));
    assert.equal(of(effects, "persist")[0]?.snapshot?.index, 9);
    assert.deepEqual([member.core.log.baseIndex, member.core.told], [9, 0], "nothing is told before it is on disk");
    assert.equal(sent(effects, "appended")[0]?.match, 9);
  });

  test("leaves everything as it was when it cannot be written", () => {
    const member = new Member({ terms: [1, 1] });
    member.hear("b", chunk(0, 200));
    member.isHeld = true;
    member.hear("b", chunk(200, 50));
    member.do({ type: "persistFailed", number: member.core.issued });
    const { log, commit, snapshot } = member.core;
    assert.deepEqual([log.baseIndex, log.last, commit, snapshot.index], [0, 2, 0, 0]);
  });

  test("is not needed where the log has it already", () => {
    const member = new Member({ terms: [1, 1, 1, 1, 1, 1, 1, 1, 2, 2] });
    const effects = member.hear("b", chunk(0));
    assert.deepEqual([sent(effects, "appended")[0]?.match, member.core.log.last, member.core.commit], [9, 10, 9]);
  });
});

describe("a leader", () => {
  test("changes no voters before something of its own term is committed (dissertation 4.1, and the bug of 2015)", () => {
    const member = new Member({ terms: [1, 1], isFounded: true });
    member.lead();
    const order = { type: "addLearner", id: "d" } as const;
    assert.deepEqual(of(member.do({ type: "change", token: 1, order }), "refused")[0]?.reason, "changePending");
    member.acknowledge("b", 3);
    assert.equal(of(member.do({ type: "change", token: 2, order }), "made").length, 1);
  });

  test("gives up to hand over when the successor does not come up (dissertation 3.10)", () => {
    const member = new Member();
    member.lead();
    member.do({ type: "transfer", to: "c" });
    assert.deepEqual(of(member.propose(1), "refused")[0]?.reason, "transferring");
    const ended: boolean[] = [];
    while (ended.length === 0) {
      ended.push(...of(member.tick(), "transferEnded").map(({ done }) => done));
      member.answer("b", member.core.leading?.round ?? 0);
    }
    assert.deepEqual(ended, [false]);
    assert.equal(of(member.propose(1), "accepted").length, 1);
  });

  test("goes on to take proposals when it is to hand over to one that is silent, or could not lead (dissertation 3.10)", () => {
    for (const trust of ["whole", "logLost", "stateLost"] as const) {
      const member = new Member();
      member.lead();
      member.acknowledge("c", 1, trust);
      if (trust === "whole") member.now += 1_000;
      member.acknowledge("b", 1);
      assert.deepEqual(
        of(member.do({ type: "transfer", to: "c" }), "transferEnded").map(({ done }) => done),
        [false],
        trust,
      );
      assert.equal(of(member.propose(1), "accepted").length, 1);
    }
  });

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

  test("takes nothing and does not campaign before entries were written, although a vote was (S25)", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("b", 1);
    member.isHeld = true;
    member.propose(1);
    member.do({ type: "persistFailed", number: member.core.issued });
    member.isHeld = false;
    member.now = 10_000;
    member.hear("b", vote(2, 2, 1));
    assert.equal(member.core.vote, "b", "on disk");
    assert.equal(member.core.diskRefuses, true);
    member.tick();
    assert.equal(member.core.role, "follower");
    member.hear("b", append(2, [1, 1], [2]));
    assert.equal(member.core.diskRefuses, false, "entries found their place");
  });

  test("does not lead again when its machine has stopped, whatever is written", () => {
    const member = new Member();
    member.lead();
    member.acknowledge("b", 1);
    member.do({ type: "machineStopped" });
    assert.equal(member.core.leading?.transfer?.to, "b");
    member.hear("b", append(2, [1, 1], [2]));
    member.do({ type: "diskTakes" });
    member.tick();
    assert.equal(member.core.role, "follower");
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
