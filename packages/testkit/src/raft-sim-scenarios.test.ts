import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RAFT_DEFAULTS, type Raft, step } from "@nacre/core/raft";
import { allRaftCheckers } from "./raft-checks/all.ts";
import type { Outcome } from "./raft-sim-clients.ts";
import type { RaftMember } from "./raft-sim-member.ts";
import type { Operation } from "./raft-sim-model.ts";
import { type RaftBreakage, RaftWorld } from "./raft-sim-world.ts";

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

  constructor(seed: number, breakage: RaftBreakage = {}) {
    super(seed, breakage, allRaftCheckers());
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

  until(condition: () => boolean): void {
    for (let rounds = 0; !condition(); rounds++) {
      assert.ok(rounds < 100_000, "it did not come");
      this.runUntil(this.now + 0.1);
    }
  }

  end(): void {
    for (const checker of this.checkers) checker.ended?.(this);
  }
}

/** Figure 8 of the paper, from (a) to (d). */
function figureEight(breakage: RaftBreakage): void {
  // Entries go one by one, so that the old one can be on a majority before the first of the term.
  const stage = new Stage(8, { ...breakage, options: { messageEntriesMax: 1, messagesInFlightMax: 1 } });
  stage.losesOnTheWay = true;
  const first = stage.leader;
  stage.isolate(first, true);
  stage.ask(first);
  const index = first.lastIndex();
  stage.runUntil(stage.now + 20);
  first.crash();
  stage.isolate(first, false);

  stage.until(() => stage.leaders().length > 0);
  const second = stage.leader;
  stage.isolate(second, true);
  stage.runUntil(stage.now + 20);
  assert.ok(second.lastIndex() >= index, "it has another entry in that place, and nobody else does");
  second.crash();
  stage.isolate(second, false);

  first.start();
  stage.until(() => (first.core?.commit ?? 0) >= index);
  assert.ok((first.core?.term ?? 0) > (second.entry(index)?.term ?? 0));
  stage.isolate(first, true);
  first.crash();
  stage.runUntil(stage.now + 20);
  stage.isolate(first, false);

  second.start();
  stage.until(() => stage.leaders().length > 0);
  first.start();
  stage.runUntil(stage.now + 5_000);
  stage.end();
}

describe("figure 8 of the paper", () => {
  test("takes nothing away that was committed, since only entries of the own term are counted (5.4.2)", () => {
    figureEight({});
  });

  test("finds a leader that counts entries of earlier terms", () => {
    const counting: RaftBreakage = {
      step: (state, event, now) => {
        if (state.leading !== undefined) Object.assign(state.leading, { first: 1 });
        return step(state, event, now);
      },
    };
    assert.throws(() => figureEight(counting), /CP-3: .* leads without the entry/);
  });
});

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

  test("S20: whose leader's process is killed has the next one about a second later, elected at the first try", () => {
    const stage = new Stage(20);
    const gaps: number[] = [];
    const terms = stage.leader.core?.term ?? 0;
    for (let kill = 0; kill < 200; kill++) {
      const { leader } = stage;
      leader.crash();
      const killedAt = stage.now;
      while (stage.leaders().length === 0) stage.runUntil(stage.now + 1);
      gaps.push(stage.now - killedAt);
      stage.runUntil(stage.now + 500);
      leader.start();
      stage.runUntil(stage.now + 1_500 + stage.random.below(1_000));
    }
    gaps.sort((a, b) => a - b);
    assert.ok((gaps.at(-3) ?? Infinity) <= 1_500, `${gaps.at(-3)} ms at the 99th percentile`);
    const inVain = (stage.leader.core?.term ?? 0) - terms - gaps.length;
    assert.ok(inVain <= 2, `${inVain} elections without a leader`);
    stage.end();
  });

  test("whose links end and begin again does not elect another leader, as long as one follower hears it", () => {
    const stage = new Stage(9);
    const { leader } = stage;
    const { term } = leader.core as Raft;
    for (let flap = 0; flap < 300; flap++) {
      const follower = stage.random.pick(stage.members.filter((one) => one !== leader));
      const ways = [`${leader.id}>${follower.id}`, `${follower.id}>${leader.id}`];
      for (const way of ways) stage.cut.add(way);
      stage.linkEnds(leader, [follower]);
      stage.linkEnds(follower, [leader]);
      stage.runUntil(stage.now + stage.random.pick([1, 200, 1_000, 3_000]));
      for (const way of ways) stage.cut.delete(way);
      stage.linkBegins(leader, [follower]);
      stage.linkBegins(follower, [leader]);
      stage.runUntil(stage.now + stage.random.pick([100, 1_000]));
    }
    assert.deepEqual(stage.leaders(), [leader]);
    assert.equal(leader.core?.term, term, "no election at all");
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

  test("CP-9: all of which end and begin again, wherever they are then, has a leader within two election timeouts", () => {
    const stage = new Stage(19);
    for (let round = 0; round < 50; round++) {
      for (const member of stage.members) member.crash();
      stage.runUntil(stage.now + 500);
      for (const member of stage.members) stage.at(stage.now + stage.random.below(300), () => member.start());
      stage.runUntil(stage.now + 300);
      const upAt = stage.now;
      stage.until(() => stage.leaders().length > 0);
      const ms = stage.now - upAt;
      assert.ok(ms <= 2 * RAFT_DEFAULTS.electionMaxMs, `${ms} ms`);
      stage.runUntil(stage.now + 1_000);
    }
    stage.end();
  });

  test("CF-1: shows what was acknowledged at every member in 1 s, and in 5 s when who acknowledged it ends", () => {
    const stage = new Stage(1);
    for (let round = 0; round < 60; round++) {
      const through = stage.random.pick(stage.members);
      const { length } = stage.told;
      stage.ask(through);
      stage.until(() => stage.told.length > length);
      assert.equal(stage.told.at(-1)?.outcome.type, "done");
      const { index } = through.machine;
      const others = stage.members.filter((one) => one !== through);
      const isEnded = round % 4 === 3;
      if (isEnded) through.crash();
      stage.runUntil(stage.now + (isEnded ? 5_000 : 1_000));
      for (const { id, machine } of others)
        assert.ok(machine.index >= index, `${id} is at ${machine.index} of ${index}`);
      through.start();
      stage.runUntil(stage.now + 3_000);
    }
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
