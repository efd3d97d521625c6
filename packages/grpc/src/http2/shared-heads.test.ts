import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeFields } from "../hpack/encoder.ts";
import { HeaderBlocks } from "./blocks.ts";
import type { Head, HeadKind } from "./head.ts";
import { LIMITS } from "./limits.ts";
import { SHARED_HEAD_BYTES_MAX, SharedHeads } from "./shared-heads.ts";
import { type Fields, REQUEST } from "./wire.fixture.ts";

/** The head that a new connection reads. */
function read(heads: SharedHeads, fields: Fields, kind: HeadKind = "request"): Head {
  const block = encodeFields(fields);
  return new HeaderBlocks(LIMITS, heads).decode(kind, block, 0, block.length);
}

const areOne = (fields: Fields, kind?: HeadKind): boolean => {
  const heads = new SharedHeads();
  const [one, other] = [read(heads, fields, kind), read(heads, fields, kind)];
  return one === other;
};

describe("equal heads of two connections", () => {
  test("are one, its block remembered once", () => {
    const heads = new SharedHeads();
    const [one, other] = [read(heads, REQUEST), read(heads, REQUEST)];
    assert.equal(one, other);
    assert.equal(one.remembered?.head, one);
  });

  test("are two when anything in them differs", () => {
    const changed = (name: string, value: string): Fields =>
      REQUEST.map(([own, was]) => [own, own === name ? value : was]);
    // As long as each other, and with the same end: nothing but a comparison tells them apart.
    const variants = [
      changed(":method", "PUT"),
      changed(":scheme", "ftp"),
      ...["/1.B/C", "/2.B/C"].map((path) => changed(":path", path)),
      ...["1.example", "2.example"].map((authority) => changed(":authority", authority)),
      ...["1.", "2."].map((value): Fields => [...REQUEST, ["a", value]]),
      ...["1.", "2."].map((value): Fields => [...REQUEST, ["b", value]]),
      ...["1", "2"].map((value): Fields => [...REQUEST, ["content-length", value]]),
    ];
    const heads = new SharedHeads();
    const all = [REQUEST, ...variants].map((fields) => read(heads, fields));
    assert.equal(new Set(all).size, all.length);
  });

  test("are two when they hold a secret, which would outlive its connection", () => {
    assert.deepEqual(
      ["authorization", "cookie"].map((name) => areOne([...REQUEST, [name, "secret"]])),
      [false, false],
    );
  });

  test("are two when they are long, or refused, or no requests", () => {
    assert.ok(!areOne([...REQUEST, ["a", "x".repeat(SHARED_HEAD_BYTES_MAX)]]));
    assert.ok(!areOne([...REQUEST, ["connection", "close"]]));
    assert.ok(!areOne([["grpc-status", "0"]], "trailers"));
    assert.ok(areOne([...REQUEST, ["a", "x".repeat(400)]]));
  });

  test("stay one however many others come between that are said once", () => {
    const heads = new SharedHeads();
    const often: Fields = [...REQUEST, ["a", "0000."]];
    const [, known] = [read(heads, often), read(heads, often)];
    for (let nth = 1; nth < 10_000; nth++) read(heads, [...REQUEST, ["a", `${String(nth).padStart(4, "0")}.`]]);
    assert.equal(read(heads, often), known);
  });

  describe("may come as a block that means something else", () => {
    /** A new connection, which reads the fields of a request and what follows them. */
    const connection = (heads: SharedHeads): ((...octets: readonly number[]) => Head) => {
      const blocks = new HeaderBlocks(LIMITS, heads);
      return (...octets) => {
        const block = Buffer.concat([encodeFields(REQUEST), Buffer.from(octets)]);
        return blocks.decode("request", block, 0, block.length);
      };
    };
    /** A field `a` that goes into the table, the same beside it, and the latest entry of the table. */
    const inserted = (digit: number): readonly number[] => [0x40, 1, 0x61, 1, 0x30 + digit];
    const literal = (digit: number): readonly number[] => [0x00, 1, 0x61, 1, 0x30 + digit];
    const latest = 0xbe;

    test("when the table has changed", () => {
      const heads = new SharedHeads();
      const [one, other] = [connection(heads), connection(heads)];
      one(...inserted(1));
      one(...inserted(1));
      const said = one(latest);
      other(...inserted(1));
      assert.equal(other(latest), said);
      other(...inserted(2));
      assert.deepEqual(other(latest).fields.slice(-2), ["a", "2"]);
    });

    test("on the other connection", () => {
      const heads = new SharedHeads();
      const [one, other] = [connection(heads), connection(heads)];
      one(...inserted(1));
      const said = one(latest);
      other(...inserted(2));
      assert.equal(other(...literal(1)), said);
      assert.deepEqual(other(latest).fields.slice(-2), ["a", "2"]);
    });
  });
});
