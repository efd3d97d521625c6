import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Entry, History } from "./history.ts";

const BOUNDS = { missingMaxMs: 500, ghostMaxMs: 1000, unhealthyMaxMs: 0 };

function history(...entries: Entry[]): History {
  const made = new History();
  for (const entry of entries) made.add(entry);
  return made;
}

const registered = (at: number, address: string): Entry => ({ type: "registered", at, service: "s", address });
const ended = (at: number, address: string): Entry => ({ type: "ended", at, service: "s", address });
const lost = (at: number, viewer: string): Entry => ({ type: "lost", at, viewer });

/** Addresses with a question mark are unhealthy. */
function view(at: number, viewer: string, ...addresses: string[]): Entry {
  const hosts = addresses.map((each) => ({ address: each.replace("?", ""), healthy: !each.endsWith("?") }));
  return { type: "view", at, viewer, service: "s", hosts };
}

describe("a history", () => {
  test("has no faults when every view follows within the bounds", () => {
    const all = history(
      view(0, "a"),
      view(0, "b"),
      registered(100, "one"),
      view(200, "a", "one"),
      view(600, "b", "one"),
      ended(5000, "one"),
      view(5100, "a"),
      view(6000, "b"),
    );
    assert.deepEqual(all.faults(BOUNDS, 10_000), []);
    assert.deepEqual(all.unsettled(["a", "b"], 10_000), []);
  });

  test("tells of an instance that a member learns of too late", () => {
    const all = history(view(0, "a"), registered(100, "one"), view(601, "a", "one"));
    assert.deepEqual(all.faults(BOUNDS, 1000), ["one of s at a: missing for 501 ms, allowed are 500 ms"]);
  });

  test("tells of a live instance that is missing for a while, however many views say so", () => {
    const all = history(
      registered(0, "one"),
      registered(0, "two"),
      view(100, "a", "one", "two"),
      view(2000, "a", "two"),
      view(2300, "a", "two"),
      view(2600, "a", "one", "two"),
    );
    assert.deepEqual(all.faults(BOUNDS, 9000), ["one of s at a: missing for 600 ms, allowed are 500 ms"]);
  });

  test("does not add two short absences up", () => {
    const all = history(
      registered(0, "one"),
      registered(0, "two"),
      view(100, "a", "one", "two"),
      view(2000, "a", "two"),
      view(2400, "a", "one", "two"),
      view(2500, "a", "two"),
      view(2900, "a", "one", "two"),
    );
    assert.deepEqual(all.faults(BOUNDS, 9000), []);
  });

  test("tells of an instance that is still missing at the end", () => {
    const all = history(view(0, "a", "two"), registered(0, "two"), registered(100, "one"));
    assert.deepEqual(all.faults(BOUNDS, 601), ["one of s at a: missing for 501 ms, allowed are 500 ms"]);
    assert.deepEqual(all.unsettled(["a"], 601), ["a shows of s <two>, alive are <one two>"]);
  });

  test("tells of an instance that is shown too long after its end", () => {
    const all = history(registered(0, "one"), view(100, "a", "one"), ended(1000, "one"), view(2001, "a"));
    assert.deepEqual(all.faults(BOUNDS, 9000), ["one of s at a: shown after its end for 1001 ms, allowed are 1000 ms"]);
    assert.equal(all.lastShown("s", "one", 9000), 2001);
  });

  test("tells of an instance that comes back after its end", () => {
    const all = history(
      registered(0, "one"),
      view(100, "a", "one"),
      ended(1000, "one"),
      view(1100, "a"),
      view(8000, "a", "one"),
      view(8001, "a"),
    );
    assert.deepEqual(all.faults(BOUNDS, 9000), ["one of s at a: shown after its end for 7001 ms, allowed are 1000 ms"]);
  });

  test("does not call an instance back that was registered again", () => {
    const all = history(
      registered(0, "one"),
      view(100, "a", "one"),
      ended(1000, "one"),
      view(1100, "a"),
      registered(8000, "one"),
      view(8100, "a", "one"),
    );
    assert.deepEqual(all.faults(BOUNDS, 20_000), []);
  });

  test("tells of an empty list while an instance lives, however short it was shown", () => {
    const all = history(registered(0, "one"), view(100, "a", "one"), view(2000, "a"), view(2001, "a", "one"));
    assert.deepEqual(all.faults(BOUNDS, 9000), ["empty list: s at a although one lives"]);
  });

  test("takes an empty list for granted while the first instance is new, and after the last one", () => {
    const all = history(
      registered(0, "one"),
      view(400, "a"),
      view(450, "a", "one"),
      ended(1000, "one"),
      view(1100, "a"),
    );
    assert.deepEqual(all.faults(BOUNDS, 9000), []);
  });

  test("tells of a live instance that is shown as unhealthy", () => {
    const all = history(registered(0, "one"), view(10, "a", "one?"), view(110, "a", "one"));
    assert.deepEqual(all.faults(BOUNDS, 9000), [
      "one of s at a: unhealthy although alive for 100 ms, allowed are 0 ms",
    ]);
    assert.deepEqual(all.faults({ ...BOUNDS, unhealthyMaxMs: 100 }, 9000), []);
  });

  test("knows how long an ended instance was shown as healthy", () => {
    const all = history(
      registered(0, "one"),
      view(10, "a", "one"),
      ended(1000, "one"),
      view(1500, "a", "one?"),
      view(1900, "a"),
    );
    assert.equal(all.lastShown("s", "one", 9000, true), 1500);
    assert.equal(all.lastShown("s", "one", 9000), 1900);
  });

  test("judges nothing while a viewer is not looking, and its first view afterwards again", () => {
    const all = history(
      registered(0, "one"),
      view(100, "a", "one"),
      lost(1000, "a"),
      view(30_000, "a"),
      view(30_400, "a", "one"),
    );
    assert.deepEqual(all.faults({ ...BOUNDS, missingMaxMs: 400 }, 40_000), ["empty list: s at a although one lives"]);
    assert.deepEqual(all.faults({ ...BOUNDS, missingMaxMs: 399 }, 40_000), [
      "one of s at a: missing for 400 ms, allowed are 399 ms",
      "empty list: s at a although one lives",
    ]);
    assert.equal(all.shown("a", "s", 20_000), undefined);
  });

  test("is not settled while a viewer differs or is not looking", () => {
    const all = history(
      registered(0, "one"),
      view(100, "a", "one"),
      view(100, "b", "one?"),
      view(100, "c", "one"),
      lost(200, "c"),
    );
    assert.deepEqual(all.unsettled(["a", "b", "c"], 9000), [
      "b shows of s <one (unhealthy)>, alive are <one>",
      "c shows nothing of s",
    ]);
  });

  test("tells of a list that is older than the one before it", () => {
    const versioned = (at: number, version: number) => ({ ...view(at, "a"), version }) as Entry;
    assert.deepEqual(history(versioned(0, 5), versioned(1, 7), versioned(2, 6)).faults(BOUNDS, 9000), [
      "older list after a newer one: s at a",
    ]);
    assert.deepEqual(history(versioned(0, 5), lost(1, "a"), versioned(2, 1)).faults(BOUNDS, 9000), []);
  });

  test("tells line by line what changed", () => {
    const all = history(
      registered(0, "one"),
      view(1, "a", "one"),
      view(2, "a", "one?", "two"),
      view(3, "a", "two"),
      lost(4, "a"),
    );
    assert.deepEqual(all.changes(2, 3), ["+0 ms a s, 2 shown: ?one +two", "+1 ms a s, 1 shown: -one", "+2 ms a lost"]);
  });

  test("judges from a moment on only what went on after it", () => {
    const all = history(registered(0, "one"), view(0, "a"), view(5000, "a", "one"), view(6000, "a", "one"));
    assert.equal(all.faults(BOUNDS, 9000).length, 1);
    assert.deepEqual(all.faults(BOUNDS, 9000, { from: 5000 }), []);
    assert.deepEqual(all.faults(BOUNDS, 9000, { viewers: ["b"] }), []);
    assert.deepEqual(all.faults(BOUNDS, 9000, { services: ["t"] }), []);
  });
});
