import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CONTENTS, head, newMember, removal, sync, version } from "./distro.fixture.ts";
import type { Cursor, Message } from "./messages.ts";
import { nextAt } from "./step.ts";

const FIRST: Cursor = { bucket: 0, after: "" };
const LATER: Cursor = { bucket: 9, after: "x" };

function starting(...peers: string[]) {
  const a = newMember({ digestMs: 1e9 });
  a.at(0, { type: "start", journal: [] });
  for (const id of peers) {
    a.peer(0, id, "up");
    a.at(0, { type: "credit", peer: id, batches: 9 });
  }
  return a;
}

function chunk(cursor: Cursor, id: string, next: Cursor | undefined): Message {
  return {
    type: "loadChunk",
    cursor,
    changes: [{ ...head(id, version("c", 1)), contents: CONTENTS }],
    removals: [],
    next,
  };
}

const loaded: Message = { type: "loadOffer", loaded: true, clients: 2 };
const notLoaded: Message = { type: "loadOffer", loaded: false, clients: 0 };

describe("a member that starts", () => {
  test("is ready at once when it is the only one", () => {
    const a = starting();
    assert.deepEqual(a.at(1, { type: "membersKnown" }), ["ready: alone"]);
  });

  test("is not ready for as long as the others refuse it, and then loads from them", () => {
    const a = starting();
    a.at(1, { type: "refused", reason: "other identity tokens" });
    assert.deepEqual(a.at(2, { type: "membersKnown" }), []);
    assert.deepEqual(a.state.load?.reason, "other identity tokens");
    assert.deepEqual(a.ticks(2, 100_000), []);
    a.peer(100_000, "b", "up");
    assert.deepEqual(a.at(100_001, { type: "refused", reason: undefined })[0], "loadAsk to b");
    a.tell(100_002, "b", loaded);
    assert.deepEqual(a.tell(100_003, "b", chunk(FIRST, "x", undefined))[1], "ready: loaded");
  });

  test("does not take it that it is alone when those that refused it are away, and waits as long as a load may take", () => {
    const a = starting();
    a.at(1, { type: "refused", reason: "other identity tokens" });
    a.at(2, { type: "membersKnown" });
    const away = "not ready: those that refused it are not in reach";
    assert.deepEqual(a.at(20_000, { type: "refused", reason: undefined }), [away]);
    assert.deepEqual(a.ticks(20_000, 49_900), [], "they start anew");
    a.at(49_900, { type: "refused", reason: "other identity tokens" });
    assert.deepEqual(a.at(60_000, { type: "refused", reason: undefined }), [away]);
    assert.deepEqual(a.ticks(60_000, 90_001), [[90_000, "ready: late"]]);
  });

  test("sleeps while it waits for those that refused it, also for one that says that it starts", () => {
    const a = starting();
    a.peer(0, "b", "unknown");
    a.at(1, { type: "refused", reason: "other identity tokens" });
    a.at(2, { type: "membersKnown" });
    a.at(20_000, { type: "refused", reason: undefined });
    assert.equal(nextAt(a.state), 50_000);
  });

  test("sleeps while one that it is compared with says that it starts, and is ready without that one then", () => {
    const a = starting("b", "c");
    a.at(1, { type: "membersKnown" });
    a.tell(2, "b", loaded);
    a.tell(2, "c", loaded);
    assert.ok(a.tell(3, "b", chunk(FIRST, "x", undefined)).includes("digestAsk to c"));
    a.peer(4, "c", "unknown");
    const looks: number[] = [];
    for (let ms = 4; ms < 4_000 && a.state.load !== undefined; ms = Math.max(ms + 1, nextAt(a.state))) {
      a.at(ms, { type: "tick" });
      looks.push(ms);
    }
    assert.equal(a.state.readyHow, "loaded");
    assert.ok(looks.length < 20, `${looks.length} looks`);
    assert.ok((looks.at(-1) ?? 0) <= 3_600);
  });

  test("asks one anew that was compared with others that have not loaded and was away when that was over", () => {
    const a = starting("b", "c");
    a.at(1, { type: "membersKnown" });
    a.tell(2, "b", notLoaded);
    a.tell(2, "c", notLoaded);
    a.peer(3, "c", "unknown");
    a.peer(4, "d", "up");
    a.at(4, { type: "credit", peer: "d", batches: 9 });
    const back = a.peer(1_600, "c", "up");
    assert.ok(back.includes("loadAsk to c"), back.join("; "));
    assert.ok(nextAt(a.state) > 1_600);
  });

  test("is ready as soon as it holds what others hold that have not loaded either", () => {
    const a = starting("b", "c");
    assert.deepEqual(a.at(1, { type: "membersKnown" }).slice(0, 2), ["loadAsk to b", "loadAsk to c"]);
    a.tell(2, "b", notLoaded);
    assert.deepEqual(a.tell(3, "c", notLoaded).slice(0, 2), ["digestAsk to b", "digestAsk to c"]);
    assert.deepEqual(a.tell(4, "b", { type: "digest", loaded: false, owners: [] }).slice(0, 1), [
      "not ready: b is done, comparing with c",
    ]);
    const theirs = { owner: "c", count: 1, hash: 1 };
    assert.ok(a.tell(5, "c", { type: "digest", loaded: false, owners: [theirs] }).includes("buckets to c"));
    const heads = [head("z", version("c", 1))];
    a.tell(6, "c", { type: "listing", owner: "c", buckets: [], heads, next: undefined });
    assert.deepEqual(a.tell(7, "c", sync(heads, [], 4)).slice(0, 3), ["apply z c/1/1", "ack to c", "ready: cold"]);
  });

  test("loads from whoever has loaded while it was compared with others that have not", () => {
    const a = starting("b", "c");
    a.at(1, { type: "membersKnown" });
    a.tell(2, "b", notLoaded);
    a.tell(3, "c", notLoaded);
    a.peer(4, "c", "down");
    a.peer(5, "c", "up");
    assert.deepEqual(a.tell(6, "c", loaded)[0], "loadRequest to c");
    assert.deepEqual(a.tell(7, "c", chunk(FIRST, "x", undefined)).slice(0, 1), ["apply x c/1/1"]);
    assert.deepEqual(a.tell(8, "b", notLoaded).slice(0, 1), ["ready: loaded"], "it does not wait for b to load");
  });

  test("asks those it was compared with whether they have loaded, once somebody else is in reach", () => {
    const a = starting("b");
    a.at(1, { type: "membersKnown" });
    a.tell(2, "b", notLoaded);
    assert.ok(a.peer(3, "c", "up").includes("loadAsk to b"));
    a.tell(4, "b", loaded);
    a.peer(5, "c", "down");
    assert.deepEqual(a.tell(6, "b", chunk(FIRST, "x", undefined)).slice(0, 2), ["apply x c/1/1", "ready: loaded"]);
  });

  test("says meanwhile that it is no source", () => {
    const a = starting("b");
    assert.deepEqual(a.tell(1, "b", { type: "loadAsk" })[0], "not loaded to b");
    assert.deepEqual(a.tell(2, "b", { type: "loadRequest", cursor: FIRST })[0], "not loaded to b");
  });

  test("waits for what membership says about a member that nobody has seen", () => {
    const a = starting();
    a.peer(0, "b", "unknown", 0);
    assert.deepEqual(a.at(1, { type: "membersKnown" }), ["not ready: b is not seen yet"]);
    assert.deepEqual(a.peer(3_000, "b", "down", 0), ["ready: cold"]);
  });

  test("waits 3 s for a member that only says that it starts", () => {
    const a = starting("c");
    a.peer(0, "b", "unknown");
    a.at(1, { type: "membersKnown" });
    a.tell(2, "c", loaded);
    a.tell(3, "c", chunk(FIRST, "x", undefined));
    const happened = a.ticks(3, 60_000).find(([, what]) => what?.startsWith("ready"));
    assert.deepEqual(happened?.slice(0, 2), [3_001, "ready: loaded"]);
  });

  test("does nothing by itself before it knows who there is", () => {
    const a = starting("b");
    assert.deepEqual(nextAt(a.state), 30_000);
  });

  test("fetches chunk after chunk, then compares with the others", () => {
    const a = starting("b", "c");
    a.at(1, { type: "membersKnown" });
    assert.deepEqual(a.tell(2, "b", loaded)[0], "loadRequest to b");
    a.tell(2, "c", { ...loaded, clients: 1 } as Message);
    assert.deepEqual(a.tell(3, "b", chunk(FIRST, "x", LATER)), ["apply x c/1/1", "loadRequest to b"]);
    assert.deepEqual(a.tell(4, "b", chunk(FIRST, "x", LATER)), [], "the same chunk again");
    assert.deepEqual(a.tell(5, "b", chunk(LATER, "y", undefined)).slice(0, 2), ["apply y c/1/1", "digestAsk to c"]);
    const [c] = a.state.table.digest();
    assert.ok(c);
    assert.deepEqual(a.tell(6, "c", { type: "digest", loaded: true, owners: [c] }).slice(0, 1), ["ready: loaded"]);
  });

  test("fetches what another member has beyond that before it is ready", () => {
    const a = starting("b", "c");
    a.at(1, { type: "membersKnown" });
    a.tell(2, "b", loaded);
    a.tell(2, "c", loaded);
    a.tell(5, "b", chunk(FIRST, "x", undefined));
    const more = { owner: "c", count: 2, hash: 1 };
    assert.ok(a.tell(6, "c", { type: "digest", loaded: true, owners: [more] }).includes("buckets to c"));
    const heads = [head("z", version("c", 1))];
    const listing: Message = { type: "listing", owner: "c", buckets: [], heads, next: undefined };
    assert.deepEqual(a.tell(7, "c", listing).slice(0, 1), ["fetch z to c"]);
    assert.deepEqual(a.tell(8, "c", sync(heads, [], 4)).slice(0, 3), ["apply z c/1/1", "ack to c", "ready: loaded"]);
  });

  test("goes on with another member where the first one stopped, and compares what that one had given", () => {
    const a = starting("b", "c");
    a.at(1, { type: "membersKnown" });
    a.tell(2, "b", loaded);
    a.tell(2, "c", loaded);
    a.tell(3, "b", chunk(FIRST, "x", LATER));
    assert.ok(a.peer(3_000, "b", "down").includes("loadRequest to c"));
    assert.deepEqual(a.state.load?.cursor, LATER);
    assert.deepEqual(a.tell(3_001, "c", chunk(LATER, "y", undefined)).slice(0, 2), ["apply y c/1/1", "digestAsk to c"]);
  });

  test("waits 3 s for a member that others hear and to which it gets no connection", () => {
    const a = starting("b", "c");
    a.at(1, { type: "credit", peer: "c", batches: undefined });
    a.at(1, { type: "membersKnown" });
    a.tell(2, "b", loaded);
    a.tell(3, "b", chunk(FIRST, "x", undefined));
    assert.deepEqual(a.ticks(4, 4_000).at(-1)?.slice(0, 3), [3_001, "loadAsk to c", "ready: loaded"]);
  });

  test("waits for such a member when nobody who has loaded is left to ask", () => {
    const a = starting("b", "c");
    a.at(1, { type: "credit", peer: "c", batches: undefined });
    a.at(1, { type: "membersKnown" });
    a.tell(2, "b", notLoaded);
    assert.deepEqual(
      a.ticks(2, 20_000).filter(([, ...effects]) => effects.some((each) => each.startsWith("ready"))),
      [],
    );
    assert.equal(
      a.state.load?.reason,
      "b has not loaded either, no connection to c can be made, so it cannot be asked",
    );
    a.at(20_000, { type: "credit", peer: "c", batches: 9 });
    a.tell(20_001, "c", loaded);
    assert.deepEqual(a.tell(20_002, "c", chunk(FIRST, "x", undefined)).slice(0, 2), ["apply x c/1/1", "ready: loaded"]);
  });

  test("goes on with another member where the connection to the first one broke for longer than that", () => {
    const a = starting("b", "c");
    a.at(1, { type: "membersKnown" });
    a.tell(2, "b", loaded);
    a.tell(2, "c", loaded);
    a.tell(3, "b", chunk(FIRST, "x", LATER));
    a.at(1_000, { type: "credit", peer: "b", batches: undefined });
    a.ticks(1_001, 4_500);
    assert.equal(a.state.load?.source, "c");
    assert.deepEqual(a.state.load?.cursor, LATER);
    a.tell(4_501, "c", chunk(LATER, "y", undefined));
    const same: Message = { type: "digest", loaded: true, owners: a.state.table.digest() };
    assert.deepEqual(a.tell(4_502, "c", same).slice(0, 1), ["ready: loaded"]);
  });

  test("serves what it has after 30 s, and says so", () => {
    const a = starting("b");
    a.at(1, { type: "membersKnown" });
    const [last] = a.ticks(2, 30_000).slice(-1);
    assert.deepEqual(last?.slice(0, 2), [30_000, "ready: late"]);
  });

  test("takes removals too, so that nothing older comes back", () => {
    const a = starting("b");
    a.at(1, { type: "membersKnown" });
    a.tell(2, "b", loaded);
    a.tell(3, "b", {
      type: "loadChunk",
      cursor: FIRST,
      changes: [],
      removals: [removal("x", version("b", 5))],
      next: undefined,
    });
    assert.deepEqual(a.tell(4, "b", sync([head("x", version("b", 4))])), []);
  });
});

describe("a member that starts again with a journal", () => {
  test("serves it as unconfirmed, tells peers, and gives up what does not come back", () => {
    const a = newMember({ digestMs: 1e9 });
    const journal = [head("x", version("a", 3, 0)), removal("y", version("a", 4, 0))];
    assert.deepEqual(a.at(0, { type: "start", journal }).slice(0, 1), ["hold 1 of a/0"]);
    a.peer(0, "b", "up");
    a.at(0, { type: "credit", peer: "b", batches: 99 });
    a.at(1, { type: "membersKnown" });
    a.tell(2, "b", notLoaded);
    const same: Message = { type: "digest", loaded: false, owners: a.state.table.digest() };
    assert.deepEqual(a.tell(2, "b", same), ["ready: cold", "marks to b", "digest to b"]);
    assert.deepEqual(a.tell(3, "b", sync([head("y", version("a", 3, 0))])), ["sync y a/0/4 removed to b"]);
    const what = a.ticks(4, 42_000).flatMap(([, ...effects]) => effects);
    assert.deepEqual(
      what.filter((effect) => effect.includes("x")),
      ["probe x", "unhealthy x", "forget x: lost", "sync x a/0/3 lost to b"],
    );
  });
});
