import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Log, type Tail } from "./log.ts";
import type { ConfigurationAt, Run } from "./model.ts";

const BOUNDS = { bytesMax: 100, entriesMax: 4 };

/** The same, entry by entry. */
interface Plain {
  base: number;
  baseTerm: number;
  terms: number[];
}

const COMMAND = fc.oneof(
  fc.record({ type: fc.constant("append" as const), count: fc.integer({ min: 1, max: 9 }), newTerm: fc.boolean() }),
  fc.record({
    type: fc.constant("runs" as const),
    counts: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ type: fc.constant("cut" as const), at: fc.nat(), isUndone: fc.boolean() }),
  fc.record({ type: fc.constant("drop" as const), at: fc.nat() }),
  fc.record({ type: fc.constant("configuration" as const) }),
);

describe("a log of runs", () => {
  test("is what a list of entries would be, whatever is done to it", () => {
    fc.assert(
      fc.property(fc.array(COMMAND, { maxLength: 40 }), (commands) => {
        const log = new Log(3, 1, undefined, BOUNDS);
        const plain: Plain = { base: 3, baseTerm: 1, terms: [] };
        let configurations: number[] = [];
        let term = 1;
        const last = () => plain.base + plain.terms.length;
        for (const command of commands) {
          switch (command.type) {
            case "append":
              if (command.newTerm) term += 2;
              plain.terms.push(...Array.from({ length: command.count }, () => term));
              log.append(last(), term, command.count * 30);
              break;
            case "runs": {
              const runs: Run[] = [];
              for (const count of command.counts) {
                term++;
                runs.push({ first: last() + 1, term });
                plain.terms.push(...Array.from({ length: count }, () => term));
              }
              log.appendRuns(last(), runs, 10, []);
              break;
            }
            case "cut": {
              if (plain.terms.length === 0) break;
              const from = plain.base + 1 + (command.at % plain.terms.length);
              const tail: Tail = log.cut(from);
              if (command.isUndone) log.restore(tail);
              else {
                plain.terms.length = from - plain.base - 1;
                configurations = configurations.filter((index) => index < from);
                term += 1;
              }
              break;
            }
            case "drop": {
              if (plain.terms.length === 0) break;
              const count = command.at % (plain.terms.length + 1);
              log.drop(plain.base + count);
              if (count > 0) plain.baseTerm = plain.terms[count - 1] as number;
              plain.terms.splice(0, count);
              plain.base += count;
              configurations = configurations.filter(
                (index, at) => index > plain.base || at === lastUpTo(configurations, plain.base),
              );
              break;
            }
            case "configuration":
              if (plain.terms.length === 0 || (configurations.at(-1) ?? 0) >= last()) break;
              configurations.push(last());
              log.addConfiguration(at(last()));
              break;
          }
          compare(log, plain, configurations);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("finds where another one differs", () => {
    const log = new Log(0, 0, undefined, BOUNDS);
    log.appendRuns(
      6,
      [
        { first: 1, term: 1 },
        { first: 4, term: 2 },
      ],
      0,
      [],
    );
    assert.equal(
      log.firstDifference(1, 6, [
        { first: 1, term: 1 },
        { first: 4, term: 2 },
      ]),
      7,
      "equal",
    );
    assert.equal(
      log.firstDifference(1, 8, [
        { first: 1, term: 1 },
        { first: 4, term: 2 },
      ]),
      7,
      "longer",
    );
    assert.equal(
      log.firstDifference(1, 6, [
        { first: 1, term: 1 },
        { first: 4, term: 3 },
      ]),
      4,
      "another term",
    );
    assert.equal(
      log.firstDifference(2, 6, [
        { first: 2, term: 1 },
        { first: 6, term: 3 },
      ]),
      4,
      "a longer run",
    );
  });

  test("knows where it can agree at the latest with a log of a term", () => {
    const log = new Log(2, 1, undefined, BOUNDS);
    log.appendRuns(
      9,
      [
        { first: 3, term: 2 },
        { first: 6, term: 5 },
      ],
      0,
      [],
    );
    assert.deepEqual(
      [9, 20, 7].map((index) => log.lastUpTo(index, 5)),
      [9, 9, 7],
    );
    assert.equal(log.lastUpTo(9, 4), 5);
    assert.equal(log.lastUpTo(9, 1), 2, "its base");
  });

  test("cuts messages at pieces of so many bytes or entries", () => {
    const log = new Log(0, 0, undefined, BOUNDS);
    for (let index = 1; index <= 3; index++) log.append(index, 1, 40);
    log.append(4, 1, 500);
    for (let index = 5; index <= 10; index++) log.append(index, 1, 1);
    assert.deepEqual(
      [1, 2, 3, 4, 5, 8, 9, 10].map((index) => log.pieceEnd(index)),
      [2, 2, 3, 4, 8, 8, 10, 10],
    );
    assert.deepEqual([log.bytes(1, 2), log.bytes(2, 2), log.bytes(1, 4)], [80, 40, 620]);
  });
});

function compare(log: Log, { base, baseTerm, terms }: Plain, configurations: readonly number[]): void {
  assert.deepEqual([log.baseIndex, log.last], [base, base + terms.length]);
  assert.equal(log.lastTerm, terms.at(-1) ?? baseTerm);
  assert.equal(log.termOf(base), baseTerm);
  for (const [at, term] of terms.entries()) assert.equal(log.termOf(base + 1 + at), term);
  assert.equal(log.termOf(base - 1), undefined);
  assert.equal(log.termOf(log.last + 1), undefined);
  const runs = log.runsIn(base + 1, log.last);
  assert.equal(log.firstDifference(base + 1, log.last, runs), log.last + 1, "equal to itself");
  for (let index = base + 1; index <= log.last; index++) {
    const end = log.pieceEnd(index);
    assert.ok(end >= index && end <= log.last, "a piece ends within the log");
  }
  assert.equal(log.configuration?.index, configurations.at(-1));
}

function lastUpTo(configurations: readonly number[], index: number): number {
  return configurations.findLastIndex((one) => one <= index);
}

function at(index: number): ConfigurationAt {
  return { index, configuration: { voters: [`m${index}`], learners: [] } };
}
