import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Frame } from "@nacre/core/membership";
import { Malformed } from "./envelopes.ts";
import { readFrame, writeFrame } from "./frames.ts";
import { CARD } from "./links.fixture.ts";

const sight = { id: "b", incarnation: 1, beat: -1, state: "DOWN", out: false, in: true, addresses: [] } as const;
const listed = { address: "c.example:8848", resolved: ["[fd00::1]:8848"], id: undefined } as const;
const probe = { type: "probe", seq: 3, card: CARD, row: [sight], list: [listed] } as const;

function reading(given: unknown): Frame {
  return readFrame(Buffer.from(JSON.stringify(given)));
}

describe("a frame of membership", () => {
  const all: readonly Frame[] = [
    probe,
    { ...probe, list: undefined, row: [] },
    {
      type: "answer",
      seq: 0,
      card: { ...CARD, state: "LEAVING", forever: true },
      row: [sight],
      listed: false,
      list: undefined,
    },
    { type: "refuse", code: "foreignCluster", sentence: "another cluster", id: "b" },
    { type: "probeFor", target: "b" },
    { type: "probedFor", target: "b", incarnation: 2, beat: 9, error: undefined },
    { type: "probedFor", target: "b", incarnation: 2, beat: -1, error: "no answer" },
  ];
  for (const frame of all)
    test(`is read as it was written: ${JSON.stringify(frame).slice(0, 60)}`, () => {
      assert.deepEqual(readFrame(writeFrame(frame)), frame);
    });

  test("is read without the fields that are not known here", () => {
    assert.deepEqual(reading({ ...probe, card: { ...CARD, colour: "blue" }, more: 1 }), probe);
  });

  test("is read from a member that does not tell its version", () => {
    const { version: _, ...card } = CARD;
    assert.deepEqual(reading({ ...probe, card }), { ...probe, card: { ...CARD, version: "" } });
  });

  test("is read without addresses that nobody could call, and with others in one spelling", () => {
    const addresses = ["[::ffff:10.0.0.1]:8848", "0.0.0.0:8848", "[FD00:0::1]:8848", "10.0.0.1", "10.0.0.1:0", ""];
    const read = reading({ ...probe, row: [{ ...sight, addresses }] });
    assert.ok(read.type === "probe");
    assert.deepEqual(read.row[0]?.addresses, ["[fd00::1]:8848"]);
  });

  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [null, /'frame' of a frame is null/],
    [[], /a list, not an object/],
    [{}, /unknown type missing/],
    [{ ...probe, type: "__proto__" }, /unknown type "__proto__"/],
    [{ ...probe, seq: -1 }, /'seq' of a frame is -1/],
    [{ ...probe, seq: 1.5 }, /'seq' of a frame is 1.5, not a whole number/],
    [{ ...probe, seq: 2 ** 53 }, /'seq' of a frame is 9007199254740992/],
    [{ ...probe, card: undefined }, /'card' of a frame is missing/],
    [{ ...probe, card: { ...CARD, id: "" } }, /'id' of a frame is no id/],
    [{ ...probe, card: { ...CARD, id: "a b" } }, /'id' of a frame is no id/],
    [{ ...probe, card: { ...CARD, id: "x".repeat(201) } }, /'id' of a frame has 201 characters/],
    [{ ...probe, card: { ...CARD, state: "DOWN" } }, /'state' of a frame is "DOWN", not one of/],
    [{ ...probe, card: { ...CARD, forever: 1 } }, /'forever' of a frame is a number, not true or false/],
    [{ ...probe, card: { ...CARD, protocol: { speaks: "1", oldest: 1 } } }, /'speaks' of a frame is a string/],
    [{ ...probe, card: { ...CARD, pausedMs: null } }, /'pausedMs' of a frame is null/],
    [{ ...probe, card: { ...CARD, addresses: [7] } }, /an address is a number/],
    [{ ...probe, card: { ...CARD, addresses: Array(65).fill("10.0.0.1:1") } }, /has 65 entries, more than 64/],
    [{ ...probe, row: {} }, /'row' of a frame is an object, not a list/],
    [{ ...probe, row: Array(2_001).fill(sight) }, /'row' of a frame has 2001 entries/],
    [{ ...probe, row: [{ ...sight, beat: -2 }] }, /'beat' of a frame is -2/],
    [{ ...probe, list: Array(101).fill(listed) }, /'list' of a frame has 101 entries/],
    [{ ...probe, list: [{ ...listed, address: "no address" }] }, /'address' of a list is no address/],
    [{ type: "refuse", code: "mood", sentence: "", id: "b" }, /'code' of a frame is "mood"/],
    [
      { type: "refuse", code: "twin", sentence: "x".repeat(2_001), id: "b" },
      /'sentence' of a frame has 2001 characters/,
    ],
    [{ type: "probedFor", target: "b", incarnation: 1, beat: 1, error: 7 }, /'error' of a frame is a number/],
  ];
  for (const [given, sentence] of wrong)
    test(`is refused: ${sentence.source}`, () => {
      assert.throws(
        () => reading(given),
        (thrown) => thrown instanceof Malformed && sentence.test(thrown.message),
      );
    });
});
