import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  admit,
  endSession,
  expireSessions,
  loadSessions,
  newSessions,
  openSession,
  type Sessions,
  sessionRows,
  takeBack,
  wasApplied,
} from "./sessions.ts";

function stamp(number: number, low = 1, life = 1, member = "a") {
  return { member, life, number, low };
}

function opened(bounds = {}): Sessions {
  const sessions = newSessions(bounds);
  openSession(sessions, "a", 1, 0);
  return sessions;
}

describe("the table of sessions (8, dissertation 6.3)", () => {
  test("lets each number of a life be applied once, in whatever order they come", () => {
    const sessions = opened();
    const admitted = [2, 1, 2, 3, 1].map((number) => admit(sessions, stamp(number), 0));
    assert.deepEqual(admitted, ["apply", "apply", "repeat", "apply", "repeat"]);
  });

  test("forgets what is settled, and passes over what comes of it late", () => {
    const sessions = opened();
    for (const number of [1, 2, 3]) admit(sessions, stamp(number), 0);
    assert.equal(admit(sessions, stamp(5, 4), 0), "apply");
    assert.deepEqual(sessionRows(sessions)[0]?.applied, [5]);
    assert.equal(admit(sessions, stamp(4, 4), 0), "apply", "not settled yet");
    assert.equal(admit(sessions, stamp(2), 0), "repeat");
  });

  test("knows no life that did not begin, and none that is over", () => {
    const sessions = opened();
    assert.equal(admit(sessions, stamp(1, 1, 1, "b"), 0), "ended");
    openSession(sessions, "a", 2, 0);
    assert.equal(admit(sessions, stamp(1), 0), "ended", "of the life before");
    openSession(sessions, "a", 1, 0);
    assert.equal(admit(sessions, stamp(1), 0), "ended", "which cannot begin again");
    assert.equal(admit(sessions, stamp(1, 1, 2), 0), "apply");
    endSession(sessions, "a");
    assert.equal(admit(sessions, stamp(2, 1, 2), 0), "ended");
  });

  test("ends what was not used for long, by the log's time", () => {
    const sessions = opened();
    admit(sessions, stamp(1), 100);
    expireSessions(sessions, 100);
    assert.equal(admit(sessions, stamp(2), 100), "apply");
    expireSessions(sessions, 101);
    assert.equal(admit(sessions, stamp(3), 101), "ended");
  });

  test("holds so many numbers and members, and no more", () => {
    const sessions = opened({ numbersMax: 3, membersMax: 2 });
    assert.deepEqual(
      [3, 4].map((number) => admit(sessions, stamp(number), 0)),
      ["apply", "tooFar"],
    );
    openSession(sessions, "b", 1, 5);
    openSession(sessions, "c", 1, 6);
    assert.deepEqual(
      sessionRows(sessions).map(({ member }) => member),
      ["b", "c"],
      "the one unused for longest is gone",
    );
    endSession(sessions, "c");
    openSession(sessions, "d", 1, 7);
    assert.deepEqual(
      sessionRows(sessions).map(({ member }) => member),
      ["b", "d"],
      "ended ones go first",
    );
  });

  test("tells what came of a number, as long as it is not settled", () => {
    const sessions = opened();
    admit(sessions, stamp(2, 2), 0);
    const known = [1, 2, 3].map((number) => wasApplied(sessions, stamp(number)));
    assert.deepEqual(known, [undefined, true, false]);
    assert.equal(wasApplied(sessions, stamp(2, 1, 2)), undefined);
  });

  test("takes a number again that was not applied after all", () => {
    const sessions = opened();
    assert.equal(admit(sessions, stamp(1), 0), "apply");
    takeBack(sessions, stamp(1));
    assert.equal(wasApplied(sessions, stamp(1)), false);
    assert.equal(admit(sessions, stamp(1), 0), "apply");
  });

  test("goes into rows and comes back from them, and decides the same", () => {
    const used = fc.record({
      member: fc.constantFrom("a", "b"),
      number: fc.integer({ min: 1, max: 12 }),
      low: fc.nat(9),
    });
    fc.assert(
      fc.property(fc.array(used), fc.array(used), (before, after) => {
        const sessions = opened();
        openSession(sessions, "b", 4, 0);
        const life = { a: 1, b: 4 };
        for (const one of before) admit(sessions, { ...one, life: life[one.member] }, 0);
        const loaded = loadSessions(JSON.parse(JSON.stringify(sessionRows(sessions))));
        for (const one of after) {
          const of = { ...one, life: life[one.member] };
          assert.equal(admit(loaded, of, 1), admit(sessions, of, 1));
        }
        assert.deepEqual(sessionRows(loaded), sessionRows(sessions));
      }),
    );
  });
});
