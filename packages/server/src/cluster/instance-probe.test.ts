import assert from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { connectsByTcp, InstanceProbe } from "./instance-probe.ts";

const CONNECTS_MAX = 128;

/** Clients that publish one instance each, at a host that has their name, and whose connections end when a test says so. */
function probing() {
  const clock = new FakeClock();
  const asked: string[] = [];
  const open = new Map<string, (answers: boolean) => void>();
  let openMax = 0;
  const instance = { port: 80, weight: 1, healthy: true, enabled: true, cluster: "", metadata: {}, instanceId: "" };
  const service = { namespace: "public", group: "DEFAULT_GROUP", name: "orders" };
  const contentsOf = (id: string) => {
    const publications = [{ service, instances: [{ ...instance, ip: id }] }];
    return { ip: id, port: 0, app: "", agent: "", createdAt: 0, publications };
  };
  const probe = new InstanceProbe(clock, contentsOf, async (host) => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    asked.push(host);
    open.set(host, resolve);
    openMax = Math.max(openMax, open.size);
    return promise;
  });
  return {
    clock,
    probe,
    asked,
    openMax: () => openMax,
    /** Ends all that is open. */
    async end(answers: (host: string) => boolean = () => true) {
      for (const [host, resolve] of open) {
        open.delete(host);
        resolve(answers(host));
      }
      await setImmediate();
    },
  };
}

function clients(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${name}-${at}`);
}

describe("probes of clients whose member is lost", () => {
  test("tell those that answer, some at a time, and nothing of the others", async () => {
    const { probe, clock, end } = probing();
    const told: (readonly string[])[] = [];
    probe.probe({ clientIds: ["a", "b", "c"], withinMs: 5_000, answered: (ids) => told.push(ids) });
    await end((host) => host !== "b");
    assert.deepEqual(told, [], "answers are collected for a moment");
    clock.advance(250);
    assert.deepEqual(told, [["a", "c"]]);
  });

  test("have a bounded number of connections under way, however many orders come", async () => {
    const { probe, asked, openMax, end } = probing();
    for (let order = 0; order < 50; order++)
      probe.probe({ clientIds: clients(`order-${order}`, 100), withinMs: 5_000, answered: () => {} });
    for (let round = 0; round < 40; round++) await end();
    assert.equal(openMax(), CONNECTS_MAX);
    assert.equal(new Set(asked).size, 5_000, "all are asked");
    assert.equal(asked.length, 5_000, "and each once");
  });

  test("give every order its turn", async () => {
    const { probe, asked, end } = probing();
    probe.probe({ clientIds: clients("early", 2_000), withinMs: 5_000, answered: () => {} });
    probe.probe({ clientIds: clients("late", 10), withinMs: 5_000, answered: () => {} });
    await end();
    assert.equal(asked.filter((host) => host.startsWith("late")).length, 10);
  });

  test("ask nobody when the time of their order is over", async () => {
    const { probe, clock, asked, end } = probing();
    probe.probe({ clientIds: clients("client", 2_000), withinMs: 5_000, answered: () => {} });
    clock.advance(5_000);
    await end();
    assert.equal(asked.length, CONNECTS_MAX);
  });

  test("say nothing after a stop", async () => {
    const { probe, clock, end } = probing();
    const told: (readonly string[])[] = [];
    probe.probe({ clientIds: ["a"], withinMs: 5_000, answered: (ids) => told.push(ids) });
    await end();
    probe.stop();
    clock.advance(1_000);
    assert.deepEqual(told, []);
  });
});

describe("a connection to an instance", () => {
  const connects = connectsByTcp(async (host) => ({ ips: host === "orders.example" ? ["127.0.0.1"] : [] }));

  test("says whether somebody listens there, by address or by name", async (t) => {
    const server = createServer().listen(0, "127.0.0.1");
    t.after(() => server.close());
    await new Promise((listening) => server.once("listening", listening));
    const { port } = server.address() as AddressInfo;
    assert.equal(await connects("127.0.0.1", port), true);
    assert.equal(await connects("orders.example", port), true);
    assert.equal(await connects("127.0.0.2", port), false);
  });

  test("comes to nothing where there is no such host or port, whatever was published", async () => {
    for (const host of ["", "\0", "a b", "gone.example"]) assert.equal(await connects(host, 80), false, host);
    for (const port of [0, -1, 65_536, 80.5]) assert.equal(await connects("127.0.0.1", port), false, String(port));
  });
});
