import assert from "node:assert/strict";
import { test } from "node:test";
import { RegistryClient } from "@nacre/testkit/registry-client";
import { IN_MEMORY, startServer } from "./start.ts";

test("a server that stops does not show its clients shrinking lists on the way", async () => {
  const server = await startServer({ port: 0, dataDir: IN_MEMORY, bindAddress: "127.0.0.1", logLevel: "error" });
  const service = {
    headers: {},
    module: "naming",
    namespace: "public",
    groupName: "DEFAULT_GROUP",
    serviceName: "cart",
  };
  const providers: RegistryClient[] = [];
  for (const port of [1, 2, 3]) {
    const provider = await RegistryClient.connect(server.grpcPort);
    const instance = { ip: "10.0.0.1", port, weight: 1, healthy: true, enabled: true, metadata: {} };
    await provider.call("InstanceRequest", { ...service, type: "registerInstance", instance });
    providers.push(provider);
  }
  const consumer = await RegistryClient.connect(server.grpcPort);
  await consumer.call("SubscribeServiceRequest", { ...service, subscribe: true, clusters: "" });
  await consumer.pushed(({ type }) => type === "NotifySubscriberRequest");
  await server.stop(1000);
  await consumer.ended;
  const sizes = consumer.pushes.map(({ body }) => body.serviceInfo?.hosts.length).filter((size) => size !== undefined);
  assert.deepEqual([...new Set(sizes)], [3]);
  for (const client of [...providers, consumer]) client.close();
});
