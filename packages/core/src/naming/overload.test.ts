import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ServiceName } from "@nacre/protocol";
import type { Effect } from "./events.ts";
import type { Service } from "./model.ts";
import { findService, type NamingState, newNaming } from "./state.ts";
import { nextWakeAt, step } from "./step.ts";
import { messageOf, viewOf } from "./view.ts";

const service = { namespace: "public", group: "DEFAULT_GROUP", name: "cart" };
const caller = { ip: "10.9.9.9", app: "", agent: "" };
const address = (n: number) => ({ ip: `10.0.${n >> 8}.${n & 255}`, port: 80 });
const input = (n: number) => ({
  ...address(n),
  weight: 1,
  healthy: true,
  enabled: true,
  clusterName: "",
  metadata: {},
  instanceId: "",
});
const ok = (effects: Effect[]): void => assert.ok(!effects.some(({ type }) => type === "refuse"));

const query = { clusters: "", healthyOnly: false, consumerIp: undefined };

function message(state: NamingState, name: ServiceName, form = "form"): Uint8Array {
  return messageOf(state, name, query, 0, form, ({ hosts }) => new Uint8Array(hosts.length + 50));
}

describe("naming at its limits (N16)", () => {
  test("takes several ticks for thousands of heartbeats that stop together, and asks for the next one at once", () => {
    const state = newNaming({}, 1, 0);
    const count = 5_000;
    for (let n = 0; n < count; n++) ok(step(state, { type: "publishAddress", service, instance: input(n), caller }, 0));
    const unhealthy = () =>
      count - [...state.services.values()].reduce((sum, { healthyCount }) => sum + healthyCount, 0);
    const seen: number[] = [];
    // Ticks on the way, as the shell makes them: without them this would look like a pause of the process.
    for (let now = 500; now < 15_000; now += 500) step(state, { type: "tick", wallAt: now }, now);
    for (let now = 15_000; seen.at(-1) !== count; now++) {
      seen.push(unhealthy());
      assert.ok((nextWakeAt(state) ?? Number.POSITIVE_INFINITY) <= now || seen.at(-1) === count);
      step(state, { type: "tick", wallAt: now }, now);
    }
    assert.deepEqual([...new Set(seen)], [0, 2_000, 4_000, 5_000]);
  });

  test("refuses UDP subscribers beyond their bound, and renews those that are there", () => {
    const state = newNaming({ udpSubscriptionsMax: 2 }, 1, 0);
    const subscribe = (n: number) =>
      step(state, { type: "subscribeUdp", service, clusters: "", ...address(n), caller }, 0);
    for (const n of [1, 2, 1, 2]) ok(subscribe(n));
    const [refused] = subscribe(3);
    assert.ok(refused?.type === "refuse" && refused.failure === "overThreshold");
    assert.match(refused.message, /nacre\.udp\.subscriptions\.max = 2/);
    assert.equal(state.clients.size, 2);
  });

  test("keeps of lists what is asked for again while it would still be there, nothing else", () => {
    const state = newNaming({ viewCharsMax: 3_000 }, 1, 0);
    const names = Array.from({ length: 100 }, (_, n) => ({ ...service, name: `s${n}` }));
    const publish = (name: ServiceName, n: number) =>
      ok(step(state, { type: "publishAddress", service: name, instance: input(n), caller }, 0));
    for (const name of names) publish(name, 1);
    const view = (name: ServiceName) => viewOf(state, name, query, 0);
    const held = () => names.filter((name) => state.views.view(findService(state, name) as Service, "a") !== undefined);

    names.forEach(view);
    names.forEach(view);
    assert.deepEqual(held(), [], "all the others come between two calls of each");

    for (const name of names.slice(0, 20)) for (const _ of [1, 2]) view(name);
    const first = held();
    assert.ok(first.length > 1 && first.length < 20);
    assert.deepEqual(first, names.slice(20 - first.length, 20), "the oldest make room");

    const [changed] = first as [ServiceName];
    publish(changed, 2);
    view(changed);
    assert.deepEqual(held(), first.slice(1), "a new revision is one that nobody has asked for");
  });

  test("keeps of a short list only what is asked for, and of a long one the list beside its messages", () => {
    const state = newNaming({ viewCharsMax: 300_000 }, 1, 0);
    const short = { ...service, name: "short" };
    const long = { ...service, name: "long" };
    ok(step(state, { type: "publishAddress", service: short, instance: input(1), caller }, 0));
    for (let n = 0; n < 100; n++)
      ok(step(state, { type: "publishAddress", service: long, instance: input(n), caller }, 0));
    message(state, short);
    assert.equal(message(state, short), message(state, short));
    assert.equal(state.views.chars, message(state, short).length);
    assert.equal(viewOf(state, short, query, 0), viewOf(state, short, query, 0), "who asks for the list is given it");

    const before = state.views.chars;
    message(state, long);
    const made = message(state, long);
    assert.equal(message(state, long), made);
    const view = viewOf(state, long, query, 0);
    assert.equal(state.views.chars - before, view.hosts.length + made.length);
    message(state, long, "another form");
    assert.equal(viewOf(state, long, query, 0), view, "the next message is made around the same list");
  });

  test("gives up nothing that is in the view cache for a message that is asked for once", () => {
    for (const instances of [1, 100]) {
      const state = newNaming({ viewCharsMax: 200_000 }, 1, 0);
      const names = Array.from({ length: 600 / instances }, (_, n) => ({ ...service, name: `s${n}` }));
      for (const name of names)
        for (let n = 0; n < instances; n++)
          ok(step(state, { type: "publishAddress", service: name, instance: input(n), caller }, 0));
      const asked = names.slice(0, 2);
      for (const name of asked) for (const _ of [1, 2]) message(state, name);
      for (const name of names.slice(2)) message(state, name);
      const key = "form a";
      const held = names.filter((name) => state.views.message(findService(state, name) as Service, key) !== undefined);
      assert.deepEqual(held, asked);
      assert.ok(state.views.chars <= 200_000);
    }
  });
});
