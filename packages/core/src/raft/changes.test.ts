import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { append, Member, of } from "./member.fixture.ts";
import type { Append } from "./messages.ts";

const ALONE = { voters: ["a"], learners: [] };
const WITHOUT_A = { voters: ["b", "c"], learners: [] };

function order(member: Member, type: "addLearner" | "promote" | "remove", id = "b") {
  return member.do({ type: "change", token: 1, order: { type, id } });
}

function refused(member: Member): string | undefined {
  return of(order(member, "promote"), "refused")[0]?.reason;
}

/** `a` leads alone, and `b` learns and has everything. */
function withLearner(): Member {
  const member = new Member({ configuration: ALONE });
  member.tick();
  order(member, "addLearner");
  member.acknowledge("b", 2);
  return member;
}

/** Heartbeats for so long that who answers none of them is out of reach. */
function wait(member: Member, answers: boolean): void {
  const until = member.now + 1_000;
  while (member.now < until) {
    member.tick();
    if (answers) member.answer("b", member.core.leading?.round ?? 0);
  }
}

describe("a learner that was close", () => {
  test("is not promoted once it is silent: the leader would have no majority (dissertation 4.2.1, 6.2)", () => {
    const member = withLearner();
    wait(member, false);
    assert.equal(refused(member), "behind");
    member.answer("b", member.core.leading?.round ?? 0);
    assert.equal(refused(member), undefined);
    member.tick();
    assert.deepEqual([member.core.role, member.core.configuration.voters], ["leader", ["a", "b"]]);
  });

  test("is not promoted, either, when it was taken out, fell silent and came again (dissertation 4.2.1)", () => {
    const member = withLearner();
    order(member, "remove");
    wait(member, false);
    order(member, "addLearner");
    assert.equal(refused(member), "behind");
  });

  test("is not promoted while it takes longer than an election timeout for the round of now (dissertation 4.2.1)", () => {
    const member = withLearner();
    member.propose(1);
    wait(member, true);
    assert.equal(refused(member), "behind", "it answers, and writes nothing");
    member.acknowledge("b", 3);
    assert.equal(refused(member), undefined);
  });
});

describe("a member that is taken out", () => {
  test("is told so, also when it ended and began again before that was committed", () => {
    for (const isRestarted of [false, true]) {
      const configurations = [{ index: 2, configuration: WITHOUT_A }];
      const member = isRestarted
        ? new Member({ terms: [1, 1], configurations })
        : new Member({ terms: [1], isFounded: true });
      const message = append(1, [1, 1], [1], 2) as Append;
      const told = of(member.hear("b", { ...message, configurations }), "removedFromGroup");
      assert.deepEqual(
        told.map(({ index }) => index),
        [2],
        isRestarted ? "again" : "at once",
      );
    }
  });
});
