import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { head, newMember, removal, sync, version } from "./distro.fixture.ts";
import { distroFacts, stateHash } from "./facts.ts";
import type { Message } from "./messages.ts";
import { headOf } from "./state.ts";

const CHANGED = { type: "changed", clientId: "x", kind: "connection" } as const;

describe("a version that no client can have come to", () => {
  const beyond = 2 ** 48 + 1;

  test("is passed over: what overruled it would be as far beyond for everybody else", () => {
    const a = newMember({ digestMs: 1e9 }).ready("b");
    a.changed(0, "x", 1);
    a.tell(1, "b", { type: "ack", seq: a.state.seq });
    assert.deepEqual(a.tell(2, "b", sync([head("y", version("b", beyond))], [removal("x", version("a", beyond))], 7)), [
      "ack to b",
    ]);
    assert.deepEqual(
      a.tell(3, "b", { type: "marks", mark: "unconfirmed", heads: [head("x", version("a", 2 ** 52))] }),
      [],
    );
    assert.deepEqual([a.state.table.get("x")?.version.counter, a.state.table.get("y")], [1, undefined]);
    assert.ok(
      a.tell(4, "b", sync([], [removal("x", version("a", beyond - 2))])).includes(`renumber x a/1/${beyond - 1}`),
    );
  });
});

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
