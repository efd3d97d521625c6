import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HpackDecoder } from "./decoder.ts";
import { encodeFields, TABLE_SIZE_ZERO } from "./encoder.ts";
import { decoded, type Field, integer, string, tableOf } from "./encoding.fixture.ts";
import { STATIC_TABLE } from "./static-table.ts";

const hex = (fields: readonly Field[]) => encodeFields(fields).toString("hex");

describe("an encoded block", () => {
  test("has one octet for a field of the static table (RFC 7541, 6.1)", () => {
    assert.equal(hex([[":method", "POST"]]), "83");
    assert.deepEqual(
      encodeFields(STATIC_TABLE),
      Buffer.from(STATIC_TABLE.map((_, place) => 0x80 | (place + 1))),
      "each by its own index",
    );
  });

  test("takes a name from the static table, and the value as it is (6.2.2)", () => {
    assert.deepEqual(
      [...encodeFields([["content-type", "application/grpc"]])],
      [...integer(31, 4), ...string("application/grpc", false)],
    );
  });

  test("writes a name that the static table does not have (6.2.2)", () => {
    assert.deepEqual(
      [...encodeFields([["grpc-status", "0"]])],
      [0x00, ...string("grpc-status", false), ...string("0", false)],
    );
  });

  test("marks what is secret as never indexed, so that no proxy puts it into a table (6.2.3, 7.1.3)", () => {
    for (const name of ["authorization", "cookie", "proxy-authorization", "set-cookie"]) {
      assert.equal((encodeFields([[name, "secret"]])[0] ?? 0) & 0xf0, 0x10, name);
    }
  });

  test("is constant: it enters nothing into the dynamic table of who reads it, and holds no state", () => {
    const fields: Field[] = [
      [":status", "200"],
      ["content-type", "application/grpc"],
      ["authorization", "secret"],
      ["own", "value"],
    ];
    const decoder = new HpackDecoder();
    assert.deepEqual(decoded(decoder, encodeFields(fields)), fields);
    assert.deepEqual(tableOf(decoder), []);
    assert.equal(decoder.changes, 0);
    assert.equal(hex(fields), hex(fields));
  });

  test("of two lists is one after the other, so that blocks can be put together", () => {
    const first: Field[] = [[":status", "200"]];
    const second: Field[] = [["grpc-status", "0"]];
    assert.equal(hex([...first, ...second]), hex(first) + hex(second));
  });

  test("holds values of any length and any octet", () => {
    for (const length of [0, 1, 126, 127, 128, 254, 255, 256, 16_383, 20_000]) {
      const fields: Field[] = [
        ["n".repeat(length), Buffer.alloc(length, "\x00\x7f\x80\xff", "latin1").toString("latin1")],
      ];
      assert.deepEqual(decoded(new HpackDecoder(), encodeFields(fields)), fields);
    }
  });

  test("takes no character above 0xff, which cut to an octet could end a line", () => {
    const lineEnd = "\u010a";
    assert.throws(() => encodeFields([["name", lineEnd]]), { name: "TypeError", message: /above 0xff/ });
    assert.throws(() => encodeFields([[lineEnd, "value"]]), { name: "TypeError", message: /above 0xff/ });
  });
});

test("TABLE_SIZE_ZERO is a size update to 0 before a block (RFC 7541, 4.2)", () => {
  const decoder = new HpackDecoder();
  decoded(decoder, [0x40, ...string("own", false), ...string("value", false)]);
  const block = Buffer.concat([TABLE_SIZE_ZERO, encodeFields([[":method", "GET"]])]);
  assert.deepEqual(decoded(decoder, block), [[":method", "GET"]]);
  assert.deepEqual(tableOf(decoder), []);
  assert.deepEqual(decoded(new HpackDecoder(0), TABLE_SIZE_ZERO), [], "no more than 0");
});
