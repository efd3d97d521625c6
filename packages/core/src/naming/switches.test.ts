import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { NamingBench, refusalOf } from "@nacre/testkit/naming-bench";
import { load, refuses, rowsOf } from "./index.ts";
import { changeOfSwitch, DEFAULT_SWITCHES, type Switches } from "./switches.ts";

const FLAGS: Record<string, keyof Switches> = {
  check: "healthCheckEnabled",
  autoChangeHealthCheckEnabled: "autoChangeHealthCheckEnabled",
  distro: "distroEnabled",
  enableStandalone: "enableStandalone",
  pushEnabled: "pushEnabled",
  disableAddIP: "disableAddIP",
  sendBeatOnly: "sendBeatOnly",
  lightBeatEnabled: "lightBeatEnabled",
  defaultInstanceEphemeral: "defaultInstanceEphemeral",
};
const PARAMS = { max: 4000, min: 600, factor: 0.5 };
const HEALTH_WRONG = [
  "",
  "x",
  "[]",
  "null",
  "1",
  '{"max":4000,"min":600}',
  '{"max":4000,"min":"600","factor":0.5}',
  '{"max":2999,"min":600,"factor":0.5}',
  '{"max":4000,"min":499,"factor":0.5}',
  '{"max":4000,"min":5000,"factor":0.5}',
  '{"max":4000,"min":600,"factor":1.1}',
  '{"max":4000,"min":600,"factor":-0.1}',
];
const integers = (least: number) => [String(least - 1), "", "-1", "1.5", "x", "1e3", "9".repeat(13)];

/** Entry, a good value, the field it sets, what to, and values that are refused. */
const ENTRIES: readonly [string, string, keyof Switches, unknown, readonly string[]][] = [
  ["masters", "a:1,b:2,", "masters", ["a:1", "b:2"], []],
  ["pushCacheMillis", "10000", "defaultPushCacheMillis", 10_000, integers(10_000)],
  ["clientBeatInterval", "100", "clientBeatInterval", 100, integers(100)],
  ["defaultCacheMillis", "1000", "defaultCacheMillis", 1000, integers(1000)],
  ["distroThreshold", "0.5", "distroThreshold", 0.5, ["0", "-1", "x", "Infinity", ""]],
  ["healthCheckTimes", "1", "checkTimes", 1, integers(1)],
  ["httpHealthParams", JSON.stringify(PARAMS), "httpHealthParams", PARAMS, HEALTH_WRONG],
  ["tcpHealthParams", JSON.stringify(PARAMS), "tcpHealthParams", PARAMS, HEALTH_WRONG],
  ["mysqlHealthParams", JSON.stringify(PARAMS), "mysqlHealthParams", PARAMS, HEALTH_WRONG],
  ["serverStatusSynchronizationPeriodMillis", "1000", "serverStatusSynchronizationPeriodMillis", 1000, integers(1000)],
  [
    "serviceStatusSynchronizationPeriodMillis",
    "5000",
    "serviceStatusSynchronizationPeriodMillis",
    5000,
    integers(5000),
  ],
  ["distroServerExpiredMillis", "1", "distroServerExpiredMillis", 1, integers(1)],
  ["overriddenServerStatus", "READ_ONLY", "overriddenServerStatus", "READ_ONLY", ["up", "x"]],
  ["overriddenServerStatus", "", "overriddenServerStatus", null, []],
  [
    "limitedUrlMap",
    "/a:b:404,/c:503",
    "limitedUrlMap",
    { "/a:b": 404, "/c": 503 },
    ["/a", ":404", "/a:99", "/a:600", "/a:x", "/a:4.5"],
  ],
  [
    "pushVersion",
    "go:1.2.3",
    "pushVersionOfGo",
    "1.2.3",
    ["go", "go:1.2", "rust:1.2.3", "__proto__:1.2.3", "go:1.2.x"],
  ],
  ["pushVersion", "csharp:0.9.1", "pushVersionOfCSharp", "0.9.1", []],
  ...Object.entries(FLAGS).map(([entry, field]): [string, string, keyof Switches, unknown, string[]] => [
    entry,
    String(!DEFAULT_SWITCHES[field]),
    field,
    !DEFAULT_SWITCHES[field],
    ["", "TRUE", "1", "yes"],
  ]),
];

describe("a switch", () => {
  for (const [entry, value, field, expected, wrong] of ENTRIES)
    test(`${entry} takes '${value}'${wrong.length === 0 ? "" : ` and refuses ${wrong.length} others by name`}`, () => {
      assert.deepEqual(changeOfSwitch(entry, value), { [field]: expected });
      for (const bad of wrong) {
        const refused = changeOfSwitch(entry, bad);
        assert.ok(typeof refused === "string", `${entry} took '${bad}'`);
        assert.ok(refused.startsWith(`switch '${entry}' must be `) && refused.endsWith(`not '${bad}'`), refused);
      }
    });

  test("that does not exist is refused with the names of those that do", () => {
    for (const entry of ["", "nothing", "__proto__", "constructor"])
      assert.match(String(changeOfSwitch(entry, "1")), /^unknown switch '.*'; known are masters, .*pushVersion$/);
  });
});

describe("switches", () => {
  test("are durable, and health checking hears of them", () => {
    const bench = new NamingBench();
    const effects = bench.apply({ type: "setSwitch", entry: "healthCheckTimes", value: "5" });
    assert.equal(bench.state.switches.checkTimes, 5);
    assert.deepEqual(rowsOf(effects), [{ kind: "switch", key: "checkTimes", value: "5" }]);
    const params = effects.find((effect) => effect.type === "healthParams")?.params;
    assert.deepEqual(
      [params?.checkTimes, params?.enabled, params?.intervals.TCP],
      [5, true, { minMs: 1000, maxMs: 5000, factor: 0.75 }],
    );
  });

  /** What a start makes of rows, in any order. */
  function loaded(rows: readonly { readonly key: string; readonly value: unknown }[]): NamingBench {
    const bench = new NamingBench();
    for (const { key, value } of rows)
      load(bench.state, { kind: "switch", key, value: JSON.stringify(value) }, bench.now);
    return bench;
  }

  test("have a row each when they were set, so that versions that know others write the same", () => {
    const bench = loaded([
      { key: "ofALaterVersion", value: 1 },
      { key: "checkTimes", value: 5 },
      { key: "pushVersionOfGo", value: "1.2.3" },
    ]);
    assert.deepEqual(bench.state.switches, { ...DEFAULT_SWITCHES, checkTimes: 5, pushVersionOfGo: "1.2.3" });
    const rows = rowsOf(bench.apply({ type: "setSwitch", entry: "healthCheckTimes", value: "3" }));
    assert.deepEqual(rows, [{ kind: "switch", key: "checkTimes", value: "3" }], "also when it is the default again");
  });

  test("of a store that has one row for all get rows of their own with the next change", () => {
    const before = { ...DEFAULT_SWITCHES, checkTimes: 5 };
    const bench = loaded([{ key: "switches", value: before }]);
    assert.deepEqual(bench.state.switches, before);
    const rows = rowsOf(bench.apply({ type: "setSwitch", entry: "check", value: "false" }));
    assert.deepEqual(
      rows.filter(({ value }) => value === undefined).map(({ key }) => key),
      ["switches"],
    );
    const held = rows.flatMap(({ key, value }) => (value === undefined ? [] : [{ key, value: JSON.parse(value) }]));
    const after = { ...before, healthCheckEnabled: false };
    assert.deepEqual(loaded(held.toReversed()).state.switches, after);
    const again = rowsOf(bench.apply({ type: "setSwitch", entry: "check", value: "true" }));
    assert.deepEqual(again, [{ kind: "switch", key: "healthCheckEnabled", value: "true" }]);
  });

  test("refuse a bad value before the log and in it, and stay as they are", () => {
    const bench = new NamingBench();
    const bad = { type: "setSwitch", entry: "check", value: "perhaps" } as const;
    assert.equal(refuses(bench.state, bad)?.failure, "invalidParameter");
    assert.match(refusalOf(bench.apply(bad)) ?? "", /switch 'check' must be true or false/);
    assert.equal(bench.state.switches, DEFAULT_SWITCHES);
  });
});
