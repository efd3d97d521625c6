import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HeldBytes, type Holder } from "./held-bytes.ts";

class Peer implements Holder {
  heldBytes = 0;
  evictedFor: string | undefined;
  readonly #all: HeldBytes;

  constructor(all: HeldBytes) {
    this.#all = all;
  }

  hold(bytes: number): void {
    const before = this.heldBytes;
    this.heldBytes = bytes;
    this.#all.change(bytes - before);
  }

  evict(why: string): void {
    this.evictedFor = why;
    this.hold(0);
  }
}

function peers(max: number, count: number): Peer[] {
  const all: Peer[] = [];
  const held = new HeldBytes(max, () => all);
  for (let nth = 0; nth < count; nth++) all.push(new Peer(held));
  return all;
}

const evicted = (all: readonly Peer[]): number[] => {
  return all.flatMap(({ evictedFor }, nth) => (evictedFor === undefined ? [] : [nth]));
};

describe("memory that is held for all peers", () => {
  test("may be used up by one of them", () => {
    const [one, other] = peers(1000, 2) as [Peer, Peer];
    one.hold(999);
    other.hold(1);
    assert.deepEqual(evicted([one, other]), []);
  });

  test("is taken from the one that holds the most, not from the one that came last", () => {
    const all = peers(1000, 3);
    for (const [nth, bytes] of [300, 600, 101].entries()) all[nth]?.hold(bytes);
    assert.deepEqual(evicted(all), [1]);
    assert.match(all[1]?.evictedFor ?? "", /more than 1000 bytes, and this one the most/);
  });

  test("is taken from as many as leave some room", () => {
    const all = peers(1000, 21);
    for (const peer of all) peer.hold(50);
    assert.equal(evicted(all).length, 3);
    assert.equal(
      all.reduce((sum, { heldBytes }) => sum + heldBytes, 0),
      900,
    );
  });

  test("is taken from those below the mean too, or the next byte would need the same again", () => {
    const all = peers(1000, 101);
    all[0]?.hold(11);
    for (const peer of all.slice(1)) peer.hold(9.9);
    assert.equal(evicted(all).length, 11);
    assert.equal(Math.round(all.reduce((sum, { heldBytes }) => sum + heldBytes, 0)), 891);
  });

  test("is given back by those who let go of it", () => {
    const all = peers(1000, 2);
    for (let round = 0; round < 10; round++) {
      all[0]?.hold(900);
      all[0]?.hold(0);
      all[1]?.hold(900);
      all[1]?.hold(0);
    }
    assert.deepEqual(evicted(all), []);
  });
});
