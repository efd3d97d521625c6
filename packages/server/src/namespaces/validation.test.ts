import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RegistryClient } from "@nacre/testkit/registry-client";
import type { RunningServer } from "../running.ts";
import { startServed } from "../served.fixture.ts";

/** Domain rule 3, behind `nacos.core.namespace.validation.enabled`. */
describe("a server that validates namespaces", () => {
  let server: RunningServer;
  let client: RegistryClient;
  before(async () => {
    server = await startServed({ namespaceValidation: true });
    client = await RegistryClient.connect(server.grpcPort);
  });
  after(async () => {
    client.close();
    await server.stop(0);
  });
  const publish = (tenant: string) =>
    client.call("ConfigPublishRequest", { dataId: "a", group: "g", tenant, content: "x" });
  const http = (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, init);

  test("refuses calls into one that nobody has made, by 22001 on both wires, and serves it once it is made", async () => {
    const refused = await publish("team-a");
    assert.deepEqual([refused.type, refused.body.errorCode], ["ConfigPublishResponse", 22001]);
    const list = await client.call("ServiceListRequest", { namespace: "team-a", groupName: "g" });
    assert.deepEqual([list.type, list.body.errorCode, list.body.serviceNames], ["ServiceListResponse", 22001, []]);
    const read = await http("/v2/cs/config?namespaceId=team-a&dataId=a&group=g");
    assert.deepEqual([read.status, ((await read.json()) as { code: number }).code], [404, 22001]);

    const body = new URLSearchParams({ namespaceId: "team-a", namespaceName: "Team A" });
    assert.equal((await http("/v3/admin/core/namespace", { method: "POST", body })).status, 200);
    assert.equal((await publish("team-a")).body.resultCode, 200);
    assert.equal((await http("/v2/cs/config?namespaceId=team-a&dataId=a&group=g")).status, 200);
  });

  test("takes public for made, however it is spelled, and lets lists of configurations through", async () => {
    for (const tenant of ["", "public"]) assert.equal((await publish(tenant)).body.resultCode, 200);
    const listen = await client.call("ConfigBatchListenRequest", {
      configListenContexts: [{ dataId: "a", group: "g", tenant: "nowhere", md5: "" }],
    });
    assert.deepEqual(listen.body.changedConfigs, []);
  });
});
