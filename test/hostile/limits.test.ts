import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { type Message, RegistryClient } from "@nacre/testkit/registry-client";
import type { Options } from "../../packages/server/src/index.ts";
import type { Bystander } from "./lib/bystander.ts";
import { instance, instanceRequest, service } from "./lib/requests.ts";
import { Target } from "./lib/target.ts";

/** A server with small limits, for one attack on them. */
async function withLimits(
  options: Partial<Options>,
  attack: (target: Target, client: RegistryClient) => Promise<void>,
): Promise<void> {
  const target = await Target.start(options);
  try {
    await target.survives(async () => {
      const client = await RegistryClient.connect(target.grpcPort);
      await attack(target, client);
      client.close();
    });
  } finally {
    await target.stop();
  }
}

function assertOver({ body, text }: Message, option: string, errorCode = 503): void {
  assert.deepEqual([body.resultCode, body.errorCode], [500, errorCode], text);
  assert.ok(body.message.includes(option), `${body.message} names ${option}`);
}

const subscribe = (name: string) => ({ ...service(name), subscribe: true });

describe("beyond a limit, the failure names the option and what exists goes on", () => {
  test("subscriptions of a client", () =>
    withLimits({ subscriptionsPerClientMax: 20 }, async (_target, client) => {
      const answers = await Promise.all(
        Array.from({ length: 500 }, (_, at) => client.call("SubscribeServiceRequest", subscribe(`flood-${at}`))),
      );
      const refused = answers.filter(({ body }) => body.resultCode !== 200);
      assert.equal(refused.length, 480);
      for (const answer of refused) assertOver(answer, "nacre.naming.subscriptions.perClient.max");
      assert.equal((await client.call("SubscribeServiceRequest", subscribe("flood-0"))).body.resultCode, 200);
      await client.call("SubscribeServiceRequest", { ...subscribe("flood-0"), subscribe: false });
      assert.equal((await client.call("SubscribeServiceRequest", subscribe("one-more"))).body.resultCode, 200);
    }));

  test("services", () =>
    withLimits({ servicesMax: 20 }, async (_target, client) => {
      const register = (at: number) => client.call("InstanceRequest", instanceRequest(`service-${at}`));
      for (let at = 0; at < 19; at++) assert.equal((await register(at)).body.resultCode, 200);
      const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => register(19 + at)));
      for (const answer of answers) assertOver(answer, "nacre.naming.services.max");
      assertOver(await client.call("SubscribeServiceRequest", subscribe("unknown")), "nacre.naming.services.max");
      assert.equal((await register(0)).body.resultCode, 200);
    }));

  test("instances", () =>
    withLimits({ instancesMax: 20 }, async (target, client) => {
      const batch = (from: number, count: number) =>
        client.call("BatchInstanceRequest", {
          ...service("instances"),
          type: "batchRegisterInstance",
          instances: Array.from({ length: count }, (_, at) => instance({ port: from + at })),
        });
      assertOver(await batch(1, 100), "nacre.naming.instances.max");
      assert.equal((await batch(1, 19)).body.resultCode, 200);
      assertOver(await client.call("InstanceRequest", instanceRequest("other")), "nacre.naming.instances.max");
      const refused = await fetch(`${target.url}/v1/ns/instance?serviceName=http&ip=10.1.1.1&port=1`, {
        method: "POST",
      });
      assert.deepEqual([refused.status, /nacre\.naming\.instances\.max/.test(await refused.text())], [503, true]);
      assert.equal((await batch(1, 10)).body.resultCode, 200, "fewer than before");
    }));

  test("patterns that are watched, and services that match one", () =>
    withLimits({ fuzzyPatternsMax: 5, fuzzyMatchesMax: 10 }, async (_target, client) => {
      const watch = (pattern: string) =>
        client.call("NamingFuzzyWatchRequest", {
          ...service(""),
          groupKeyPattern: pattern,
          receivedGroupKeys: [],
          watchType: "WATCH",
          initializing: true,
        });
      for (let at = 0; at < 20; at++) await client.call("InstanceRequest", instanceRequest(`match-${at}`));
      const matches = await watch("public>>DEFAULT_GROUP>>match-*");
      assertOver(matches, "nacos.naming.fuzzy.watch.max.pattern.match.service.count", 50311);
      for (let at = 0; at < 4; at++) assert.equal((await watch(`public>>a>>b${at}`)).body.resultCode, 200);
      const patterns = await Promise.all(Array.from({ length: 50 }, (_, at) => watch(`public>>c>>d${at}`)));
      for (const answer of patterns) assertOver(answer, "nacos.naming.fuzzy.watch.max.pattern.count", 50310);
      assert.equal((await watch("public>>a>>b0")).body.resultCode, 200);
    }));
});

describe("TCP connections", () => {
  /** @returns those that the server left open. */
  async function opened(port: number, count: number): Promise<Socket[]> {
    const all = await Promise.all(
      Array.from({ length: count }, async () => {
        const socket = connect(port, "127.0.0.1").on("error", () => {});
        await once(socket, "connect");
        return socket.resume();
      }),
    );
    return all;
  }

  async function survivesConnections(
    options: Partial<Options>,
    attack: (target: Target, bystander: Bystander) => Promise<void>,
  ): Promise<void> {
    const target = await Target.start(options);
    try {
      await target.survives((bystander) => attack(target, bystander));
    } finally {
      await target.stop();
    }
  }

  for (const port of ["grpcPort", "httpPort"] as const)
    test(`two thousand that say nothing hold nobody up: ${port}`, () =>
      survivesConnections({}, async (target) => {
        const sockets = await opened(target[port], 2000);
        const client = await RegistryClient.connect(target.grpcPort);
        client.close();
        assert.equal((await fetch(`${target.url}/v1/console/health/readiness`)).status, 200);
        for (const socket of sockets) socket.destroy();
      }));

  for (const [port, limit] of [
    ["grpcPort", { connectionsMax: 100 }],
    ["httpPort", { connectionsMax: 100 }],
    ["httpPort", { connectionsPerIpMax: 100 }],
  ] as const)
    test(`beyond the limit are closed, and the others go on: ${port}, ${Object.keys(limit)}`, () =>
      survivesConnections(limit, async (target, bystander) => {
        // Of the hundred, the bystander holds two on the gRPC port.
        const over = port === "grpcPort" ? 52 : 50;
        const sockets: Socket[] = [];
        let closed = 0;
        const refused = new Promise<void>((resolve) => {
          const count = (): void => {
            if (++closed === over) resolve();
          };
          for (let at = 0; at < 150; at++)
            sockets.push(
              connect(target[port], "127.0.0.1")
                .on("error", () => {})
                .on("close", count)
                .resume(),
            );
        });
        await refused;
        await bystander.served();
        for (const socket of sockets) socket.destroy();
      }));
});
