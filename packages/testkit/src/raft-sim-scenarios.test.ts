import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { allRaftCheckers } from "./raft-checks/all.ts";
import type { Outcome } from "./raft-sim-clients.ts";
import type { RaftMember } from "./raft-sim-member.ts";
import type { Operation } from "./raft-sim-model.ts";
import { RaftWorld } from "./raft-sim-world.ts";

const DEADLINE_MS = 3_000;

interface Told {
  readonly through: RaftMember;
  readonly askedAt: number;
  readonly answeredAt: number;
  readonly outcome: Outcome;
}

/** Three members that lead and follow, with every checker looking. */
class Stage extends RaftWorld {
  readonly told: Told[] = [];
  #value = 0;

  constructor(seed: number) {
    super(seed, {}, allRaftCheckers());
    const ids = ["m0", "m1", "m2"];
    for (const id of ids) this.wanted.add(id);
    for (const _ of ids) this.add(ids).start();
    this.runUntil(5_000);
  }

  get leader(): RaftMember {
    const [leader] = this.leaders();
    assert.ok(leader !== undefined, "somebody leads");
    return leader;
  }

  ask(through: RaftMember, input: Operation = { type: "set", key: "a", value: ++this.#value }): void {
    const askedAt = this.now;
    const calledAt = ++this.moment;
    const client = `c${calledAt}`;
    through.clients.submit(input, DEADLINE_MS, (outcome) => {
      this.told.push({ through, askedAt, answeredAt: this.now, outcome });
      if (outcome.type === "done")
        this.history.push({ client, calledAt, returnedAt: ++this.moment, input, output: outcome.output });
      else if (outcome.type !== "notApplied" && input.type !== "get")
        this.history.push({ client, calledAt, returnedAt: undefined, input });
    });
  }

  isolate(member: RaftMember, isCut: boolean): void {
    for (const { id } of this.members)
      for (const way of [`${member.id}>${id}`, `${id}>${member.id}`]) {
        if (isCut) this.cut.add(way);
        else this.cut.delete(way);
      }
  }

  end(): void {
    for (const checker of this.checkers) checker.ended?.(this);
  }
}

describe("a group of three", () => {
  test("S20, S40: whose leader is killed each 10 s for 5 minutes does nearly all writes at the first try", () => {
    const stage = new Stage(40);
    for (let at = stage.now; at < 305_000; at += 200) stage.at(at, () => stage.ask(stage.random.pick(stage.running())));
    for (let kill = 0; kill < 30; kill++) {
      stage.runUntil(10_000 * (kill + 1));
      const { leader } = stage;
      leader.crash();
      stage.at(stage.now + 4_000, () => leader.start());
    }
    stage.runUntil(312_000);
    const done = stage.told.filter(({ outcome }) => outcome.type === "done" || outcome.type === "applied");
    assert.ok(done.length >= stage.told.length * 0.9, `${done.length} of ${stage.told.length} are done`);
    stage.end();
  });

  test("S39: whose leader is cut off with its clients for 20 s tells them so, and goes on without it", () => {
    const stage = new Stage(39);
    const { leader } = stage;
    stage.isolate(leader, true);
    const cutAt = stage.now;
    for (let ms = 0; ms < 15_000; ms += 500)
      for (const member of stage.members)
        stage.at(cutAt + ms, () => {
          stage.ask(member);
          stage.ask(member, { type: "get", key: "a" });
        });
    stage.runUntil(cutAt + 1_300);
    assert.notEqual(leader.core?.role, "leader", "it stopped to lead");
    stage.runUntil(cutAt + 20_000);
    const late = stage.told.filter(({ askedAt }) => askedAt >= cutAt + 1_500);
    for (const { through, outcome, askedAt } of late) {
      const isDone = outcome.type === "done";
      if (through === leader) assert.ok(!isDone, "nothing succeeds on the small side");
      else if (askedAt > cutAt + 3_500) assert.ok(isDone, "everything does on the other");
    }
    stage.isolate(leader, false);
    stage.runUntil(stage.now + 3_000);
    stage.end();
  });

  test("S21: of which two are down refuses, and recovers by itself when one is back", () => {
    const stage = new Stage(21);
    const [first, second, third] = stage.members;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    first.crash();
    second.crash();
    stage.runUntil(stage.now + 2_000);
    stage.ask(third);
    stage.runUntil(stage.now + 4_000);
    assert.equal(stage.told.at(-1)?.outcome.type, "notApplied");
    second.start();
    stage.runUntil(stage.now + 6_000);
    stage.ask(third);
    stage.runUntil(stage.now + 500);
    assert.equal(stage.told.at(-1)?.outcome.type, "done");
    first.start();
    stage.runUntil(stage.now + 3_000);
    stage.end();
  });

  test("S22: one of which has lost everything has it back as a voter within 3 s, and the leader stays", () => {
    const stage = new Stage(22);
    for (let at = 0; at < 100; at++) stage.at(stage.now + at * 20, () => stage.ask(stage.leader));
    stage.runUntil(stage.now + 3_000);
    const { leader } = stage;
    const member = stage.members.find((one) => one !== leader);
    assert.ok(member !== undefined);
    member.crash();
    member.disk.damage(true);
    member.start();
    stage.runUntil(stage.now + 3_000);
    assert.equal(member.core?.trust, "whole");
    assert.deepEqual(leader.core?.configuration.voters.toSorted(), ["m0", "m1", "m2"]);
    assert.deepEqual(stage.leaders(), [leader]);
    stage.end();
  });

  test("S25: whose leader's disk is full has another leader at once, and loses nothing", () => {
    const stage = new Stage(25);
    const { leader } = stage;
    leader.disk.isFull = true;
    stage.ask(leader);
    stage.runUntil(stage.now + 300);
    assert.ok(!stage.leaders().includes(leader) && stage.leaders().length === 1, "another one leads");
    for (const member of stage.members) stage.ask(member);
    stage.runUntil(stage.now + 500);
    const done = stage.told.filter(({ outcome }) => outcome.type === "done");
    assert.deepEqual(new Set(done.map(({ through }) => through)).size, 2, "through the other two");
    leader.disk.isFull = false;
    stage.runUntil(stage.now + 4_000);
    stage.end();
  });
});
