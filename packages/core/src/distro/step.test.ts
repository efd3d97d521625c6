import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { head, newMember, removal, sync, version } from "./distro.fixture.ts";
import { distroFacts, stateHash } from "./facts.ts";
import type { Message } from "./messages.ts";
import { headOf } from "./state.ts";

const CHANGED = { type: "changed", clientId: "x", kind: "connection" } as const;

describe("a change of an own client", () => {
  test("goes to each peer at once after quiet, and only once however often it is fed", () => {
    const a = newMember().ready("b", "c");
    assert.deepEqual(a.changed(10, "x", 1), ["sync x a/1/1 to b", "sync x a/1/1 to c"]);
    assert.deepEqual(a.changed(11, "x", 1), [], "the same again");
  });

  test("waits a little under load, and goes as what is held then", () => {
    const a = newMember().ready("b");
    a.changed(10, "x", 1);
    assert.deepEqual(a.changed(12, "x", 2), []);
    assert.deepEqual(a.changed(13, "y", 1), []);
    assert.deepEqual(a.changed(14, "x", 3), []);
    assert.deepEqual(a.ticks(14, 30), [[15, "sync x a/1/3,y a/1/1 to b"]]);
  });

  test("waits for nobody at 100 changes a second", () => {
    const a = newMember().ready("b");
    for (let n = 0; n < 4; n++) assert.deepEqual(a.changed(10 * n, `c${n}`, 1), [`sync c${n} a/1/1 to b`]);
  });

  test("is tried again after 200 ms, doubling to 5 s, until it is acknowledged", () => {
    const a = newMember({ digestMs: 1e9 }).ready("b");
    a.changed(0, "x", 1);
    const tries = a.ticks(1, 20_000).map(([ms]) => ms);
    assert.deepEqual(tries, [200, 600, 1_400, 3_000, 6_200, 11_200, 16_200]);
    const { seq } = { seq: a.state.seq };
    a.tell(20_000, "b", { type: "ack", seq });
    assert.deepEqual(a.ticks(20_001, 60_000), []);
  });

  test("is not told again and again to a peer that takes long to acknowledge", () => {
    const a = newMember({ digestMs: 1e9 }).ready("b");
    const acks: { readonly at: number; readonly seq: number }[] = [];
    let sent = 0;
    for (let ms = 0; ms < 10_000; ms += 10) {
      while ((acks[0]?.at ?? Infinity) <= ms) a.tell(ms, "b", { type: "ack", seq: acks.shift()?.seq ?? 0 });
      const effects = a.effects(ms, { type: "tick" });
      if (ms % 5_000 === 0) effects.push(...a.effects(ms, { ...CHANGED, counter: ms + 1, contentHash: ms + 1 }));
      for (const effect of effects) {
        if (effect.type !== "send" || effect.message.type !== "sync") continue;
        sent++;
        acks.push({ at: ms + 700, seq: effect.message.seq });
      }
    }
    assert.equal(
      sent,
      4,
      "two changes, of which the first was tried twice again before anybody knew how long it takes",
    );
    assert.deepEqual(distroFacts(a.state, 10_000).peers[0]?.inFlight, 0);
  });

  test("goes again at once over the next link, however long the peer took for what came before", () => {
    const a = newMember({ digestMs: 1e9 }).ready("b");
    a.changed(0, "x", 1);
    a.tell(150, "b", { type: "ack", seq: a.state.seq });
    a.changed(1_000, "x", 2);
    assert.deepEqual(a.ticks(1_001, 1_400), [[1_300, "sync x a/1/2 to b"]], "twice as long as it took");
    a.at(1_350, { type: "credit", peer: "b", batches: undefined });
    assert.deepEqual(a.at(1_400, { type: "credit", peer: "b", batches: 9 }), ["digest to b", "sync x a/1/2 to b"]);
  });

  test("waits as an id while the link takes nothing, and in the end as a difference for the digests", () => {
    const a = newMember({ pendingMax: 2 }).ready("b");
    a.at(1, { type: "credit", peer: "b", batches: 0 });
    for (const id of ["x", "y", "z"]) assert.deepEqual(a.changed(1, id, 1), []);
    const [b] = distroFacts(a.state, 1).peers;
    assert.deepEqual([b?.pending, b?.overflows], [0, 1], "dropped at the bound");
  });

  test("never follows its removal", () => {
    const a = newMember().ready("b");
    a.changed(0, "x", 1);
    assert.deepEqual(a.at(1, { type: "removed", clientId: "x", cause: "asked" }), []);
    assert.deepEqual(a.ticks(1, 300), [
      [5, "sync x a/1/2 removed to b"],
      [200, "sync x a/1/2 removed to b"],
      [205, "sync x a/1/2 removed to b"],
    ]);
  });

  test("is numbered above a removal that is remembered", () => {
    const a = newMember().ready("b");
    a.tell(0, "b", sync([], [removal("x#true", version("b", 7))]));
    assert.deepEqual(a.changed(1, "x#true", 1), ["renumber x#true a/1/8", "sync x#true a/1/8 to b"]);
  });

  test("goes with whether somebody asked for its removal, on every member", () => {
    const a = newMember().ready("b");
    a.tell(0, "b", sync([head("x", version("b", 1)), head("y", version("b", 1))]));
    const asked = { ...removal("x", version("b", 2)), asked: true };
    assert.deepEqual(a.tell(1, "b", sync([], [asked])), ["forget x: deregistered"]);
    assert.deepEqual(a.tell(1, "b", sync([], [removal("y", version("b", 2))])), ["forget y: removed"]);
    const heads = () => ["x", "y"].map((id) => headOf(a.state.table.get(id) ?? assert.fail(), 1).asked);
    assert.deepEqual(heads(), [true, undefined], "what a member that loads is told");
  });

  test("is not told as a removal when this member stops", () => {
    const a = newMember().ready("b");
    a.changed(0, "x", 1);
    assert.deepEqual(a.at(500, { type: "removed", clientId: "x", cause: "leaving" }).slice(1), []);
  });
});

/** What this member holds of the client before the message. */
type Held = "nothing" | "older" | "same" | "newer" | "removed" | "own";
type Told = "change" | "removal" | "lost" | "third party's change" | "listing";

const BEFORE: Record<Held, (a: ReturnType<typeof newMember>) => void> = {
  nothing: () => {},
  older: (a) => a.tell(1, "b", sync([head("x", version("b", 4))])),
  same: (a) => a.tell(1, "b", sync([head("x", version("b", 5))])),
  newer: (a) => a.tell(1, "b", sync([head("x", version("b", 6))])),
  removed: (a) => a.tell(1, "b", sync([], [removal("x", version("b", 6))])),
  own: (a) => a.changed(1, "x", 5),
};
const MESSAGES: Record<Told, [from: string, Message]> = {
  change: ["b", sync([head("x", version("b", 5))])],
  removal: ["b", sync([], [removal("x", version("b", 5))])],
  lost: ["c", sync([], [removal("x", version("b", 5), "lost")])],
  "third party's change": ["c", sync([head("x", version("b", 5))])],
  listing: ["b", { type: "listing", owner: "b", buckets: [], heads: [head("x", version("b", 5))], next: undefined }],
};
const AFTER: Record<Held, Record<Told, readonly string[]>> = {
  nothing: {
    change: ["apply x b/1/5"],
    removal: [],
    lost: [],
    "third party's change": [],
    listing: ["fetch x to b"],
  },
  older: {
    change: ["apply x b/1/5"],
    removal: ["forget x: removed"],
    lost: [],
    "third party's change": [],
    listing: ["fetch x to b"],
  },
  same: { change: [], removal: ["forget x: removed"], lost: [], "third party's change": [], listing: [] },
  newer: { change: [], removal: [], lost: [], "third party's change": [], listing: [] },
  removed: {
    change: [],
    removal: [],
    lost: ["sync x b/1/6 removed to c"],
    "third party's change": ["sync x b/1/6 removed to c"],
    listing: [],
  },
  // Another member cannot own a connection of this one: whatever it says is outnumbered.
  own: {
    change: ["renumber x a/1/6", "sync x a/1/6 to b", "sync x a/1/6 to c"],
    removal: ["renumber x a/1/6", "sync x a/1/6 to b", "sync x a/1/6 to c"],
    lost: ["renumber x a/1/6", "sync x a/1/6 to b", "sync x a/1/6 to c"],
    "third party's change": ["renumber x a/1/6", "sync x a/1/6 to b", "sync x a/1/6 to c"],
    listing: ["renumber x a/1/6", "sync x a/1/6 to b", "sync x a/1/6 to c"],
  },
};

describe("a message about version 5 of a client of b", () => {
  for (const held of Object.keys(AFTER) as Held[])
    for (const told of Object.keys(MESSAGES) as Told[])
      test(`as a ${told}, with ${held} held`, () => {
        const a = newMember().ready("b", "c");
        BEFORE[held](a);
        const [from, message] = MESSAGES[told];
        assert.deepEqual(a.tell(1_000, from, message), AFTER[held][told]);
        const before = stateHash(a.state);
        const again = a
          .tell(1_500, from, message)
          .filter((effect) => !effect.startsWith("sync") && !effect.startsWith("fetch"));
        assert.deepEqual(again, [], "the second time it changes nothing");
        assert.equal(stateHash(a.state), before);
      });
});

describe("an own address client", () => {
  test("is given to the member where it was heard later", () => {
    const a = newMember().ready("b");
    a.changed(1_000, "x#true", 3);
    a.heard.set("x#true", 1_000);
    const claim = sync([head("x#true", version("b", 4), { ageMs: 500 })]);
    assert.deepEqual(a.tell(9_000, "b", claim), ["apply x#true b/1/4"]);
  });

  test("is kept, above the other's version, when it was heard here later", () => {
    const a = newMember().ready("b");
    a.changed(1_000, "x#true", 3);
    a.heard.set("x#true", 8_900);
    const claim = sync([head("x#true", version("b", 4), { ageMs: 500 })]);
    assert.deepEqual(a.tell(9_000, "b", claim), ["renumber x#true a/1/5", "sync x#true a/1/5 to b"]);
  });

  test("stays removed when a change comes that is older, although it was counted further", () => {
    const a = newMember().ready("b");
    a.changed(1_000, "x#true", 3);
    a.at(5_000, { type: "removed", clientId: "x#true", cause: "asked" });
    const late = sync([head("x#true", version("b", 9), { ageMs: 2_000 })]);
    assert.deepEqual(a.tell(6_000, "b", late), ["sync x#true a/1/10 removed to b"]);
  });

  test("stays removed here when a change comes that is older, although that comes after another removal", () => {
    const a = newMember().ready("b");
    a.changed(1_000, "x#true", 3);
    a.at(5_000, { type: "removed", clientId: "x#true", cause: "asked" });
    const late = sync([head("x#true", version("b", 9), { after: 8, ageMs: 1_100 })]);
    assert.deepEqual(a.tell(6_000, "b", late), ["sync x#true a/1/10 removed to b"], "its own removal it can date");
    const doubtful = newMember().ready("b");
    doubtful.tell(5_000, "b", sync([], [removal("x#true", version("b", 4))]));
    assert.deepEqual(doubtful.tell(6_000, "b", late), ["apply x#true b/1/9"], "another one's only within 3 s");
  });

  test("stays removed when a change comes of an earlier life of who removed it, however young that looks", () => {
    const late = sync([head("x#true", version("b", 9, 1), { ageMs: 0 })]);
    const removed = sync([], [removal("x#true", version("b", 4, 2))]);
    const a = newMember().ready("c");
    a.peer(0, "b", "up", 2);
    a.tell(5_000, "b", removed);
    assert.deepEqual(a.tell(15_000, "c", late), ["sync x#true a/1/10 removed to c"]);
  });

  test("is handed over when the ring changes, and taken over by the first sign of life", () => {
    const a = newMember().ready("b");
    a.changed(0, "x#true", 1);
    assert.deepEqual(a.at(500, { type: "ring", ownerOf: () => "b" }).slice(0, 3), [
      "handOver x#true to b",
      "handOver to b",
      "unconfirmed x#true",
    ]);
    assert.deepEqual(a.tell(900, "b", sync([head("x#true", version("b", 2))])), [
      "apply x#true b/1/2",
      "trusted x#true",
    ]);
    assert.deepEqual(a.at(5_000, { type: "ring", ownerOf: () => "a" }).slice(0, 2), [
      "takeOver x#true",
      "unconfirmed x#true",
    ]);
    assert.deepEqual(a.changed(6_000, "x#true", 3).slice(0, 1), ["trusted x#true"]);
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
    assert.deepEqual(c.ticks(1_000, 17_000), [[16_000, "unhealthy x#true"]]);
    const again = c.tell(20_000, "b", sync([head("x#true", version("b", 2))]));
    assert.deepEqual(again, ["apply x#true b/1/2", "unconfirmed x#true"]);
    assert.deepEqual(c.ticks(20_001, 60_000), [[35_000, "unhealthy x#true"]]);
    assert.equal(c.ticks(60_000, 61_000)[0]?.[1], "forget x#true: lost");
  });
});

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

describe("a difference between two members", () => {
  test("is found by one small message, and costs what differs", () => {
    const a = newMember().ready("b");
    a.changed(0, "x", 1);
    a.tell(1, "b", { type: "ack", seq: a.state.seq });
    const [owner] = a.state.table.digest();
    assert.ok(owner);
    assert.deepEqual(a.tell(10, "b", { type: "digest", loaded: true, owners: [owner] }), [], "equal");
    assert.equal(distroFacts(a.state, 110).peers[0]?.equalForMs, 100);
    assert.deepEqual(a.tell(500, "b", { type: "digest", loaded: true, owners: [] }), ["buckets to b"]);
    assert.deepEqual(distroFacts(a.state, 500).peers[0]?.differences, [{ owner: "a", more: -1 }]);
    const hashes = new Array<number>(256).fill(0);
    assert.deepEqual(a.tell(510, "b", { type: "buckets", owner: "a", from: 0, hashes }), [
      "listing of a: x a/1/1 to b",
    ]);
    assert.deepEqual(a.tell(520, "b", { type: "fetch", ids: ["x"] }), ["sync x a/1/1 to b"]);
  });

  test("is forgotten when the other one goes: when it is back, it is compared anew before anything is said of it", () => {
    const a = newMember().ready("b");
    a.tell(500, "b", { type: "digest", loaded: true, owners: [{ owner: "b", count: 1, hash: 1 }] });
    a.peer(1_000, "b", "down");
    a.peer(600_000, "b", "up");
    const [b] = distroFacts(a.state, 601_000).peers;
    assert.deepEqual([b?.differsForMs, b?.sameDifferenceForMs, b?.differences], [undefined, undefined, []]);
    a.tell(601_000, "b", { type: "digest", loaded: true, owners: [{ owner: "b", count: 1, hash: 1 }] });
    assert.equal(distroFacts(a.state, 602_000).peers[0]?.sameDifferenceForMs, 1_000);
  });

  test("is sent without being asked for when the other one lists less", () => {
    const a = newMember().ready("b");
    a.changed(0, "x", 1);
    a.tell(1, "b", { type: "ack", seq: a.state.seq });
    const buckets = Array.from({ length: 256 }, (_, bucket) => bucket);
    const listing: Message = { type: "listing", owner: "a", buckets, heads: [], next: undefined };
    assert.deepEqual(a.tell(500, "b", listing), ["sync x a/1/1 to b"]);
  });

  test("in content alone is repaired from the owner", () => {
    const a = newMember().ready("b");
    a.tell(0, "b", sync([head("x", version("b", 1))]));
    a.at(1, { type: "applied", clientId: "x", contentHash: 99 });
    const listing: Message = {
      type: "listing",
      owner: "b",
      buckets: [],
      heads: [head("x", version("b", 1))],
      next: undefined,
    };
    assert.deepEqual(a.tell(2, "b", listing), ["fetch x to b"]);
    assert.deepEqual(a.tell(3, "b", sync([head("x", version("b", 1))])), ["apply x b/1/1"]);
  });

  test("that an owner has forgotten itself ends as a removal", () => {
    const a = newMember().ready("b");
    const listing: Message = {
      type: "listing",
      owner: "a",
      buckets: [],
      heads: [head("x", version("a", 3))],
      next: undefined,
    };
    assert.deepEqual(a.tell(2, "b", listing), ["sync x a/1/4 removed to b"]);
  });
});
