import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import fc from "fast-check";
import { EXPRESSION_LENGTH_MAX, parseExpression, parseSelector, select, selectorBody } from "./selector.ts";

const byZone = parseSelector({ type: "label", expression: "CONSUMER.label.zone = PROVIDER.label.zone" });
const byBoth = parseSelector({
  type: "label",
  expression: "CONSUMER.label.zone=PROVIDER.label.zone & CONSUMER.label.room = PROVIDER.label.room",
});

describe("a selector", () => {
  test("is none when it is absent or blank", () => {
    for (const given of [undefined, null, "", "  ", '{"type":"none"}', { type: "none" }])
      assert.deepEqual(parseSelector(given), { type: "none" });
  });

  test("of type label names the labels in which consumer and provider agree", () => {
    const text = '{"type":"label","expression":"CONSUMER.label.zone = PROVIDER.label.zone"}';
    assert.deepEqual(parseSelector(text), {
      type: "label",
      expression: "CONSUMER.label.zone = PROVIDER.label.zone",
      labels: ["zone"],
    });
    assert.deepEqual(byBoth.type === "label" && byBoth.labels, ["zone", "room"]);
    assert.deepEqual(parseSelector({ type: "label" }), { type: "label", expression: "", labels: [] });
  });

  test("is shown with its type once", () => {
    assert.deepEqual(selectorBody({ type: "none" }), { type: "none", contextType: "NONE" });
    assert.deepEqual(selectorBody(byZone), {
      type: "label",
      contextType: "CMDB",
      expression: "CONSUMER.label.zone = PROVIDER.label.zone",
    });
  });

  for (const [given, rule] of [
    ["{", /not JSON/],
    ["[]", /JSON object/],
    ["7", /JSON object/],
    ["{}", /type undefined is unknown; the types are none and label/],
    ['{"type":"nearest"}', /type "nearest" is unknown/],
    ['{"type":"label","expression":7}', /expression must be text/],
    ['{"type":"label","expression":"zone=a"}', /condition "zone=a" must be written/],
    ['{"type":"label","expression":"CONSUMER.label.a=PROVIDER.label.b"}', /the same label on both sides/],
    ['{"type":"label","expression":"CONSUMER.label.a=PROVIDER.label.a &"}', /condition "" must be written/],
    ['{"type":"label","expression":"CONSUMER.label.a==PROVIDER.label.a"}', /must be written/],
    [`{"type":"label","expression":"${"a".repeat(EXPRESSION_LENGTH_MAX + 1)}"}`, /most allowed/],
  ] as const)
    test(`${given.slice(0, 70)} is refused by name`, () => {
      assert.throws(
        () => parseSelector(given),
        (thrown) => thrown instanceof RegistryError && thrown.failure === "selectorError" && rule.test(thrown.message),
      );
    });
});

describe("a label expression", () => {
  const label = fc.stringMatching(/^[a-zA-Z0-9_.-]{1,12}$/);
  const condition = (name: string) => `CONSUMER.label.${name}=PROVIDER.label.${name}`;

  test("gives back the labels it was written from, whatever white space is put into it", () => {
    const space = fc.array(fc.tuple(fc.nat(), fc.constantFrom(" ", "\t", "\n", "\u00a0")), { maxLength: 8 });
    fc.assert(
      fc.property(fc.uniqueArray(label, { maxLength: 5 }), space, (labels, spaces) => {
        let text = labels.map(condition).join("&");
        for (const [at, blank] of spaces) {
          const cut = at % (text.length + 1);
          text = text.slice(0, cut) + blank + text.slice(cut);
        }
        assert.deepEqual(parseExpression(text), labels);
      }),
    );
  });

  test("is either read or refused as selectorError, whatever the text", () => {
    const piece = fc.constantFrom("CONSUMER.label.", "PROVIDER.label.", "=", "&", "zone", ".", " ", "é");
    const text = fc.oneof(
      fc.string(),
      fc.array(piece).map((pieces) => pieces.join("")),
    );
    fc.assert(
      fc.property(text, (expression) => {
        try {
          for (const name of parseExpression(expression)) assert.match(name, /^[^=&\s]+$/u);
        } catch (thrown) {
          assert.ok(thrown instanceof RegistryError && thrown.failure === "selectorError", String(thrown));
        }
      }),
    );
  });
});

describe("selecting instances", () => {
  const labels: Record<string, Record<string, string>> = {
    "10.0.0.1": { zone: "a", room: "1" },
    "10.0.0.2": { zone: "a", room: "2" },
    "10.0.0.3": { zone: "b", room: "1" },
    "10.9.9.1": { zone: "a", room: "1" },
    "10.9.9.2": { zone: "z", room: "1" },
    "10.9.9.3": { zone: " " },
  };
  const labelsOf = (ip: string) => labels[ip];
  const all = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"].map((ip) => ({ ip }));
  const seenBy = (consumer: string, selector = byZone) =>
    select(all, selector, consumer, labelsOf).map((instance) => instance.ip);

  test("keeps those whose named labels all equal the consumer's", () => {
    assert.deepEqual(seenBy("10.9.9.1"), ["10.0.0.1", "10.0.0.2"]);
    assert.deepEqual(seenBy("10.9.9.1", byBoth), ["10.0.0.1"]);
  });

  test("gives the whole list when nothing matches", () => {
    assert.equal(seenBy("10.9.9.2").length, 4);
  });

  test("gives the whole list to a consumer whose label is blank or unknown", () => {
    assert.equal(seenBy("10.9.9.3").length, 4);
    assert.equal(seenBy("10.1.1.1").length, 4);
  });

  test("gives the whole list when the labels cannot be read", () => {
    const broken = () => {
      throw new Error("no file");
    };
    assert.equal(select(all, byZone, "10.9.9.1", broken).length, 4);
  });

  test("does not take a name of Object's prototype for a label", () => {
    const selector = parseSelector({
      type: "label",
      expression: "CONSUMER.label.constructor=PROVIDER.label.constructor",
    });
    const own = (ip: string) => (ip === "10.0.0.3" ? {} : { constructor: ip === "10.0.0.2" ? "z" : "a" });
    assert.deepEqual(select(all, selector, "10.9.9.1", own), [{ ip: "10.0.0.1" }, { ip: "10.0.0.4" }]);
  });
});
