import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { type Reader, Turns } from "./turns.ts";

/** Time, and turns of the event loop, in the hands of the test. */
class EventLoop {
  now = 1000;
  readonly turns: Turns;
  #soon: (() => void)[] = [];
  #timer: { at: number; run: () => void } | undefined;

  constructor(t: TestContext) {
    t.mock.method(performance, "now", () => this.now);
    t.mock.method(globalThis, "setImmediate", (run: () => void) => void this.#soon.push(run));
    t.mock.method(globalThis, "setTimeout", (run: () => void, ms: number) => {
      this.#timer = { at: this.now + ms, run };
      return { unref() {} };
    });
    this.turns = new Turns();
  }

  /** One turn. @returns false when nothing is left to do. */
  turn(): boolean {
    const soon = this.#soon;
    const timer = this.#timer;
    this.#soon = [];
    if (soon.length === 0 && timer !== undefined) {
      this.now = Math.max(this.now, timer.at);
      this.#timer = undefined;
      timer.run();
      return true;
    }
    for (const run of soon) run();
    return soon.length > 0;
  }
}

/** Work of some pieces, each of which takes its time. */
class Work implements Reader {
  readonly #loop: EventLoop;
  readonly #pieceMs: number;
  costly: boolean;
  left: number;
  readonly indivisible: boolean;
  readonly asideMs: number;
  readonly workedAt: number[] = [];

  constructor(
    loop: EventLoop,
    pieces: number,
    pieceMs: number,
    costly = false,
    { indivisible = false, asideMs = 0 }: { readonly indivisible?: boolean; readonly asideMs?: number } = {},
  ) {
    this.indivisible = indivisible;
    this.asideMs = asideMs;
    this.#loop = loop;
    this.left = pieces;
    this.#pieceMs = pieceMs;
    this.costly = costly;
  }

  isCostly(): boolean {
    return this.costly;
  }

  work(until: number): boolean {
    this.workedAt.push(this.#loop.now);
    do {
      this.left--;
      this.#loop.now += this.#pieceMs;
    } while (this.left > 0 && this.#loop.now < until);
    return this.left > 0;
  }

  waits(): this {
    this.#loop.turns.wait(this, this.#loop.now);
    return this;
  }
}

describe("those that wait to be read", () => {
  test("have turns of a quarter of a millisecond, one after the other, with all else that happens between them", (t) => {
    const loop = new EventLoop(t);
    const [a, b] = [new Work(loop, 12, 0.0625).waits(), new Work(loop, 4, 0.0625).waits()];
    const left: (readonly [number, number])[] = [];
    for (let nth = 0; nth < 4; nth++) {
      loop.turn();
      left.push([a.left, b.left]);
    }
    assert.deepEqual(left, [
      [8, 4],
      [8, 0],
      [4, 0],
      [0, 0],
    ]);
  });

  test("share a turn when they have little to do", (t) => {
    const loop = new EventLoop(t);
    const all = Array.from({ length: 8 }, () => new Work(loop, 1, 0.0625).waits());
    loop.turn();
    assert.deepEqual(
      all.map(({ left }) => left),
      [0, 0, 0, 0, 1, 1, 1, 1],
    );
  });

  test("are read no more when they are gone", (t) => {
    const loop = new EventLoop(t);
    const all = [false, true].map((costly) => new Work(loop, 1, 1, costly).waits());
    for (const work of all) loop.turns.forget(work);
    while (loop.turn());
    assert.deepEqual(
      all.map(({ left }) => left),
      [1, 1],
    );
  });

  test("have shorter turns while others do little, and for a tenth of a second after", (t) => {
    const loop = new EventLoop(t);
    const took = [];
    for (const laterMs of [0, 99, 2]) {
      loop.now += laterMs;
      if (laterMs === 0) loop.turns.servedLittle(loop.now);
      took.push(loop.turns.endsAt(loop.now) - loop.now);
      loop.turn();
    }
    assert.deepEqual(
      took.map((ms) => ms.toFixed(2)),
      ["0.10", "0.10", "0.25"],
    );
  });

  test("share with those that read as bytes come what these have left of the turn", (t) => {
    const loop = new EventLoop(t);
    const endsAt = loop.turns.endsAt(loop.now);
    loop.now += 0.125;
    assert.equal(loop.turns.endsAt(loop.now), endsAt);
    loop.turn();
    assert.equal(loop.turns.endsAt(loop.now), endsAt + 0.125, "the next turn of the event loop");
  });
});

describe("those whose work cannot be cut", () => {
  test("have a turn each, however little it takes, with others between them", (t) => {
    const loop = new EventLoop(t);
    const all = Array.from({ length: 3 }, () => new Work(loop, 1, 0.0625, false, { indivisible: true }).waits());
    const other = new Work(loop, 12, 0.0625).waits();
    const left: number[][] = [];
    for (let nth = 0; nth < 3; nth++) {
      loop.turn();
      left.push([all.filter((work) => work.left > 0).length, other.left]);
    }
    assert.deepEqual(left, [
      [2, 8],
      [1, 4],
      [0, 0],
    ]);
  });

  test("are left out when they are gone, and go behind others when they cost much", (t) => {
    const loop = new EventLoop(t);
    const [gone, stays] = [0, 1].map(() => new Work(loop, 1, 1, false, { indivisible: true }).waits()) as [Work, Work];
    loop.turns.forget(gone);
    loop.turns.served(loop.now);
    new Work(loop, 1, 10, true).waits();
    const suspect = new Work(loop, 1, 1, true, { indivisible: true }).waits();
    while (loop.turn());
    assert.deepEqual([gone.left, stays.left], [1, 0]);
    assert.deepEqual(suspect.workedAt, [1000 + 1 + 10 + 4 * 10]);
  });
});

describe("those that cost much", () => {
  test("take a fifth of the time while others are served", (t) => {
    const loop = new EventLoop(t);
    const all = [new Work(loop, 30, 0.25, true).waits(), new Work(loop, 30, 0.25, true).waits()];
    const startedAt = loop.now;
    do loop.turns.served(loop.now);
    while (loop.turn());
    assert.deepEqual(
      all.map(({ left }) => left),
      [0, 0],
    );
    const took = loop.now - startedAt;
    assert.ok(took > 0.95 * 60 * 1.25 - 1 && took <= 60 * 1.25, `${took}`);
  });

  test("rest the longer the more they took, also when one of them comes anew", (t) => {
    const loop = new EventLoop(t);
    loop.turns.served(loop.now);
    new Work(loop, 1, 10, true).waits();
    loop.turn();
    const next = new Work(loop, 1, 1, true).waits();
    while (loop.turn());
    assert.deepEqual(next.workedAt, [1000 + 10 + 4 * 10]);
  });

  test("rest for what they cost elsewhere, too", (t) => {
    const loop = new EventLoop(t);
    loop.turns.served(loop.now);
    new Work(loop, 1, 1, true, { asideMs: 2 }).waits();
    const next = new Work(loop, 1, 1, true).waits();
    while (loop.turn());
    assert.deepEqual(next.workedAt, [1000 + 3 + 4 * 3]);
  });

  test("are not begun all at once because beginning is short", (t) => {
    const loop = new EventLoop(t);
    const all = Array.from({ length: 3 }, () => new Work(loop, 1, 0.0625, true, { asideMs: 0.125 }).waits());
    loop.turn();
    assert.deepEqual(
      all.map(({ left }) => left),
      [0, 0, 1],
    );
  });

  test("do not rest when nobody else is there", (t) => {
    const loop = new EventLoop(t);
    const work = new Work(loop, 100, 0.25, true).waits();
    while (loop.turn());
    assert.deepEqual([work.left, loop.now], [0, 1000 + 25]);
  });

  test("do not hold up others", (t) => {
    const loop = new EventLoop(t);
    new Work(loop, 100, 0.25, true).waits();
    loop.turn();
    const other = new Work(loop, 1, 0.0625).waits();
    loop.turn();
    assert.equal(other.left, 0);
  });

  test("go back among the others when they have made up for it", (t) => {
    const loop = new EventLoop(t);
    const work = new Work(loop, 100, 0.25, true).waits();
    loop.turn();
    work.costly = false;
    loop.turn();
    const at = loop.now;
    loop.turn();
    assert.equal(loop.now - at, 0.25, "a whole turn, and no rest before it");
  });
});
