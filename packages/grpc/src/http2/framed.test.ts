import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { framedFor } from "./framed.ts";

const message = (length: number): Buffer => Buffer.alloc(length, "m");

describe("a message that goes to many connections", () => {
  test("is framed at the second stream of an id, and given from the same memory to all that follow", () => {
    const large = message(20_000);
    assert.equal(framedFor(1, large), undefined);
    const framed = framedFor(1, large);
    assert.ok(framed !== undefined);
    assert.equal(framedFor(1, large), framed);

    const [first, second] = [framed.subarray(0, 9 + 16_384), framed.subarray(9 + 16_384)];
    assert.equal(first.toString("hex", 0, 9), "004000000000000001", "16,384 bytes of DATA on stream 1, no flags");
    assert.equal(second.toString("hex", 0, 9), "000e25000000000001", "the 3,621 that are left");
    const content = Buffer.concat([first.subarray(9), second.subarray(9)]);
    assert.equal(content.toString("hex", 0, 5), "0000004e20", "not compressed, 20,000 bytes");
    assert.ok(content.subarray(5).equals(large));
  });

  test("is framed for each id by itself", () => {
    const large = message(5000);
    for (const id of [1, 3]) framedFor(id, large);

    assert.equal(framedFor(1, large)?.readUInt32BE(5), 1);
    assert.equal(framedFor(3, large)?.readUInt32BE(5), 3);
  });

  test("is forgotten when another one is sent, however equal", () => {
    const one = message(5000);
    framedFor(1, one);
    framedFor(1, one);

    assert.equal(framedFor(1, message(5000)), undefined);
    assert.equal(framedFor(1, one), undefined);
  });

  test("is not kept when it is very long, nor for more than a few ids", () => {
    const huge = message(256 * 1024 + 1);
    framedFor(1, huge);
    assert.equal(framedFor(1, huge), undefined);

    const large = message(5000);
    for (let id = 1; id <= 15; id += 2) framedFor(id, large);
    framedFor(17, large);
    assert.equal(framedFor(17, large), undefined);
    assert.ok(framedFor(15, large) !== undefined);
  });
});
