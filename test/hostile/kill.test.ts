import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { RegistryClient } from "@nacre/testkit/registry-client";
import { ServerProcess } from "../interop/lib/server.ts";
import { instanceRequest, service } from "./lib/requests.ts";

const ROUNDS = 5;
/** As SDKs pause between two attempts to reach a server that is away. */
const RETRY_MS = 50;

/** A small source of numbers that a seed repeats (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

async function call(
  server: ServerProcess,
  method: string,
  path: string,
  params: Record<string, string>,
): Promise<string> {
  const query = new URLSearchParams(params);
  const answer = await fetch(`http://${server.address}/nacos${path}?${query}`, { method });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status} ${text}`);
  return text;
}

interface Host {
  readonly port: number;
  readonly weight: number;
  readonly metadata: Readonly<Record<string, string>>;
}

async function hostsOf(server: ServerProcess, serviceName: string): Promise<readonly Host[]> {
  return JSON.parse(await call(server, "GET", "/v1/ns/instance/list", { serviceName })).hosts;
}

/** Registers over gRPC, and again whenever its connection is gone, as every SDK does. */
async function grpcClient(server: ServerProcess, name: string, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    let client: RegistryClient | undefined;
    try {
      client = await RegistryClient.connect(server.port + 1000);
      await client.call("InstanceRequest", instanceRequest(name));
      await Promise.race([client.ended, new Promise((resolve) => over.addEventListener("abort", resolve))]);
    } catch {
      // The server is away.
    }
    client?.close();
    await pause(RETRY_MS);
  }
}

/** Sends light beats, and registers when the server does not know the instance, as clients of 1.x do. */
async function beatClient(server: ServerProcess, serviceName: string, over: AbortSignal): Promise<void> {
  const address = { serviceName, ip: "10.20.0.16", port: "8082" };
  while (!over.aborted) {
    try {
      const { code } = JSON.parse(await call(server, "PUT", "/v1/ns/instance/beat", address));
      if (code === 20404) await call(server, "POST", "/v1/ns/instance", address);
    } catch {
      // The server is away.
    }
    await pause(RETRY_MS);
  }
}

/** What was acknowledged, and what was asked for last and may or may not have happened. */
interface Acked {
  readonly registered: Set<number>;
  readonly weights: Map<number, number>;
  asked: { readonly port: number; readonly weight: number } | undefined;
}

/** Registers persistent instances and changes weights as an operator until a call fails. */
async function operator(
  server: ServerProcess,
  serviceName: string,
  acked: Acked,
  random: (below: number) => number,
): Promise<void> {
  for (;;) {
    const known = [...acked.registered];
    const port =
      random(2) === 0 || known.length === 0 ? known.length + 1 + random(1000) * 50 : known[random(known.length)];
    if (port === undefined || port > 65_000) continue;
    const address = { serviceName, ip: "10.20.0.17", port: String(port), ephemeral: "false" };
    try {
      if (acked.registered.has(port)) {
        const weight = 1 + random(9999);
        acked.asked = { port, weight };
        await call(server, "PUT", "/v1/ns/instance", {
          ...address,
          weight: String(weight),
          metadata: `weight=${weight}`,
        });
        acked.weights.set(port, weight);
      } else {
        acked.asked = { port, weight: 1 };
        await call(server, "POST", "/v1/ns/instance", address);
        acked.registered.add(port);
      }
    } catch (err) {
      assert.ok(err instanceof TypeError, `only a server that is away fails a call: ${err}`);
      return;
    }
  }
}

describe("a server that is killed under load", () => {
  test("has every acknowledged change when it is back, and its clients come back by themselves", {
    timeout: 120_000,
  }, async (t) => {
    const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
    t.diagnostic(`seed ${seed}`);
    const random = numbers(seed);
    const server = await ServerProcess.start();
    const over = new AbortController();
    const clients = [grpcClient(server, "kill-grpc", over.signal), beatClient(server, "kill-beat", over.signal)];
    t.after(async () => {
      over.abort();
      await Promise.all(clients);
      await server.stop();
    });
    const services = ["kill-a", "kill-b", "kill-c"].map((name) => {
      const acked: Acked = { registered: new Set(), weights: new Map(), asked: undefined };
      return { name, acked };
    });
    for (let round = 0; round < ROUNDS; round++) {
      const load = services.map(({ name, acked }) => operator(server, name, acked, random));
      await pause(random(400));
      // Returns when the next server is ready on the same folder and ports.
      await server.killAndRestart();
      await Promise.all(load);
      for (const { name, acked } of services) {
        const found = new Map((await hostsOf(server, name)).map((host) => [host.port, host]));
        for (const port of acked.registered) {
          const held = found.get(port);
          assert.ok(held !== undefined, `round ${round}: ${name} ${port} was acknowledged and is gone`);
          const weight = acked.weights.get(port);
          const asked = acked.asked?.port === port ? acked.asked.weight : undefined;
          const allowed = [weight ?? 1, asked];
          assert.ok(
            allowed.includes(held.weight),
            `round ${round}: ${name} ${port} weighs ${held.weight}, not ${allowed}`,
          );
          if (held.weight === asked) acked.weights.set(port, held.weight);
        }
        for (const port of found.keys())
          if (!acked.registered.has(port)) {
            assert.equal(port, acked.asked?.port, `round ${round}: nobody asked for ${name} ${port}`);
            acked.registered.add(port);
          }
        acked.asked = undefined;
      }
      for (const name of ["kill-grpc", "kill-beat"])
        while ((await hostsOf(server, name)).length !== 1) await pause(RETRY_MS);
    }
    const total = services.reduce((sum, { acked }) => sum + acked.registered.size + acked.weights.size, 0);
    t.diagnostic(`${total} instances and changes were there after ${ROUNDS} kills`);
    assert.ok(total > 0);
    const client = await RegistryClient.connect(server.port + 1000);
    assert.equal((await client.call("ServiceQueryRequest", service("kill-a"))).body.resultCode, 200);
    client.close();
  });
});
