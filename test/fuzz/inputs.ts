import fc from "fast-check";

/** Names that do harm where an object is used as a table. */
export const HOSTILE_NAMES = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "valueOf",
  "hasOwnProperty",
  "polluted",
];

const hostileText = fc.constantFrom(
  ...HOSTILE_NAMES,
  ...[
    "",
    " ",
    "\0",
    "\ud800",
    "\udfff\ud800",
    "配置",
    "\u202e",
    "a\r\nb",
    "%",
    "%zz",
    "%ff",
    "null",
    "NaN",
    "1e309",
    "-0",
    "@@",
    "##",
    ">>",
    "*",
  ],
  '{"__proto__":{"polluted":true}}',
  "[".repeat(5000),
  "x".repeat(5000),
);

export const anyText = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: "binary", maxLength: 40 }) },
  { weight: 2, arbitrary: fc.string({ maxLength: 40 }) },
  { weight: 2, arbitrary: hostileText },
);

const wrongValue = fc.oneof(
  hostileText,
  fc.constantFrom<unknown>(null, true, false, 0, -1, 1.5, 65_536, 1e308, -1e308, 2 ** 53, [], {}, [[]], {
    a: { b: 1 },
  }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

/** JSON of every shape, with hostile names as own keys. */
export const anyJson: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    wrongValue,
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.oneof(fc.constantFrom(...HOSTILE_NAMES), fc.string({ maxLength: 8 })), tie("value")), {
        maxLength: 4,
      })
      .map((entries) => Object.fromEntries(entries)),
  ),
})).value;

/** Mutations of a valid object: a field replaced, left out or added, at the top or one level below. */
export function mutated(valid: Readonly<Record<string, unknown>>): fc.Arbitrary<Record<string, unknown>> {
  const names = Object.keys(valid);
  const nested = names.filter((name) => isObject(valid[name]) || Array.isArray(valid[name]));
  const here = fc
    .tuple(fc.constantFrom(...names, ...HOSTILE_NAMES), fc.option(anyJson, { nil: undefined }))
    .map(([name, value]) => {
      const { [name]: _, ...rest } = valid;
      return value === undefined ? rest : Object.fromEntries([...Object.entries(rest), [name, value]]);
    });
  const below = nested.map((name) => {
    const held = valid[name];
    return isObject(held)
      ? mutated(held).map((inner) => ({ ...valid, [name]: inner }))
      : fc
          .array(fc.oneof(anyJson, ...(held as unknown[]).filter(isObject).map(mutated)), { maxLength: 4 })
          .map((list) => ({
            ...valid,
            [name]: list,
          }));
  });
  return fc.oneof(fc.constant({ ...valid }), here, ...below);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
}

/** Mutations of valid text: pieces cut out, doubled, replaced and put in. */
export function mutatedText(...valid: readonly string[]): fc.Arbitrary<string> {
  const edit = fc.tuple(fc.nat(), fc.nat(12), fc.oneof(anyText, fc.constantFrom(...valid)));
  const edited = fc.tuple(fc.constantFrom(...valid), fc.array(edit, { maxLength: 3 })).map(([text, edits]) =>
    edits.reduce((held, [at, length, put]) => {
      const from = held.length === 0 ? 0 : at % (held.length + 1);
      return held.slice(0, from) + put + held.slice(from + length);
    }, text),
  );
  return fc.oneof({ weight: 3, arbitrary: edited }, { weight: 1, arbitrary: anyText });
}

/** Mutations of valid bytes: bits flipped, pieces cut out and put in, the end cut off. */
export function mutatedBytes(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const edit = fc.tuple(fc.nat(), fc.nat(8), fc.uint8Array({ maxLength: 8 }));
  const edited = fc.tuple(valid, fc.array(edit, { maxLength: 4 })).map(([bytes, edits]) =>
    edits.reduce<Uint8Array>((held, [at, length, put]) => {
      const from = held.length === 0 ? 0 : at % (held.length + 1);
      return Buffer.concat([held.subarray(0, from), put, held.subarray(from + length)]);
    }, bytes),
  );
  return fc.oneof({ weight: 3, arbitrary: edited }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) });
}
