import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CALLER, instance, NamingBench, pushedTo, refusalOf, service } from "@nacre/testkit/naming-bench";
import type { Command } from "./commands.ts";
import type { Effect } from "./events.ts";
import { rowsOf } from "./rows.ts";

const orders = service();
const mail = service("mail");

/** What the log of a cluster has written. */
class Rows {
  readonly #bench = new NamingBench();
  readonly #rows = new Map<string, { kind: string; key: string; value: string }>();

  apply(...commands: Command[]): this {
    for (const command of commands) {
      const effects = this.#bench.apply(command);
      assert.equal(refusalOf(effects), undefined);
      for (const { kind, key, value } of rowsOf(effects))
        if (value === undefined) this.#rows.delete(kind + key);
        else this.#rows.set(kind + key, { kind, key, value });
    }
    return this;
  }

  [Symbol.iterator]() {
    return this.#rows.values();
  }
}

function register(name: typeof orders, address: string, weight = 1): Command {
  return { type: "registerPersistent", service: name, instance: instance(address, { weight }), caller: CALLER };
}

function takeOffline(name: typeof orders, key: string): Command {
  const edit = { how: "patch", enabled: false } as const;
  return { type: "setOverrides", service: name, instances: [key], edit, caller: CALLER };
}

const types = (effects: readonly Effect[]) => effects.map(({ type }) => type);

describe("a durable state that takes the place of the present one (N22)", () => {
  test("changes what differs and nothing else", () => {
    const rows = new Rows().apply(register(orders, "10.0.0.1:80"), register(mail, "10.0.0.2:80"));
    const bench = new NamingBench();
    bench.replace(rows);
    const revision = bench.revision(orders);
    rows.apply(register(mail, "10.0.0.3:80"));
    bench.replace(rows);
    assert.deepEqual(bench.addresses(mail), ["10.0.0.2:80", "10.0.0.3:80"]);
    assert.equal(bench.revision(orders), revision);
    assert.deepEqual(bench.replace(rows), [], "an equal one is none");
  });

  test("takes away what it does not have", () => {
    const bench = new NamingBench();
    const edit = { protectThreshold: 0.5, selector: { type: "none" }, metadata: {} } as const;
    bench.replace(
      new Rows().apply(
        register(orders, "10.0.0.1:80"),
        takeOffline(orders, "10.0.0.1:80:DEFAULT"),
        { type: "updateService", service: orders, edit },
        { type: "setSwitch", entry: "pushEnabled", value: "false" },
      ),
    );
    assert.equal(bench.state.switches.pushEnabled, false);
    const effects = bench.replace([]);
    assert.deepEqual(bench.addresses(orders), []);
    assert.equal(bench.state.listed.size, 0);
    assert.equal(bench.state.switches.pushEnabled, true);
    assert.ok(types(effects).includes("untrack"));
    bench.forward(60_000);
    assert.equal(bench.state.services.size, 0);
  });

  test("leaves what clients publish, and shows what is durable over it", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish("one", orders, instance("10.0.0.1:80", { weight: 7 }));
    bench.publish("one", mail, instance("10.0.0.1:80"));
    bench.replace(new Rows().apply(register(orders, "10.0.0.1:80"), takeOffline(mail, "10.0.0.1:80:DEFAULT")));
    assert.deepEqual(
      bench.hosts(orders).map(({ weight }) => weight),
      [1],
    );
    assert.deepEqual(bench.addresses(mail), []);
    bench.replace([]);
    assert.deepEqual(
      bench.hosts(orders).map(({ weight }) => weight),
      [7],
    );
    assert.deepEqual(bench.addresses(mail), ["10.0.0.1:80"]);
  });

  test("is pushed once per service, however many steps it takes", () => {
    const bench = new NamingBench({ pushPauseMaxMs: 0 });
    bench.connect("one", "two");
    for (const name of [orders, mail]) bench.read("one", name);
    bench.read("two", orders);
    const rows = new Rows().apply(
      ...["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"].map((address) => register(orders, address)),
      register(mail, "10.0.0.1:80"),
    );
    assert.deepEqual(pushedTo(bench.replace(rows, 1)), ["one", "two", "one"]);
    rows.apply(takeOffline(orders, "10.0.0.1:80:DEFAULT"));
    bench.forward(2_000);
    assert.deepEqual(pushedTo(bench.replace(rows, 1)), ["one", "two"]);
  });
});
