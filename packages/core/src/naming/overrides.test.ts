import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CALLER, instance, NamingBench, pushedTo, service } from "@nacre/testkit/naming-bench";
import { minutes, seconds } from "../lib/units.ts";
import type { OverrideEdit } from "./commands.ts";
import { type Effect, rowsOf } from "./index.ts";
import type { Override } from "./model.ts";
import { findService } from "./state.ts";

const orders = service();
const a = instance("10.0.0.1:80");
const KEY = "10.0.0.1:80:DEFAULT";

function set(bench: NamingBench, edit: OverrideEdit, ...instances: string[]): Effect[] {
  const all = instances.length === 0 ? [KEY] : instances;
  return bench.apply({ type: "setOverrides", service: orders, instances: all, edit, caller: CALLER });
}

function held(bench: NamingBench, key = KEY): Override | undefined {
  return findService(bench.state, orders)?.overrides?.get(key);
}

function published(): NamingBench {
  const bench = new NamingBench();
  bench.connect("one", "reader");
  bench.publish("one", orders, a);
  bench.read("reader", orders);
  return bench;
}

const OFFLINE: OverrideEdit = { how: "patch", enabled: false };

describe("an operator's record of an instance", () => {
  const first: Override = { weight: 2, enabled: true, metadata: { a: "1", b: "2" } };
  const EDITS: readonly [string, OverrideEdit, Override | undefined][] = [
    [
      "is replaced whole",
      { how: "replace", override: { weight: undefined, enabled: false, metadata: {} } },
      { weight: undefined, enabled: false, metadata: {} },
    ],
    ["is patched in what is given", { how: "patch", enabled: false }, { ...first, enabled: false }],
    [
      "loses its metadata to given metadata",
      { how: "patch", metadata: { c: "3" } },
      { ...first, metadata: { c: "3" } },
    ],
    [
      "is merged key by key",
      { how: "mergeMetadata", metadata: { b: "9", c: "3" } },
      { ...first, metadata: { a: "1", b: "9", c: "3" } },
    ],
    ["loses named keys only", { how: "removeMetadata", keys: ["a", "x"] }, { ...first, metadata: { b: "2" } }],
    ["is dropped", { how: "drop" }, undefined],
  ];
  for (const [what, edit, expected] of EDITS)
    test(what, () => {
      const bench = published();
      set(bench, { how: "replace", override: first });
      const rows = rowsOf(set(bench, edit));
      assert.deepEqual(held(bench), expected);
      assert.deepEqual(
        rows.map(({ kind, value }) => [kind, value && JSON.parse(value)]),
        [["override", expected && JSON.parse(JSON.stringify(expected))]],
      );
    });

  test("begins with nothing", () => {
    const bench = published();
    set(bench, { how: "removeMetadata", keys: ["a"] });
    assert.deepEqual(held(bench), { weight: undefined, enabled: undefined, metadata: {} });
  });

  test("may be set for many instances at once, and is pushed once", () => {
    const bench = published();
    const other = "10.0.0.2:80:DEFAULT";
    const effects = set(bench, OFFLINE, KEY, other);
    assert.deepEqual([held(bench)?.enabled, held(bench, other)?.enabled], [false, false]);
    assert.equal(rowsOf(effects).length, 2);
    assert.deepEqual(pushedTo(effects), ["reader"]);
    assert.deepEqual(bench.addresses(orders), []);
  });

  test("that is dropped where there is none changes nothing", () => {
    const bench = published();
    assert.deepEqual(rowsOf(set(bench, { how: "drop" })), []);
    assert.deepEqual(
      bench.apply({
        type: "setOverrides",
        service: service("none"),
        instances: [KEY],
        edit: { how: "drop" },
        caller: CALLER,
      }),
      [],
    );
  });
});

describe("an operator's record (N15)", () => {
  test("outlives its instance, so that a restart stays offline", () => {
    const bench = published();
    set(bench, OFFLINE);
    bench.withdraw("one", orders);
    bench.forward(minutes(9));
    bench.publish("one", orders, a);
    assert.deepEqual(bench.addresses(orders), []);
    bench.forward(minutes(20));
    assert.deepEqual(bench.addresses(orders), [], "for as long as the instance is there");
  });

  const proposals = (effects: readonly Effect[]) => effects.filter((effect) => effect.type === "propose");

  test("is dropped through the log ten minutes after its instance", () => {
    const bench = published();
    set(bench, OFFLINE);
    bench.withdraw("one", orders);
    assert.deepEqual(proposals(bench.forward(minutes(10) - 1)), []);
    const [proposal] = proposals(bench.forward(1));
    assert.deepEqual(proposal?.command, {
      type: "setOverrides",
      service: orders,
      instances: [KEY],
      edit: { how: "drop" },
      caller: { ip: "", app: "", agent: "" },
    });
    bench.apply(proposal?.command ?? assert.fail());
    assert.equal(held(bench), undefined);
    assert.deepEqual(proposals(bench.forward(minutes(30))), []);
  });

  test("is proposed again when the log did not take it", () => {
    const bench = published();
    set(bench, OFFLINE);
    bench.withdraw("one", orders);
    assert.equal(proposals(bench.forward(minutes(10))).length, 1);
    assert.equal(proposals(bench.forward(minutes(10))).length, 1);
  });

  test("counts its ten minutes from the last time that it was edited", () => {
    const bench = published();
    set(bench, OFFLINE);
    bench.withdraw("one", orders);
    bench.forward(minutes(6));
    set(bench, { how: "patch", weight: 3 });
    assert.deepEqual(proposals(bench.forward(minutes(9))), []);
    assert.equal(proposals(bench.forward(minutes(1))).length, 1);
  });

  test("set before its instance is there waits for it", () => {
    const bench = new NamingBench();
    bench.connect("one");
    set(bench, OFFLINE);
    bench.forward(seconds(90));
    bench.publish("one", orders, a);
    assert.deepEqual(bench.addresses(orders), []);
    assert.deepEqual(proposals(bench.forward(minutes(30))), []);
  });
});
