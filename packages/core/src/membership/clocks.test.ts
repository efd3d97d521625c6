import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { minutes, seconds } from "../lib/units.ts";
import { Bench, START } from "./bench.fixture.ts";
import { beatBy, noteBeat, ownBeat } from "./clocks.ts";
import { newMember } from "./state.ts";

/** When the other member started, on the clock of this one. */
const STARTED = START - minutes(1);

/** A card that left `delayMs` ago comes. */
function hear(member: ReturnType<typeof newMember>, now: number, delayMs: number): void {
  noteBeat(member, now - delayMs - STARTED, now);
}

describe("the clock of another member", () => {
  test("is not known before it has shown a card", () => {
    assert.equal(beatBy(newMember("b", START), START), undefined);
  });

  test("is taken to go on from what a card showed, which is behind by as much as the card was under way", () => {
    const member = newMember("b", START);
    hear(member, START, 300);
    assert.equal(beatBy(member, START), minutes(1) - 300);
    hear(member, START + seconds(1), 10);
    assert.equal(beatBy(member, START + seconds(1)), minutes(1) + seconds(1) - 10, "a quicker one tells more");
  });

  test("is not set back by cards that stood in a queue, and falls back by a thousandth when none is quick", () => {
    const member = newMember("b", START);
    hear(member, START, 10);
    for (let at = 1; at <= 20; at++) hear(member, START + seconds(at), seconds(at));
    assert.equal(beatBy(member, START + seconds(20)), minutes(1) + seconds(20) - 10 - 20);
  });

  test("is never ahead of what it is, although it is slower by a thousandth", () => {
    const member = newMember("b", START);
    for (let at = 0; at <= 3_600; at++) {
      const now = START + seconds(at);
      const beat = minutes(1) + seconds(at) * 0.999;
      noteBeat(member, beat, now);
      assert.ok((beatBy(member, now + 500) ?? 0) <= beat + 500);
    }
  });

  test("begins anew when it starts anew", () => {
    const bench = new Bench("10.0.0.1\n10.0.0.2");
    const b = bench.peer("b", "10.0.0.2", { beat: 1_000_000 });
    bench.run(seconds(2));
    const known = () => beatBy(bench.core.members.get("b") ?? assert.fail(), bench.now) ?? 0;
    assert.ok(known() >= 1_000_000);
    b.card = { ...b.card, incarnation: 2, beat: 0 };
    bench.hangUp(b);
    bench.run(seconds(4));
    assert.ok(known() < 1_000_000);
  });

  test("is the one that its cards show", () => {
    const bench = new Bench("10.0.0.1\n10.0.0.2");
    bench.peer("b", "10.0.0.2");
    bench.run(seconds(10));
    const beats = bench.sent.flatMap(({ frame }) => ("card" in frame ? [frame.card.beat] : []));
    assert.equal(ownBeat(bench.core, bench.now), seconds(10));
    assert.ok(Math.abs(Math.max(...beats) - seconds(10)) <= seconds(1));
  });
});
