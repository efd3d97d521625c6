import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { OptionError } from "./option.ts";
import { fillPlaceholders, parseProperties } from "./properties.ts";

function entries(text: string): Record<string, string> {
  return Object.fromEntries(parseProperties(text, "f").map(({ key, value }) => [key, value]));
}

describe("a properties file", () => {
  test("separates key and value by =, : or blanks, whichever comes first", () => {
    assert.deepEqual(entries("a=1\nb : 2\nc 3\n  d\t=\t4\ne==5\nf"), {
      a: "1",
      b: "2",
      c: "3",
      d: "4",
      e: "=5",
      f: "",
    });
  });

  test("skips comments and blank lines, but not a # inside a value", () => {
    assert.deepEqual(entries("# a=1\n  ! b=2\n\nc=x#y"), { c: "x#y" });
  });

  test("joins lines that end with an odd number of backslashes", () => {
    assert.deepEqual(entries("a=1,\\\n   2,\\\n\t3\nb=x\\\\\nc=y"), { a: "1,2,3", b: "x\\", c: "y" });
  });

  test("reads escapes, also in keys", () => {
    assert.deepEqual(entries("a\\:b\\ c=\\t\\u00e9\\q\\=\\#"), { "a:b c": "\téq=#" });
  });

  test("keeps blanks at the end of a value and drops those before it", () => {
    assert.deepEqual(entries("a=   x  "), { a: "x  " });
  });

  test("tells the line on which each property starts", () => {
    const lines = parseProperties("#\na=1\\\n2\r\nb=3\rc=4", "f").map(({ key, line }) => `${key}:${line}`);
    assert.deepEqual(lines, ["a:2", "b:4", "c:5"]);
  });

  test("names the line of an unfinished \\u", () => {
    assert.throws(() => parseProperties("ok=1\na=\\u12", "conf/x"), {
      name: "OptionError",
      message: /^conf\/x:2 holds \\u/,
    });
  });

  test("gives back whatever was written by the rules of store()", () => {
    const text = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 6 }), (pairs) => {
        const file = pairs.map(([key, value]) => `${stored(key, true)}=${stored(value, false)}`).join("\n");
        const read = parseProperties(file, "f").map(({ key, value }) => [key, value]);
        assert.deepEqual(read, pairs);
      }),
    );
  });

  test("is read or refused with a sentence, whatever it holds", () => {
    const piece = fc.constantFrom("\\", "\n", "\r", "=", ":", "#", "!", " ", "u", "00e9", "a", "\t", "\f");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        try {
          for (const { key, value } of parseProperties(pieces.join(""), "f"))
            assert.equal(typeof key + typeof value, "stringstring");
        } catch (thrown) {
          assert.ok(thrown instanceof OptionError, String(thrown));
        }
      }),
    );
  });
});

describe("placeholders of a value", () => {
  const lookup = (name: string): string | undefined =>
    dollars({ PORT: "9000", NESTED: "@{PORT}", LOOP: "@{LOOP}" }[name]);

  const cases: [string, string, string][] = [
    ["are filled from the lookup", "p=@{PORT}!", "p=9000!"],
    ["take their default when nothing sets the name", "@{NONE:8848}", "8848"],
    ["may default to nothing", "@{NONE:}", ""],
    ["may have colons in the default", "@{NONE:a:b}", "a:b"],
    ["may hold placeholders in the default", "@{NONE:@{OTHER:@{PORT}}}", "9000"],
    ["are filled again in what they give", "@{NESTED}", "9000"],
  ];
  for (const [says, value, filled] of cases) {
    test(says, () => assert.equal(fillPlaceholders(dollars(value), lookup, "f:1"), filled));
  }

  test("without a value, without an end or in a circle are refused by name", () => {
    for (const name of ["NONE", "LOOP"])
      assert.throws(() => fillPlaceholders(dollars(`@{${name}}`), lookup, "f:1"), OptionError);
    assert.throws(() => fillPlaceholders(dollars("@{PORT"), lookup, "f:1"), { message: /no closing brace/ });
  });
});

/** The tests write `@{X}` for a placeholder, which the linter would take for a template that forgot its backticks. */
function dollars<T extends string | undefined>(text: T): T {
  return text?.replaceAll("@{", "$" + "{") as T;
}

/** A text as `java.util.Properties.store` writes it, with everything beyond ASCII escaped. */
function stored(text: string, isKey: boolean): string {
  return [...Array(text.length).keys()]
    .map((at) => {
      const char = text.charAt(at);
      if (char === " ") return isKey || at === 0 ? "\\ " : " ";
      if ("\\=:#!".includes(char)) return `\\${char}`;
      return char >= "!" && char <= "~" ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
    })
    .join("");
}
