import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { percentDecoded, percentEncoded } from "./blocks.ts";
import { Metadata } from "./metadata.ts";
import { timeoutMs, timeoutText } from "./timeout.ts";

describe("grpc-timeout (gRPC over HTTP/2, Timeout)", () => {
  for (const [text, ms] of [
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["3S", 3000],
    ["4m", 4],
    ["5u", 0.005],
    ["6n", 0.000006],
    ["0S", 0],
    ["99999999H", 99_999_999 * 3_600_000],
    ["00000001S", 1000],
  ] as const) {
    test(`${text} is ${ms} ms`, () => assert.ok(Math.abs((timeoutMs(text) ?? -1) - ms) <= ms * 1e-12));
  }

  for (const text of ["", "S", "1", "1s", "-1S", "+1S", "1.5S", " 1S", "1S ", "1S\n", "123456789S", "1e3S", "0x1S"]) {
    test(`${JSON.stringify(text)} is none`, () => assert.equal(timeoutMs(text), undefined));
  }

  test("what is written is read as no less, and hardly more", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 9e10, noNaN: true }), (ms) => {
        const read = timeoutMs(timeoutText(ms)) ?? -1;
        assert.ok(read >= ms * (1 - 1e-12) && read <= ms * 1.001 + 0.001, `${ms}: ${read}`);
      }),
    );
  });

  test("what eight digits hardly hold is written in the next unit", () => {
    assert.equal(timeoutText(99_999.999), "99999999u");
    assert.equal(timeoutText(99_999.9995), "100000m");
    assert.equal(timeoutText(99_999_999), "99999999m");
    assert.equal(timeoutText(99_999_999.5), "100000S");
  });

  test("what is longer than eight digits hold is written as the longest", () => {
    assert.ok((timeoutMs(timeoutText(1e15)) ?? 0) >= 9e10);
    assert.ok((timeoutMs(timeoutText(Number.POSITIVE_INFINITY)) ?? 0) >= 9e10);
  });
});

describe("percent-encoding (gRPC over HTTP/2, Percent-Encoded)", () => {
  test("is read back as it was, and is printable ASCII", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const encoded = percentEncoded(text);
        assert.match(encoded, /^[\x20-\x7e]*$/);
        assert.equal(percentDecoded(encoded), text.toWellFormed());
      }),
    );
  });

  test("what is no escape stays as it is", () => {
    for (const text of ["100%", "%", "%zz", "%1", "a%2"]) assert.equal(percentDecoded(text), text);
  });
});

describe("metadata", () => {
  test("keeps order, and every value of a name; get gives the last", () => {
    const metadata = new Metadata().add("a", "1").add("b", "2").add("a", "3");
    assert.deepEqual(
      [...metadata.fields()],
      [
        ["a", "1"],
        ["b", "2"],
        ["a", "3"],
      ],
    );
    assert.deepEqual(
      [metadata.get("a"), metadata.getAll("a"), metadata.get("c"), metadata.size],
      ["3", ["1", "3"], undefined, 3],
    );
  });

  test("bytes are read back as they were", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const [[name, value] = ["", ""]] = [...new Metadata().add("a-bin", bytes).fields()];
        assert.doesNotMatch(value, /[=,]/);
        const received = new Metadata();
        received.received(name, value);
        assert.deepEqual(received.get("a-bin"), Buffer.from(bytes));
      }),
    );
  });

  test("bytes that come joined by commas are values of their own", () => {
    const received = new Metadata();
    received.received("a-bin", "YQ, Yg==,Yw");
    received.received("b", "1,2");
    const texts = [...received].map(([name, value]) => `${name} ${value}`);
    assert.deepEqual(texts, ["a-bin a", "a-bin b", "a-bin c", "b 1,2"]);
    assert.equal(received.size, 4);
    assert.deepEqual(received.get("a-bin"), Buffer.from("c"));
    assert.deepEqual(received.getAll("a-bin").map(String), ["a", "b", "c"]);
  });

  for (const [name, value] of [
    ["", "a"],
    ["A", "a"],
    ["a b", "a"],
    [":path", "a"],
    ["grpc-status", "0"],
    ["a", "\n"],
    ["a", "\u00fc"],
    ["a", "\x7f"],
    ["a", Buffer.of(1)],
    ["a-bin", "text"],
  ] as const) {
    test(`${JSON.stringify(name)} with ${JSON.stringify(value)} is refused`, () => {
      assert.throws(() => new Metadata().add(name, value), TypeError);
    });
  }
});

describe("metadata that no call can carry (gRPC over HTTP/2, Custom-Metadata)", () => {
  for (const [name, value, rule] of [
    ["X-Upper", "a", /is not a name/],
    ["", "a", /is not a name/],
    ["grpc-status", "0", /is reserved/],
    ["content-length", "5", /is reserved/],
    ["te", "trailers", /is reserved/],
    ["x-text", "a\nb", /not printable ASCII/],
    ["x-text", " a", /begins or ends with a blank/],
    ["x-data-bin", "text", /takes bytes/],
    ["x-text", Buffer.from("bytes"), /takes text/],
  ] as const) {
    test(`${JSON.stringify(name)}: ${JSON.stringify(value)} is refused when it is added`, () => {
      assert.throws(() => new Metadata().add(name, value), { name: "TypeError", message: rule });
    });
  }
});
