import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  checkLinearizable,
  elements,
  type LinearModel,
  type Operation,
  type RegisterInput,
  type RegisterOutput,
  registers,
  type SetInput,
} from "./linearizability.ts";
import { Random } from "./random.ts";

type Register = Operation<RegisterInput<number>, RegisterOutput<number>>;

const model = registers<number>();
const key = "k";
let clients = 0;

function asked(
  input: RegisterInput<number>,
  output: RegisterOutput<number>,
  calledAt: number,
  returnedAt?: number,
): Register {
  clients += 1;
  return { client: `c${clients}`, calledAt, returnedAt, input, output };
}

const read = (value: number | undefined, from: number, to?: number) => asked({ op: "read", key }, value, from, to);
const write = (value: number, from: number, to?: number) => asked({ op: "write", key, value }, true, from, to);
const cas = (before: number | undefined, value: number, fits: boolean, from: number, to?: number) =>
  asked({ op: "cas", key, from: before, to: value }, fits, from, to);

const HISTORIES: Record<string, { readonly ok: boolean; readonly history: readonly Register[] }> = {
  "nothing at all": { ok: true, history: [] },
  "one after another": { ok: true, history: [read(undefined, 0, 1), write(1, 2, 3), read(1, 4, 5)] },
  "a read during a write sees the old value": { ok: true, history: [write(1, 0, 10), read(undefined, 1, 2)] },
  "a read during a write sees the new value": { ok: true, history: [write(1, 0, 10), read(1, 1, 2)] },
  "reads during a write see the old value, then the new": {
    ok: true,
    history: [write(1, 0, 10), read(undefined, 1, 2), read(1, 3, 4)],
  },
  "reads during a write see the new value, then the old": {
    ok: false,
    history: [write(1, 0, 10), read(1, 1, 2), read(undefined, 3, 4)],
  },
  "a stale read": { ok: false, history: [write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)] },
  "a value out of nowhere": { ok: false, history: [write(1, 0, 1), read(7, 2, 3)] },
  "two of three who swap the same value": {
    ok: false,
    history: [cas(undefined, 1, true, 0, 9), cas(undefined, 2, true, 0, 9), cas(undefined, 3, false, 0, 9)],
  },
  "one of three who swap the same value": {
    ok: true,
    history: [cas(undefined, 1, false, 0, 9), cas(undefined, 2, true, 0, 9), cas(undefined, 3, false, 0, 9)],
  },
  "a lost update": {
    ok: false,
    history: [write(0, 0, 1), cas(0, 1, true, 2, 3), cas(0, 2, true, 4, 5), read(2, 6, 7)],
  },
  "a call at the very time of another's return": { ok: true, history: [write(1, 0, 5), read(undefined, 5, 6)] },
  "a write of unknown outcome that is seen": { ok: true, history: [write(1, 0), read(1, 100, 101)] },
  "a write of unknown outcome that is never seen": { ok: true, history: [write(1, 0), read(undefined, 100, 101)] },
  "a write of unknown outcome that comes late": {
    ok: true,
    history: [write(1, 0), write(2, 1, 2), read(2, 3, 4), read(1, 5, 6)],
  },
  "a write of unknown outcome that comes twice": {
    ok: false,
    history: [write(1, 0), write(2, 1, 2), read(1, 3, 4), write(3, 5, 6), read(1, 7, 8)],
  },
  "two equal writes of unknown outcome that come one by one": {
    ok: true,
    history: [write(1, 0), write(1, 0), write(2, 1, 2), read(1, 3, 4), write(3, 5, 6), read(1, 7, 8)],
  },
  "a write of unknown outcome that is seen before its call": { ok: false, history: [read(1, 0, 1), write(1, 2)] },
  "an equal write of unknown outcome that is called too late": {
    ok: false,
    history: [write(1, 9), read(1, 0, 1), write(1, 8)],
  },
};

describe("a history of a register with compare-and-set", () => {
  for (const [what, { ok, history }] of Object.entries(HISTORIES)) {
    test(`${ok ? "accepted" : "refused"}: ${what}`, () => {
      const verdict = checkLinearizable(model, history);
      assert.equal(verdict.ok, ok, verdict.ok ? what : verdict.explanation);
      assert.equal(checkLinearizable(model, history.toReversed()).ok, ok, "whatever the order of the records");
    });
  }

  test("is explained by what the next to return was told, and in which state", () => {
    const history = [write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)].map((one, at) => ({ ...one, client: `c${at}` }));
    const verdict = checkLinearizable(model, history);
    assert.deepEqual(verdict.ok ? [] : verdict.explanation.split("\n"), [
      "no order of 3 operations of k explains what clients saw.",
      "The longest that was found places 2:",
      '  c0 [0, 1] {"op":"write","key":"k","value":1} was told true',
      '  c1 [2, 3] {"op":"write","key":"k","value":2} was told true',
      'Then the state is {"value":2}, in which the next to return',
      '  c2 [4, 5] {"op":"read","key":"k"} was told 1',
      "would have been told 2.",
    ]);
  });

  test("is judged key by key, and the key that fails is named", () => {
    const other: Register = { client: "z", calledAt: 0, returnedAt: 9, input: { op: "read", key: "z" }, output: 1 };
    const verdict = checkLinearizable(model, [write(1, 0, 1), other]);
    assert.match(verdict.ok ? "" : verdict.explanation, /no order of 1 operations of z /);
  });

  test("that is not decided within the budget is no verdict", () => {
    const history = Array.from({ length: 12 }, (_, at) => cas(at, at + 1, true, 0, 9));
    assert.throws(() => checkLinearizable(model, history, { budget: 10 }), {
      message: "12 operations of k are not decided within 10 steps: raise the budget, or record shorter histories",
    });
  });

  test("of many operations and unknown outcomes is judged at once", () => {
    const history: Register[] = [];
    for (let at = 0; at < 1000; at += 1) {
      const value = at % 10 === 0 ? at : at - (at % 10);
      history.push(value === at ? write(at, at * 10, at * 10 + 5) : read(value, at * 10, at * 10 + 15));
      if (at % 60 === 0) history.push(write(-at - 1, at * 10));
    }
    assert.ok(checkLinearizable(model, history).ok);
    const stale = [...history, read(-61, 20_000, 20_001), read(-121, 20_002, 20_003), read(1230, 20_004, 20_005)];
    assert.ok(!checkLinearizable(model, stale).ok);
  });
});

describe("a history of a set", () => {
  const on = (input: SetInput, output: boolean | readonly string[], calledAt: number, returnedAt?: number) => ({
    client: "c",
    calledAt,
    returnedAt,
    input,
    output,
  });

  test("accepted: elements appear one by one and stay", () => {
    const history = [
      on({ op: "add", element: "a" }, true, 0, 5),
      on({ op: "add", element: "b" }, true, 0, 5),
      on({ op: "read" }, ["b"], 1, 4),
      on({ op: "read" }, ["a", "b"], 6, 7),
      on({ op: "remove", element: "b" }, true, 8, 9),
      on({ op: "read" }, ["a"], 10, 11),
    ];
    assert.deepEqual(checkLinearizable(elements, history), { ok: true });
  });

  test("refused: two readers who see additions in different orders", () => {
    const history = [
      on({ op: "add", element: "a" }, true, 0, 9),
      on({ op: "add", element: "b" }, true, 0, 9),
      on({ op: "read" }, ["a"], 1, 4),
      on({ op: "read" }, ["b"], 5, 8),
    ];
    assert.ok(!checkLinearizable(elements, history).ok);
  });

  test("refused: an acknowledged element that is lost", () => {
    const history = [on({ op: "add", element: "a" }, true, 0, 1), on({ op: "read" }, [], 2, 3)];
    assert.ok(!checkLinearizable(elements, history).ok);
  });
});

/** Operations of several clients as one object performed them, each at a moment between its call and its return. */
function performed(random: Random, count: number, clientCount: number): Register[] {
  const freeAt = Array.from({ length: clientCount }, () => 0);
  const drawn = Array.from({ length: count }, () => {
    const client = random.below(clientCount);
    const calledAt = (freeAt[client] ?? 0) + 1 + random.below(4);
    const returnedAt = calledAt + 1 + random.below(8);
    freeAt[client] = returnedAt;
    const input = random.pick<RegisterInput<number>>([
      { op: "read", key },
      { op: "write", key, value: random.below(3) },
      { op: "cas", key, from: random.below(3), to: random.below(3) },
    ]);
    const outcome = random.pick(["known", "known", "known", "done", "lost"]);
    const late = outcome === "done" ? random.below(20) : 0;
    return {
      client,
      calledAt,
      returnedAt,
      input,
      outcome,
      effectAt: calledAt + (returnedAt - calledAt) * random.next() + late,
    };
  });
  let state = model.initial;
  return drawn
    .toSorted((a, b) => a.effectAt - b.effectAt)
    .map(({ client, calledAt, returnedAt, input, outcome }) => {
      const after = model.apply(state, input);
      if (outcome !== "lost") state = after.state;
      const isKnown = outcome === "known";
      const told = { returnedAt: isKnown ? returnedAt : undefined, output: isKnown ? after.output : undefined };
      return { client: `c${client}`, calledAt, input, ...told };
    });
}

function mutated(random: Random, history: readonly Register[]): Register[] {
  const at = random.below(history.length);
  return history.map((one, place) => {
    if (place !== at) return one;
    if (one.input.op === "read") return { ...one, output: random.below(4) };
    if (one.input.op === "cas") return { ...one, output: one.output !== true };
    return { ...one, input: { ...one.input, value: random.below(3) } };
  });
}

/** Every order of every choice of the unknown ones, without any thought. */
function bruteForce<S, I, O>(
  model: LinearModel<S, I, O>,
  history: readonly Operation<I, O>[],
  state = model.initial,
): boolean {
  if (history.every(({ returnedAt }) => returnedAt === undefined)) return true;
  return history.some((one, place) => {
    const rest = history.toSpliced(place, 1);
    if (rest.some(({ returnedAt }) => returnedAt !== undefined && returnedAt < one.calledAt)) return false;
    const after = model.apply(state, one.input);
    return (one.returnedAt === undefined || after.output === one.output) && bruteForce(model, rest, after.state);
  });
}

describe("random histories", () => {
  test("that an object performed are accepted", () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const history = performed(new Random(seed), 60, 5);
      const verdict = checkLinearizable(model, history);
      assert.ok(verdict.ok, `seed ${seed}: ${verdict.ok || verdict.explanation}`);
    }
  });

  test("of which something was changed are judged as by trying everything", () => {
    const count = { ok: 0, refused: 0 };
    for (let seed = 1; seed <= 3000; seed += 1) {
      const random = new Random(seed);
      const history = mutated(random, performed(random, 1 + random.below(7), 3));
      const { ok } = checkLinearizable(model, history);
      assert.equal(ok, bruteForce(model, history), `seed ${seed}: ${JSON.stringify(history)}`);
      count[ok ? "ok" : "refused"] += 1;
    }
    assert.ok(count.ok > 500 && count.refused > 500, JSON.stringify(count));
  });

  test("that are long and of which something was changed are mostly refused", () => {
    let refused = 0;
    for (let seed = 1; seed <= 100; seed += 1) {
      const random = new Random(seed);
      let history = performed(random, 60, 4);
      for (let changes = 0; changes < 10; changes += 1) history = mutated(random, history);
      if (!checkLinearizable(model, history).ok) refused += 1;
    }
    assert.ok(refused > 50, `${refused} of 100`);
  });
});
