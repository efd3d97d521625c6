import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CALLER, instance, NamingBench, service } from "@nacre/testkit/naming-bench";
import fc from "fast-check";
import type { Command, OverrideEdit } from "./commands.ts";
import { type Effect, rowsOf } from "./index.ts";

type Rows = Map<string, string>;

/** Keeps rows as the store does. */
function keep(rows: Rows, effects: readonly Effect[]): void {
  for (const { kind, key, value } of rowsOf(effects))
    if (value === undefined) rows.delete(`${kind}|${key}`);
    else rows.set(`${kind}|${key}`, value);
}

/** Rows in the order in which the store gives them. */
function stored(rows: Rows): [string, string, string][] {
  return [...rows]
    .map(([at, value]): [string, string, string] => {
      const [kind = "", ...key] = at.split("|");
      return [kind, key.join("|"), value];
    })
    .sort();
}

const services = ["orders", "stock"].map((name) => service(name));
const addresses = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:81"];
const name = fc.constantFrom(...services);
const address = fc.constantFrom(...addresses);
const metadata = fc.dictionary(
  fc.constantFrom("a", "b", "__proto__", "preserved.instance.id.generator"),
  fc.constantFrom("1", "", "snowflake"),
);
const safe = metadata.map((entries) => {
  const { "preserved.instance.id.generator": generator, ...rest } = entries;
  return generator === "snowflake" ? { ...rest, "preserved.instance.id.generator": generator } : rest;
});
const edit = fc.record({
  protectThreshold: fc.constantFrom(0, 0.5, 1),
  selector: fc.constantFrom(
    { type: "none" } as const,
    { type: "label", expression: "CONSUMER.label.zone=PROVIDER.label.zone", labels: ["zone"] } as const,
  ),
  metadata: safe,
});
const overrideEdit: fc.Arbitrary<OverrideEdit> = fc.oneof(
  fc.record({
    how: fc.constant("replace" as const),
    override: fc.record({
      weight: fc.constantFrom(undefined, 2),
      enabled: fc.constantFrom(undefined, true, false),
      metadata: safe,
    }),
  }),
  fc.record({ how: fc.constant("patch" as const), enabled: fc.boolean() }),
  fc.record({ how: fc.constant("mergeMetadata" as const), metadata: safe }),
  fc.record({ how: fc.constant("removeMetadata" as const), keys: fc.subarray(["a", "b"]) }),
  fc.record({ how: fc.constant("drop" as const) }),
);
const published = fc
  .record({ address, weight: fc.constantFrom(0, 1, 2.5), healthy: fc.boolean(), metadata: safe })
  .map(({ address: at, ...given }) => instance(at, given));

const commands: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    type: fc.constant("registerPersistent" as const),
    service: name,
    instance: published,
    caller: fc.constant(CALLER),
  }),
  fc
    .tuple(name, address)
    .map(([of, at]): Command => ({ type: "deregisterPersistent", service: of, ...split(at), caller: CALLER })),
  fc.tuple(name, address, fc.boolean()).map(
    ([of, at, healthy]): Command => ({
      type: "setHealth",
      changes: [{ service: of, instance: `${at}:DEFAULT`, healthy, cause: "healthCheck", detail: "" }],
    }),
  ),
  fc.record({ type: fc.constant("createService" as const), service: name, ephemeral: fc.boolean(), edit }),
  fc.record({ type: fc.constant("updateService" as const), service: name, edit }),
  fc.record({ type: fc.constant("deleteService" as const), service: name }),
  fc.record({
    type: fc.constant("updateCluster" as const),
    service: name,
    cluster: fc.constantFrom("", "A", "__proto__"),
    metadata: fc.constant({
      healthChecker: { type: "NONE" },
      healthyCheckPort: 80,
      useInstancePort: true,
      metadata: {},
    } as const),
  }),
  fc.tuple(name, fc.subarray(addresses), overrideEdit).map(
    ([of, at, how]): Command => ({
      type: "setOverrides",
      service: of,
      instances: at.map((one) => `${one}:DEFAULT`),
      edit: how,
      caller: CALLER,
    }),
  ),
  fc.constantFrom<Command>(
    { type: "setSwitch", entry: "check", value: "false" },
    { type: "setSwitch", entry: "clientBeatInterval", value: "2000" },
    { type: "setSwitch", entry: "clientBeatInterval", value: "soon" },
  ),
);

function split(at: string): { ip: string; port: number } {
  const { ip, port } = instance(at);
  return { ip, port };
}

/** Something that only this member sees, between two entries of the log. */
type Private =
  | { what: "publish" | "withdraw" | "address"; service: (typeof services)[number]; at: string }
  | { what: "wait"; ms: number };
const privately: fc.Arbitrary<Private> = fc.oneof(
  fc.record({ what: fc.constantFrom("publish", "withdraw", "address"), service: name, at: address }),
  fc.record({ what: fc.constant("wait" as const), ms: fc.constantFrom(1, 20_000, 70_000) }),
);

function happen(bench: NamingBench, event: Private): void {
  if (event.what === "wait") bench.forward(event.ms);
  else if (event.what === "publish") bench.publish("one", event.service, instance(event.at));
  else if (event.what === "withdraw") bench.withdraw("one", event.service);
  else bench.publishAddress(event.service, instance(event.at));
}

function replay(entries: readonly Command[], between: readonly Private[][]): Rows {
  const bench = new NamingBench();
  bench.connect("one");
  const rows: Rows = new Map();
  entries.forEach((command, index) => {
    for (const event of between[index % Math.max(1, between.length)] ?? []) happen(bench, event);
    const entry = { index: index + 1, at: 1_767_225_600_000 + index, command };
    keep(rows, bench.send({ type: "apply", ...entry }));
  });
  return rows;
}

describe("the log (N13)", () => {
  test("gives the same rows at every member, whatever its clients and its clock do", () => {
    const log = fc.array(commands, { maxLength: 25 });
    const between = fc.array(fc.array(privately, { maxLength: 3 }), { maxLength: 10 });
    fc.assert(
      fc.property(log, between, between, (entries, one, other) => {
        assert.deepEqual(stored(replay(entries, one)), stored(replay(entries, other)));
      }),
      { numRuns: 300 },
    );
  });
});

describe("the rows", () => {
  test("make the same durable state again, in whatever order they are read", () => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 25 }), fc.boolean(), (entries, backwards) => {
        const first = new NamingBench();
        const rows: Rows = new Map();
        for (const command of entries) keep(rows, first.apply(command));
        const again = new NamingBench();
        const read = stored(rows);
        for (const [kind, key, value] of backwards ? read.toReversed() : read) {
          const effects = again.load(kind, key, value);
          assert.deepEqual(rowsOf(effects), [], "nothing is stored again");
        }
        assert.deepEqual(durableOf(again), durableOf(first));
        // The same entry gives the same rows before and after a restart.
        const next: Command = { type: "updateService", service: services[0] ?? assert.fail(), edit: NO_EDIT };
        const apply = { type: "apply", index: 99, at: 1, command: next } as const;
        assert.deepEqual(rowsOf(again.send(apply)), rowsOf(first.send(apply)));
      }),
      { numRuns: 300 },
    );
  });

  test("bring back how the instances of a cluster are checked", () => {
    const bench = new NamingBench();
    const rows: Rows = new Map();
    const of = services[0] ?? assert.fail();
    const cluster = {
      healthChecker: { type: "NONE" },
      healthyCheckPort: 81,
      useInstancePort: false,
      metadata: {},
    } as const;
    keep(
      rows,
      bench.apply({ type: "registerPersistent", service: of, instance: instance("10.0.0.1:80"), caller: CALLER }),
    );
    keep(rows, bench.apply({ type: "updateCluster", service: of, cluster: "", metadata: cluster }));
    const again = new NamingBench();
    const effects = stored(rows).flatMap(([kind, key, value]) => again.load(kind, key, value));
    const last = effects.filter((effect) => effect.type === "track").at(-1);
    assert.deepEqual(last?.target.check, { checker: { type: "NONE" }, port: 81, useInstancePort: false });
  });
});

const NO_EDIT = { protectThreshold: 0, selector: { type: "none" }, metadata: {} } as const;

/** What of the state is durable, without what depends on when it came to be. */
function durableOf({ state }: NamingBench): unknown {
  const all = [...state.services.values()]
    .filter(({ listed, overrides }) => listed || overrides !== undefined)
    .map(({ key, ephemeral, metadata: held, overrides, hosts, healthyCount }) => ({
      key,
      // Nobody publishes there, so the kind is not decided.
      ephemeral: held === undefined && hosts.size === 0 ? undefined : ephemeral,
      metadata: held && JSON.parse(JSON.stringify(held)),
      overrides: [...(overrides ?? [])].map(([at, one]) => [at, JSON.parse(JSON.stringify(one))]).sort(),
      hosts: [...hosts]
        .map(([at, { instance: one }]) => [at, one])
        .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
      healthyCount,
    }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  return { all, switches: state.switches };
}
