import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { IN_MEMORY, type RunningServer, startServer } from "@nacre/server";

/** A registry inside the tests of a program: free ports, nothing on disk, gone when the tests are done. */
let registry: RunningServer;
before(async () => {
  registry = await startServer({ port: 0, dataDir: IN_MEMORY, bindAddress: "127.0.0.1", logLevel: "warn" });
  await registry.ready();
});
after(() => registry.stop());

test("a program finds what it registered", async () => {
  const register = new URLSearchParams({ serviceName: "cart", ip: "10.0.0.1", port: "8080" });
  const registered = await fetch(`${registry.url}/v1/ns/instance`, { method: "POST", body: register });
  assert.equal(await registered.text(), "ok");

  const list = await fetch(`${registry.url}/v1/ns/instance/list?serviceName=cart`);
  const { hosts } = (await list.json()) as { hosts: { ip: string; port: number }[] };
  assert.deepEqual(
    hosts.map(({ ip, port }) => `${ip}:${port}`),
    ["10.0.0.1:8080"],
  );
});

test("SDKs find the gRPC port where they look for it", () => {
  assert.equal(registry.grpcPort, registry.httpPort + 1000);
});
