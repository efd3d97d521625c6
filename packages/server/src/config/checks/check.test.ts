import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConfigType } from "@nacre/protocol";
import { check } from "./check.ts";

/** Contents with the sentence about each; undefined for one that is right. */
const CONTENTS: Readonly<Record<ConfigType, Readonly<Record<string, string | undefined>>>> = {
  json: {
    '{"a": [1, 2.5e3, "x\\u4e2d", null, true]}': undefined,
    '{"a":x}': "not valid json at line 1, column 6: a value is expected",
    '{\r\n  "中文": 1,\r\n  "b": }': "not valid json at line 3, column 8: a value is expected",
    '{"中文": "值" "b": 1}': "not valid json at line 1, column 12: a comma or } is expected",
    '{\r"a": 1,\r}': "not valid json at line 3, column 1: a name in double quotes is expected",
    "[1, 2": "not valid json at line 1, column 6: the text ends where a comma or ] is expected",
    "": "not valid json at line 1, column 1: the text ends where a value is expected",
    "{'a': 1}": "not valid json at line 1, column 2: a name in double quotes is expected",
    '{"a" 1}': "not valid json at line 1, column 6: a colon is expected",
    '"a\nb"': "not valid json at line 1, column 3: a control character in a text must be escaped",
    '"\u001f"': "not valid json at line 1, column 2: a control character in a text must be escaped",
    '"\\u12G4"': "not valid json at line 1, column 2: \\u must be followed by four hexadecimal digits",
    '"\\x"': 'not valid json at line 1, column 2: only " \\ / b f n r t u may follow a backslash',
    '"abc': 'not valid json at line 1, column 5: the text ends where " is expected',
    "1 2": "not valid json at line 1, column 3: nothing may follow the value",
    "\ufeff{}": "not valid json at line 1, column 1: a value is expected",
  },
  yaml: {
    "a: 1\n---\nb: {c: [1, 2]}\n": undefined,
    "": undefined,
    "base: &b {x: 1}\nuse:\n  <<: *b\n  y: !Ref z\n": undefined,
    "a: 1\r\nb: c: d\r\n": "not valid yaml at line 2, column 4: Nested mappings are not allowed in compact mappings",
    "中文: 1\n文: [1, 2":
      "not valid yaml at line 2, column 9: Flow sequence in block collection must be sufficiently indented and end with a ]",
    "a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n": "not valid yaml at line 5, column 3: the key c stands twice in one map",
    "a: &self [*self]\nb: *self\n": undefined,
    "a: *nobody\n": "not valid yaml at line 1, column 4: no anchor named nobody stands before this alias",
  },
  xml: {
    '<?xml version="1.0"?>\n<a b="1"><!-- x --><c/></a>': undefined,
    "<a>\r\n <b></a>":
      "not valid xml at line 2, column 5: Expected closing tag 'b' (opened in line 2, col 2) instead of closing tag 'a'",
    "<a>\n <中 x=1/></a>": "not valid xml at line 2, column 5: Attribute 'x' is without value",
    hello: "not valid xml at line 1, column 1: char 'h' is not expected",
    "": "not valid xml at line 1, column 1: Start tag expected",
  },
  toml: {
    "a = 1\n[b]\nc = ['x', 'y']\n": undefined,
    "a = 1\r\nb = \r\n": "not valid toml at line 2, column 5: invalid value",
    'x = "中" y': "not valid toml at line 1, column 9: each key-value declaration must be followed by an end-of-line",
    "a=1\na=2\n": "not valid toml at line 2, column 1: trying to redefine an already defined table or value",
  },
  properties: {
    "a=1\nb:2\nc d\nalone\n\\u4e2d=x\n": undefined,
    "# \\uno comment is read\n! \\u\na=1": undefined,
    "a=\\\\user": undefined,
    "a=1\r\nb=中\\u12": "not valid properties at line 2, column 4: \\u must be followed by four hexadecimal digits",
    "a=one \\\r\n  # \\ux goes on":
      "not valid properties at line 2, column 5: \\u must be followed by four hexadecimal digits",
    "a=one \\\\\n  # \\u a comment": undefined,
  },
  html: { "<p>a": undefined },
  text: { "{": undefined },
  unset: { "{": undefined },
};

for (const [type, contents] of Object.entries(CONTENTS) as [ConfigType, Record<string, string | undefined>][]) {
  describe(`a content in ${type}`, () => {
    for (const [text, sentence] of Object.entries(contents)) {
      test(`${JSON.stringify(text)} is ${sentence === undefined ? "right" : "wrong"}`, async () => {
        assert.equal(await check(type, text), sentence);
      });
    }
  });
}

describe("a JSON schema", () => {
  const schema = JSON.stringify({
    type: "object",
    required: ["server"],
    additionalProperties: false,
    properties: {
      server: {
        type: "object",
        required: ["host"],
        properties: { port: { type: "integer" }, host: {}, "a/b": { type: "null" } },
      },
      list: { items: { enum: ["x", "y"] } },
      any: { anyOf: [{ type: "string" }, { type: "boolean" }] },
    },
  });

  const cases: readonly (readonly [type: ConfigType, text: string, sentence: string | undefined])[] = [
    ["json", '{"server":{"host":"h","port":80}}', undefined],
    ["yaml", "server:\n  host: h\n  port: 80\n", undefined],
    ["yaml", "", undefined],
    [
      "json",
      '{\r\n "server": {\r\n  "host": "中", "port": "80"}}',
      "not valid json at line 3, column 24: /server/port must be integer, rule type",
    ],
    [
      "yaml",
      "server:\r\n  host: 中\r\n  port: x\r\n",
      "not valid yaml at line 3, column 9: /server/port must be integer, rule type",
    ],
    [
      "json",
      '{"server": {}}',
      "not valid json at line 1, column 12: /server must have required property 'host', rule required",
    ],
    [
      "yaml",
      "other: 1\nserver: {host: h}\n",
      "not valid yaml at line 1, column 1: /other is not a property that the schema knows, rule additionalProperties",
    ],
    [
      "json",
      '{"server":{"host":1},\n"x/y":1}',
      "not valid json at line 2, column 1: /x~1y is not a property that the schema knows, rule additionalProperties",
    ],
    [
      "json",
      '{"server":{"host":1, "a/b": 1}}',
      "not valid json at line 1, column 29: /server/a~1b must be null, rule type",
    ],
    [
      "yaml",
      "server: {host: h}\nlist:\n- x\n- z\n",
      'not valid yaml at line 4, column 3: /list/1 must be equal to one of the allowed values (["x","y"]), rule enum',
    ],
    [
      "yaml",
      "server: {host: h}\nany: 1\n",
      "not valid yaml at line 2, column 6: /any must match a schema in anyOf, rule anyOf",
    ],
    [
      "yaml",
      "server: {host: h}\n---\nserver:\n  port: 1\n",
      "not valid yaml at line 4, column 3: /server must have required property 'host', rule required",
    ],
    [
      "yaml",
      "base: &s {host: h, port: x}\n",
      "not valid yaml at line 1, column 1: the root must have required property 'server', rule required",
    ],
    [
      "yaml",
      "server: &s {host: h}\nlist: [*s]\n",
      'not valid yaml at line 2, column 8: /list/0 must be equal to one of the allowed values (["x","y"]), rule enum',
    ],
    ["xml", "<a/>", undefined],
  ];
  for (const [type, text, sentence] of cases) {
    test(`of ${type} ${JSON.stringify(text)}`, async () => assert.equal(await check(type, text, schema), sentence));
  }

  test("that can not be used is told in a sentence about itself", async () => {
    assert.equal(
      await check("json", "1", "{"),
      "the schema is not valid json at line 1, column 2: the text ends where a name in double quotes is expected",
    );
    assert.equal(await check("json", "1", "[]"), "the schema must be a JSON object");
    assert.match(
      (await check("json", "1", '{"type":"nothing"}')) ?? "",
      /^the schema can not be used: schema is invalid/,
    );
    assert.match(
      (await check("json", "1", '{"$schema":"http://json-schema.org/draft-04/schema#"}')) ?? "",
      /^the schema names .*draft-04/,
    );
    assert.match(
      (await check("json", "1", '{"$ref":"http://127.0.0.1/x"}')) ?? "",
      /^the schema can not be used: can't resolve reference/,
    );
  });

  test("may be of a later draft", async () => {
    const later = '{"$schema":"https://json-schema.org/draft/2020-12/schema","prefixItems":[{"type":"string"}]}';
    assert.equal(await check("json", "[1]", later), "not valid json at line 1, column 2: /0 must be string, rule type");
  });
});

describe("a hostile content", () => {
  test("in YAML whose aliases grow is told so when values are needed", async () => {
    const bomb = `a: &a [x]\n${[..."bcdefgh"].map((key, index) => `${key}: &${key} [${`*${"abcdefgh"[index]},`.repeat(9)}]\n`).join("")}`;
    assert.equal(await check("yaml", bomb), undefined, "the text itself is right");
    assert.match((await check("yaml", bomb, '{"type":"object"}')) ?? "", /^not valid yaml: .*alias count/);
  });

  test("that is nested deeper than a stack is told so", async () => {
    assert.match(
      (await check("yaml", "[".repeat(200_000))) ?? "",
      /^not valid yaml at line 1, column \d+: it is nested too deeply$/,
    );
  });

  test("with an expanding document type in XML is not expanded", async () => {
    assert.equal(await check("xml", '<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><a>&z;</a>'), undefined);
  });

  test("with a key of JavaScript's own is data", async () => {
    const schema = '{"type":"object","additionalProperties":{"type":"integer"}}';
    assert.match((await check("json", '{"__proto__": "x"}', schema)) ?? "", /column 15: \/__proto__ must be integer/);
    assert.match((await check("yaml", '__proto__: "x"', schema)) ?? "", /column 12: \/__proto__ must be integer/);
  });
});
