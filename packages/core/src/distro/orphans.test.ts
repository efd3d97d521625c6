import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { head, newMember, removal, sync, version } from "./distro.fixture.ts";
import { distroFacts } from "./facts.ts";
import type { Message } from "./messages.ts";

describe("clients whose owner is lost", () => {
  function orphaned() {
    const a = newMember({ digestMs: 1e9 }).ready("b", "c");
    a.tell(0, "b", sync([head("x", version("b", 1)), head("y", version("b", 1))]));
    return a;
  }

  test("are kept for the grace, probed before its end, unhealthy when they do not answer, and then given up", () => {
    const a = orphaned();
    assert.deepEqual(a.peer(0, "b", "down"), ["hold 2 of b/1", "unconfirmed x,y"]);
    assert.deepEqual(a.ticks(0, 12_000), [[10_000, "probe x,y"]]);
    assert.deepEqual(a.at(12_000, { type: "probed", answering: ["y"] }), ["marks to c"]);
    assert.deepEqual(a.ticks(12_001, 20_000), [[15_000, "unhealthy x"]]);
    const [[at, ...gone] = []] = a.ticks(20_001, 41_000);
    assert.deepEqual(
      [at, gone],
      [41_000, ["forget x: lost", "forget y: lost", "release b/1", "sync x b/1/1 lost,y b/1/1 lost to c"]],
    );
  });

  test("are probed here too, later, when the member that is to do it has not said by then that they answer", () => {
    const a = orphaned();
    a.peer(0, "b", "down");
    a.at(1, { type: "ring", ownerOf: () => "c" });
    assert.deepEqual(a.ticks(1, 11_000), []);
    a.tell(11_000, "c", { type: "marks", mark: "answers", heads: [head("y", version("b", 1), { answers: true })] });
    assert.deepEqual(a.ticks(11_001, 14_999), [[12_500, "probe x"]]);
    a.at(14_999, { type: "probed", answering: ["x"] });
    const told = a.ticks(15_000, 20_000).flatMap(([, ...effects]) => effects);
    assert.deepEqual(told, [], "nobody is called unhealthy because another member has ended");
  });

  test("are kept for the grace when it was forgotten while it was up, as when it makes room for another one", () => {
    const a = orphaned();
    assert.deepEqual(a.at(100_000, { type: "peerRemoved", id: "b" }), ["hold 2 of b/1", "unconfirmed x,y"]);
    assert.deepEqual(a.ticks(100_000, 120_000), [
      [110_000, "probe x,y"],
      [115_000, "unhealthy x,y"],
    ]);
  });

  test("are trusted again when it is back in the same life", () => {
    const a = orphaned();
    a.peer(0, "b", "down");
    assert.deepEqual(a.peer(9_000, "b", "up").slice(0, 3), ["digest to b", "release b/1", "trusted x,y"]);
  });

  test("stay orphans when it is back in another", () => {
    const a = orphaned();
    assert.deepEqual(a.peer(500, "b", "up", 2), ["digest to b", "hold 2 of b/1", "unconfirmed x,y"]);
  });

  test("go at once when a newer client stands for them", () => {
    const a = orphaned();
    assert.deepEqual(a.at(100, { type: "superseded", clientId: "x" }), [], "its owner is still there");
    assert.deepEqual(a.peer(3_000, "b", "down")[0], "forget x: superseded");
    const told = "peers that heard of it before the newer client would show neither";
    assert.deepEqual(a.at(3_500, { type: "superseded", clientId: "y" }), ["forget y: superseded"], told);
  });

  test("are kept like others when the newer client that stood for them has ended before", () => {
    const a = orphaned();
    a.at(100, { type: "superseded", clientId: "x" });
    a.ended.add("x");
    assert.deepEqual(a.peer(3_000, "b", "down"), ["hold 2 of b/1", "unconfirmed x,y"]);
    a.ended.delete("x");
    assert.deepEqual(a.at(4_000, { type: "superseded", clientId: "x" }), ["forget x: superseded"], "said again");
  });

  test("that a newer client stands for are told to be lost only when that had time to come there too", () => {
    const a = newMember({ digestMs: 1e9 }).ready("b", "c");
    a.tell(1, "b", sync([head("x", version("b", 5))]));
    a.peer(1_000, "b", "down");
    a.at(1_100, { type: "superseded", clientId: "x" });
    const heads = [head("x", version("b", 5))];
    const listing: Message = { type: "listing", owner: "b", buckets: [], heads, next: undefined };
    assert.deepEqual(a.tell(4_099, "c", listing), []);
    assert.deepEqual(a.tell(4_100, "c", listing), ["sync x b/1/5 lost to c"]);
  });

  test("that a newer client stands for are not told to be lost to who has just come in reach, but a digest is", () => {
    const a = newMember().ready("b", "c");
    a.tell(1, "b", sync([head("x", version("b", 5))]));
    a.peer(1_000, "b", "down");
    a.peer(1_000, "c", "down");
    a.at(1_100, { type: "superseded", clientId: "x" });
    assert.ok(a.peer(9_000, "c", "up").includes("digest to c"));
    const old = sync([head("x", version("b", 5))]);
    assert.deepEqual(a.tell(11_999, "c", old), []);
    a.at(12_000, { type: "credit", peer: "c", batches: undefined });
    const linked = a.at(20_000, { type: "credit", peer: "c", batches: 100 });
    assert.ok(linked.includes("digest to c"), "what was sent without a link got lost");
    assert.deepEqual(a.tell(22_999, "c", old), []);
    assert.deepEqual(a.tell(23_000, "c", old), ["sync x b/1/5 lost to c"]);
  });

  test("are not given up while this member is isolated", () => {
    const a = orphaned();
    a.at(0, { type: "isolated", isolated: true });
    a.peer(0, "b", "down");
    const kinds = a.ticks(0, 600_000).map(([, what]) => what);
    assert.deepEqual(kinds, ["probe x,y", "unhealthy x,y"]);
    a.at(600_000, { type: "isolated", isolated: false });
    const [[at, what] = []] = a.ticks(600_001, 606_000);
    assert.deepEqual([at, what], [605_000, "forget x: lost"], "the owner had time to come back");
  });

  test("tell it to their owner too, when the ring alone displaced them", () => {
    const a = newMember({ digestMs: 1e9 }).ready("b");
    a.changed(0, "x#true", 1);
    a.at(1, { type: "ring", ownerOf: () => "b" });
    a.ticks(1, 14_000);
    a.tell(14_000, "b", {
      type: "marks",
      mark: "answers",
      heads: [head("x#true", version("a", 1), { answers: true })],
    });
    assert.ok(
      !a.ticks(14_000, 20_000).some(([, ...effects]) => effects.some((effect) => effect.startsWith("unhealthy"))),
    );
  });

  test("do not answer, for the digests, where their owner speaks for them", () => {
    const a = newMember().ready("b", "c");
    a.tell(0, "b", sync([head("x", version("b", 1), { answers: true })]));
    assert.equal(a.state.table.get("x")?.answers, false, "whoever told it has not heard of the owner yet");
  });

  test("are counted by life and stage", () => {
    const a = orphaned();
    const counts = () => distroFacts(a.state, 0).orphans.map(({ lostForMs: _, held: _held, ...counted }) => counted);
    const life = { owner: "b", incarnation: 1, clients: 2, probing: 0, unhealthy: 0, answering: 0 };
    a.peer(0, "b", "down");
    assert.deepEqual(counts(), [life]);
    a.at(10_000, { type: "tick" });
    assert.deepEqual(counts(), [{ ...life, probing: 2 }]);
    a.at(12_000, { type: "probed", answering: ["y"] });
    assert.deepEqual(counts(), [{ ...life, probing: 2, answering: 1 }]);
    a.at(15_000, { type: "tick" });
    assert.deepEqual(counts(), [{ ...life, unhealthy: 1, answering: 1 }]);
    a.tell(15_500, "c", sync([head("x", version("b", 1, 2))]));
    assert.deepEqual(counts(), [
      { ...life, clients: 1, answering: 1 },
      { ...life, incarnation: 2, clients: 1, unhealthy: 1 },
    ]);
    a.ticks(16_000, 60_000);
    assert.deepEqual(counts(), []);
  });

  test("do not come back from a member that was away for longer than tombstones are kept", () => {
    const away = (a: ReturnType<typeof newMember>) => {
      a.peer(2_000, "c", "down");
      a.ticks(2_000, 900_000);
      a.at(900_000, { type: "tick" });
      assert.equal(distroFacts(a.state, 900_000).tombstones, 0, "nobody remembers them");
      a.peer(900_000, "c", "up");
      return a.tell(900_001, "c", sync([head("x", version("b", 1)), head("own", version("a", 1, 0))])).toSorted();
    };
    const told = ["sync x b/1/1 lost,own a/0/1 lost to c"];
    const restarted = orphaned();
    restarted.tell(1_000, "b", sync([], [removal("x", version("b", 2))]));
    restarted.peer(3_000, "b", "up", 2);
    assert.deepEqual(away(restarted), told, "its owner was started anew meanwhile");
    const down = orphaned();
    down.peer(3_000, "b", "down");
    assert.deepEqual(away(down), told, "its owner is down");
  });

  test("are kept for the grace where it is not known when the life ended that they are of", () => {
    const a = newMember({ digestMs: 1e9 }).ready("c");
    a.peer(0, "b", "down", 0);
    a.peer(900_000, "b", "up", 2);
    assert.deepEqual(a.tell(900_001, "c", sync([head("x", version("b", 1))])), ["apply x b/1/1", "unconfirmed x"]);
  });

  test("do not come back from a member that has not given them up yet", () => {
    const a = orphaned();
    a.peer(0, "b", "down");
    a.ticks(0, 41_000);
    a.tell(41_000, "c", { type: "ack", seq: a.state.seq });
    assert.deepEqual(a.tell(42_000, "c", sync([head("x", version("b", 1))])), ["sync x b/1/1 lost to c"]);
    a.tell(42_001, "c", { type: "ack", seq: a.state.seq });
    assert.deepEqual(a.tell(43_000, "c", sync([head("z", version("b", 1))])), ["sync z b/1/1 lost to c"], "never held");
  });
});

describe("an address client that is heard where the ring does not want it", () => {
  const displaced = () => {
    const a = newMember({ digestMs: 1e9 }).ready("b", "c");
    a.changed(0, "x#true", 1);
    a.at(1, { type: "ring", ownerOf: () => "b" });
    return a;
  };

  test("gets a new version before anybody counts its grace to an end, for as long as it is heard", () => {
    const a = displaced();
    const told = [10_001, 20_001, 30_001, 40_001, 50_001].map((until) => {
      a.heard.set("x#true", until - 4_000);
      return a
        .ticks(until - 10_000, until)
        .flatMap(([, ...what]) => what.filter((each) => each.startsWith("renumber")));
    });
    assert.deepEqual(
      told.flat(),
      [2, 3, 4, 5, 6].map((counter) => `renumber x#true a/1/${counter}`),
    );
  });

  test("gets it in time where it is removed before it is unhealthy", () => {
    const a = displaced();
    a.patience.set("x#true", { timeoutMs: 300_000, deleteMs: 60_000 });
    a.ticks(1, 50_000);
    a.heard.set("x#true", 50_000);
    const [renumbered] = a.ticks(50_000, 60_000).filter(([, what]) => String(what).startsWith("renumber"));
    assert.deepEqual(renumbered?.slice(0, 2), [55_001, "renumber x#true a/1/2"]);
  });

  test("is given up when it is not heard any more", () => {
    const a = displaced();
    a.heard.set("x#true", 6_000);
    const happened = a.ticks(1, 60_000).map(([at, what]) => [at, what]);
    const judged = happened.filter(([, what]) => !String(what).startsWith("sync"));
    assert.deepEqual(judged, [
      [10_001, "renumber x#true a/1/2"],
      [22_501, "probe x#true"],
      [25_001, "unhealthy x#true"],
      [51_001, "forget x#true: lost"],
    ]);
  });

  test("is kept for as long as its own heartbeats allow, and its time begins anew with a version of other ones", () => {
    const c = newMember({ digestMs: 1e9 }).ready("b");
    c.at(1, { type: "ring", ownerOf: () => "a" });
    c.patience.set("x#true", { timeoutMs: 60_000, deleteMs: Number.POSITIVE_INFINITY });
    c.tell(1_000, "b", sync([head("x#true", version("b", 1))]));
    assert.deepEqual(c.ticks(1_000, 900_000), [
      [56_000, "probe x#true"],
      [61_000, "unhealthy x#true"],
    ]);
    c.patience.set("x#true", { timeoutMs: 15_000, deleteMs: 30_000 });
    c.tell(900_000, "b", sync([head("x#true", version("b", 2))]));
    const told = c.ticks(900_000, 941_100).map(([at, what]) => [at, what]);
    assert.deepEqual(told, [
      [910_000, "probe x#true"],
      [915_000, "unhealthy x#true"],
      [941_000, "forget x#true: lost"],
    ]);
  });

  test("is kept for as long also with a version that comes when others would be over, and judged by the new one", () => {
    const c = newMember({ digestMs: 1e9 }).ready("b", "d");
    c.patience.set("x#true", { timeoutMs: Number.POSITIVE_INFINITY, deleteMs: Number.POSITIVE_INFINITY });
    c.tell(1_000, "b", sync([head("x#true", version("b", 1))]));
    c.peer(2_000, "b", "down");
    assert.deepEqual(c.ticks(2_000, 100_000), []);
    c.patience.set("x#true", { timeoutMs: 60_000, deleteMs: 120_000 });
    const told = c.tell(100_000, "d", sync([head("x#true", version("b", 2))]));
    assert.deepEqual(told, ["apply x#true b/1/2"]);
    const judged = c.ticks(100_000, 122_100).map(([at, what]) => [at, what]);
    assert.deepEqual(judged, [
      [100_000, "unhealthy x#true"],
      [122_000, "forget x#true: lost"],
    ]);
  });

  test("is expected to beat here again when the ring comes back before anybody else heard it", () => {
    const a = displaced();
    const again = { type: "ring", ownerOf: () => "a" } as const;
    assert.deepEqual(a.at(5_000, again).slice(0, 2), ["takeOver x#true", "trusted x#true"]);
    assert.ok(!a.at(6_000, again).includes("takeOver x#true"), "said once");
  });

  test("is shown as before when its owner is back, although the ring has gone on without it", () => {
    const c = newMember({ digestMs: 1e9 }).ready("b");
    c.tell(0, "b", sync([head("x#true", version("b", 1))]));
    c.peer(1_000, "b", "down");
    c.at(4_000, { type: "ring", ownerOf: () => "a" });
    assert.deepEqual(c.ticks(4_001, 20_000).at(-1), [16_000, "unhealthy x#true"]);
    assert.ok(c.peer(21_000, "b", "up").includes("unconfirmed x#true"));
    const [unhealthy] = c.ticks(21_001, 40_000).filter(([, what]) => String(what).startsWith("unhealthy"));
    assert.deepEqual(unhealthy, [36_000, "unhealthy x#true"], "should nobody hear it until then");
    assert.ok(c.at(40_000, { type: "ring", ownerOf: () => "b" }).includes("trusted x#true"));
  });

  test("is shown by others as its owner says, which begins to count anew with each version", () => {
    const c = newMember({ digestMs: 1e9 }).ready("b");
    c.at(1, { type: "ring", ownerOf: () => "b2" });
    c.tell(1_000, "b", sync([head("x#true", version("b", 1))]));
    assert.deepEqual(c.ticks(1_000, 17_000), [
      [13_500, "probe x#true"],
      [16_000, "unhealthy x#true"],
    ]);
    const again = c.tell(20_000, "b", sync([head("x#true", version("b", 2))]));
    assert.deepEqual(again, ["apply x#true b/1/2", "unconfirmed x#true"]);
    assert.deepEqual(c.ticks(20_001, 60_000), [
      [32_500, "probe x#true"],
      [35_000, "unhealthy x#true"],
    ]);
    assert.equal(c.ticks(60_000, 61_000)[0]?.[1], "forget x#true: lost");
  });
});
