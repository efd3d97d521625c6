import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { head, newMember, removal, sync, version } from "./distro.fixture.ts";
import { distroFacts } from "./facts.ts";
import { nextAt } from "./step.ts";

describe("what concerns many clients", () => {
  const ids = Array.from({ length: 40 }, (_, at) => `x${at}`);
  const told = (effects: readonly string[], as: string): number =>
    effects.filter((effect) => effect.startsWith(as)).reduce((sum, effect) => sum + effect.split(",").length, 0);

  /** Ticks while something is due at once. @returns the effects of each tick. */
  function rest(a: ReturnType<typeof newMember>, ms: number): string[][] {
    const all: string[][] = [];
    while (nextAt(a.state) <= ms) all.push(a.at(ms, { type: "tick" }));
    return all;
  }

  function holding(kind: string) {
    const a = newMember({ digestMs: 1e9, stepItemsMax: 5 }).ready("b", "c");
    a.tell(0, "b", sync(ids.map((id) => head(`${id}${kind}`, version("b", 1)))));
    return a;
  }

  test("such as the loss of an owner, is done a few clients at a time", () => {
    const a = holding("");
    const steps = [a.peer(1, "b", "down"), ...rest(a, 1)];
    assert.ok(steps.every((effects) => told(effects, "unconfirmed") <= 5));
    assert.equal(told(steps.flat(), "unconfirmed"), 40);
    assert.deepEqual(steps.at(-1)?.[0], "hold 40 of b/1", "said when all are known");
    assert.equal(distroFacts(a.state, 1).orphans[0]?.clients, 40);
  });

  test("begins again when the owner comes back meanwhile, and all are trusted", () => {
    const a = holding("");
    a.peer(1, "b", "down");
    a.at(2, { type: "tick" });
    assert.ok(a.state.orphans.size > 0 && a.state.orphans.size < 40);
    const steps = [a.peer(3, "b", "up"), ...rest(a, 3)];
    assert.deepEqual(
      steps.flat().filter((effect) => effect.startsWith("hold") || effect.startsWith("release")),
      [],
    );
    assert.equal(a.state.orphans.size, 0);
    assert.deepEqual(distroFacts(a.state, 3).orphans, []);
  });

  test("such as a change of the ring, too", () => {
    const a = holding("#true");
    const steps = [a.at(1, { type: "ring", ownerOf: () => "a" }), ...rest(a, 1)];
    assert.ok(steps.every((effects) => told(effects, "takeOver") <= 5));
    assert.equal(told(steps.flat(), "takeOver"), 40);
  });

  test("such as copies that were expected to beat here, until the ring named another member", () => {
    const a = holding("#true");
    a.at(1, { type: "ring", ownerOf: () => "a" });
    rest(a, 1);
    const steps = [a.at(2, { type: "ring", ownerOf: () => "b" }), ...rest(a, 2)];
    assert.ok(steps.every((effects) => told(effects, "handOver") <= 5));
    assert.equal(told(steps.flat(), "handOver"), 40);
    assert.deepEqual(
      steps.flat().filter((effect) => effect.startsWith("handOver to")),
      [],
      "their owner needs no message",
    );
  });

  test("such as the end of the grace and of orphans", () => {
    const a = holding("");
    a.peer(0, "b", "down");
    rest(a, 0);
    const steps = a.ticks(1, 42_000).map(([, ...effects]) => effects);
    for (const as of ["probe", "unhealthy", "forget"]) {
      assert.ok(
        steps.every((effects) => told(effects, as) <= 5),
        as,
      );
      assert.equal(told(steps.flat(), as), 40, as);
    }
    assert.equal(a.state.orphans.size, 0);
  });

  test("such as a journal: before it is read nothing is loaded, and nobody is heard", () => {
    const a = newMember({ digestMs: 1e9, stepItemsMax: 5 });
    const journal = ids.map((id) => head(id, version("a", 3, 0)));
    a.at(0, { type: "start", journal });
    a.peer(0, "b", "up");
    assert.deepEqual(a.at(0, { type: "membersKnown" }), []);
    assert.deepEqual(a.tell(0, "b", sync([head("x39", version("a", 2, 0))], [], 7)), [], "not acknowledged either");
    const effects = rest(a, 1).flat();
    assert.deepEqual(
      effects.filter((effect) => !effect.startsWith("unconfirmed")),
      ["hold 40 of a/0", "loadAsk to b", "not ready: b has not answered"],
    );
    a.at(2, { type: "credit", peer: "b", batches: 9 });
    assert.deepEqual(a.tell(2, "b", sync([head("x39", version("a", 2, 0))])), ["sync x39 a/0/3 to b"]);
  });

  test("such as the end of tombstones", () => {
    const a = newMember({ digestMs: 1e9, stepItemsMax: 5, tombstoneMs: 100 }).ready("b");
    a.tell(
      0,
      "b",
      sync(
        [],
        ids.map((id) => removal(id, version("b", 2))),
      ),
    );
    a.at(100, { type: "tick" });
    assert.equal(a.state.table.graves, 40);
    a.at(101, { type: "tick" });
    assert.equal(a.state.table.graves, 35);
    assert.equal(rest(a, 101).length, 7);
    assert.equal(a.state.table.graves, 0);
  });
});
