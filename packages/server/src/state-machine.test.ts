import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import type { ConfigName } from "@nacre/protocol";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { CALLER, instance, service } from "@nacre/testkit/naming-bench";
import { testedConfigs } from "./config/configs.fixture.ts";
import { Connections } from "./connections/connections.ts";
import { KeptLog } from "./naming/http.fixture.ts";
import { Naming } from "./naming/naming.ts";
import { stateMachine } from "./state-machine.ts";
import type { ConfigHead, ConfigStore } from "./storage/config-store.ts";
import { openMemoryLog } from "./storage/memory-log.ts";
import { turn } from "./storage/turn.ts";

const orders = service();
const named = (dataId: string): ConfigName => ({ namespace: "public", group: "g", dataId });
const NOBODY = { user: "", ip: "" };

/** Naming and configuration over a log and a store in memory. */
function member(t: TestContext) {
  const clock = new FakeClock();
  const log = new KeptLog();
  const address = { ip: "10.0.0.1", port: 8848 };
  const connections = new Connections({ clock, log, abilities: {}, address, queuedBytesMax: 1024 });
  const self = { memberId: "m", incarnation: 1 };
  const naming = new Naming({ clock, log, connections, options: {}, pushTimeoutMs: 5000, self });
  const configs = testedConfigs({ clock, log, connections });
  const machine = stateMachine(naming, configs);
  const durable = openMemoryLog({ machine, wallClock: () => clock.wall() });
  const store = { current: durable.configs };
  const content: ConfigStore["content"] = (name, gray) => store.current.content(name, gray);
  configs.attach({ durable, store: Object.assign(Object.create(durable.configs) as ConfigStore, { content }) });
  naming.attach({ durable });
  t.after(async () => {
    configs.stop();
    naming.stop();
    await durable.close();
  });
  return {
    naming,
    configs,
    machine,
    durable,
    store,
    publish: (dataId: string, content: string) =>
      configs.publish({ name: named(dataId), content, fields: {}, terms: {}, by: NOBODY }),
    register: (address: string) =>
      naming.propose({ type: "registerPersistent", service: orders, instance: instance(address), caller: CALLER }),
    text: async (dataId: string) => {
      const read = await configs.read(named(dataId), { labels: {} });
      return read.found ? read.content : undefined;
    },
    addresses: () =>
      (
        JSON.parse(naming.view(orders, { clusters: "", healthyOnly: false, consumerIp: undefined }).hosts) as {
          ip: string;
        }[]
      )
        .map(({ ip }) => ip)
        .sort(),
  };
}

type Member = ReturnType<typeof member>;

/** Gives one member all rows of another. */
function replaced(to: Member, from: Member) {
  const replacing = to.machine.replace();
  for (const { name, id, formal } of from.configs.state.items.values())
    if (formal !== undefined) replacing.config({ name, id, ...formal } satisfies ConfigHead);
  for (const { key, publications } of from.naming.state.services.values())
    for (const [{ id }, { entries }] of publications)
      for (const {
        instance: { hash: _, ephemeral: __, cluster, instanceId: ___, ...rest },
      } of entries) {
        const value = JSON.stringify({ ...rest, clusterName: cluster, instanceId: "" });
        replacing.row({ kind: "persistent", key: `${key}\n${id}`, value });
      }
  replacing.row({ kind: "namespace", key: "dev", value: JSON.stringify({ name: "Dev", description: "" }) });
  return replacing;
}

const md5 = (text: string) => createHash("md5").update(text).digest("hex");

describe("a running machine that is given another state", () => {
  test("holds it, and reads what follows from the store that came with it", async (t) => {
    const [behind, ahead] = [member(t), member(t)];
    for (const dataId of ["a", "b"]) await behind.publish(dataId, `old ${dataId}`);
    await behind.register("10.0.0.1:80");
    await ahead.publish("a", "old a");
    await ahead.publish("a", "new a");
    await ahead.publish("c", "new c");
    await ahead.register("10.0.0.2:80");
    await replaced(behind, ahead).finish(ahead.durable.appliedIndex, () => {
      behind.store.current = ahead.durable.configs;
    });
    assert.deepEqual(await Promise.all(["a", "b", "c"].map(behind.text)), ["new a", undefined, "new c"]);
    assert.deepEqual(behind.addresses(), ["10.0.0.2"]);
    assert.deepEqual([...behind.configs.state.namespaces.keys()], ["dev"]);
    assert.equal(behind.configs.contents.size, 2, "what was held of the store before is gone");
  });

  test("serves contents that fit their md5 at any moment (G2)", async (t) => {
    const [behind, ahead] = [member(t), member(t)];
    // Revisions and names are the same, so that nothing but the store and the head tell the contents apart.
    for (let at = 0; at < 50; at++)
      await Promise.all([behind.publish(`c${at}`, `old ${at}`), ahead.publish(`c${at}`, `new ${at}`)]);
    behind.configs.contents.replaced(behind.durable.appliedIndex);
    const seen = new Set<string>();
    let done = false;
    const reading = (async () => {
      for (let at = 0; !done; at++) {
        const read = await behind.configs.read(named(`c${at % 50}`), { labels: {} });
        assert.ok(read.found);
        assert.equal(md5(read.content), read.version.md5);
        seen.add(read.content.slice(0, 3));
        await turn();
      }
    })();
    await turn();
    await replaced(behind, ahead).finish(50, () => {
      behind.store.current = ahead.durable.configs;
    });
    assert.equal(await behind.text("c7"), "new 7");
    done = true;
    await reading;
    assert.deepEqual([...seen], ["old", "new"]);
  });

  test("stays as it was when the store cannot be switched", async (t) => {
    const [behind, ahead] = [member(t), member(t)];
    await behind.publish("a", "old");
    await behind.register("10.0.0.1:80");
    await ahead.publish("a", "new");
    const finished = replaced(behind, ahead).finish(1, () => {
      throw new Error("the disk is full");
    });
    await assert.rejects(finished, { message: "the disk is full" });
    assert.equal(await behind.text("a"), "old");
    assert.deepEqual(behind.addresses(), ["10.0.0.1"]);
    await behind.publish("a", "newer");
    assert.equal(await behind.text("a"), "newer");
  });

  test("takes no entry meanwhile", async (t) => {
    const behind = member(t);
    const finished = behind.machine.replace().finish(1, () => {});
    const command = { type: "deleteService", service: orders } as const;
    assert.throws(() => behind.machine.apply({ index: 2, at: 1, command }), /entry 2 came while another state/);
    await finished;
    assert.equal(behind.machine.apply({ index: 2, at: 1, command }).ok, false);
  });
});
