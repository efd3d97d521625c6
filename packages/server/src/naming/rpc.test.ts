import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Message, RegistryClient } from "@nacre/testkit/registry-client";
import type { RunningServer } from "../running.ts";
import { startServed } from "../served.fixture.ts";

/** The exchanges of grpc.md 8.4 to 8.7 and 8.11, and points 9 to 11 of its check list that concern naming. */
describe("naming over gRPC", () => {
  let server: RunningServer;
  const open: RegistryClient[] = [];
  before(async () => {
    server = await startServed();
  });
  after(async () => {
    for (const client of open) client.close();
    await server.stop(0);
  });

  async function connect(setup?: Record<string, unknown>): Promise<RegistryClient> {
    const client = await RegistryClient.connect(server.grpcPort, setup);
    open.push(client);
    return client;
  }
  const base = { headers: {}, module: "naming", namespace: "public", groupName: "DEFAULT_GROUP" };
  const instance = (port: number, more: Record<string, unknown> = {}) => ({
    ip: "10.20.0.15",
    port,
    weight: 1.0,
    healthy: true,
    enabled: true,
    ephemeral: true,
    metadata: {},
    ...more,
  });
  const register = (client: RegistryClient, serviceName: string, port: number, more = {}) =>
    client.call("InstanceRequest", { ...base, serviceName, type: "registerInstance", instance: instance(port, more) });
  const query = (client: RegistryClient, serviceName: string, more = {}) =>
    client.call("ServiceQueryRequest", { ...base, serviceName, cluster: "", healthyOnly: false, udpPort: 0, ...more });
  const wire = ({ type, body }: Message) => ({ type, body });
  const hostsOf =
    (service: string, count: number) =>
    (message: { type: string; body: { serviceInfo?: { name: string; hosts: unknown[] } } }) =>
      message.type === "NotifySubscriberRequest" &&
      message.body.serviceInfo?.name === service &&
      message.body.serviceInfo.hosts.length === count;

  test("registers, is queried and deregisters as in the golden exchanges 8.4 and 8.7", async () => {
    const client = await connect();
    const registered = await register(client, "cart", 8081, { clusterName: "DEFAULT", metadata: { zone: "b" } });
    assert.deepEqual(wire(registered), {
      type: "InstanceResponse",
      body: { resultCode: 200, errorCode: 0, success: true, type: "registerInstance" },
    });

    const found = (await query(client, "cart")).body.serviceInfo;
    const { lastRefTime, checksum, ...info } = found;
    assert.ok(Number.isSafeInteger(lastRefTime) && checksum !== "");
    assert.deepEqual(info, {
      name: "cart",
      groupName: "DEFAULT_GROUP",
      clusters: "",
      cacheMillis: 10000,
      allIps: false,
      reachProtectionThreshold: false,
      valid: true,
      hosts: [
        {
          instanceId: "10.20.0.15#8081#DEFAULT#DEFAULT_GROUP@@cart",
          ip: "10.20.0.15",
          port: 8081,
          weight: 1,
          healthy: true,
          enabled: true,
          ephemeral: true,
          clusterName: "DEFAULT",
          serviceName: "DEFAULT_GROUP@@cart",
          metadata: { zone: "b" },
          instanceHeartBeatInterval: 5000,
          instanceHeartBeatTimeOut: 15000,
          ipDeleteTimeout: 30000,
          instanceIdGenerator: "simple",
        },
      ],
    });

    const gone = await client.call("InstanceRequest", {
      ...base,
      serviceName: "cart",
      type: "deregisterInstance",
      instance: instance(1),
    });
    assert.equal(gone.body.type, "deregisterInstance");
    assert.deepEqual((await query(client, "cart")).body.serviceInfo.hosts, [], "whatever address the request names");
  });

  test("answers for a service that nobody knows with an empty list, never an error", async () => {
    const ghost = await query(await connect(), "ghost");
    assert.equal(ghost.type, "QueryServiceResponse");
    assert.deepEqual(
      [ghost.body.resultCode, ghost.body.serviceInfo.hosts, ghost.body.serviceInfo.name],
      [200, [], "ghost"],
    );
  });

  test("keeps one record per connection and service, and a batch replaces it (check list 9)", async () => {
    const client = await connect();
    const batch = (ports: number[]) =>
      client.call("BatchInstanceRequest", {
        ...base,
        serviceName: "nine",
        type: "batchRegisterInstance",
        instances: ports.map((port) => instance(port)),
      });
    const ports = async () =>
      (await query(client, "nine")).body.serviceInfo.hosts.map((host: { port: number }) => host.port);
    await register(client, "nine", 1);
    await register(client, "nine", 2);
    assert.deepEqual(await ports(), [2]);
    assert.deepEqual((await batch([3, 4, 5])).body, {
      resultCode: 200,
      errorCode: 0,
      success: true,
      type: "batchRegisterInstance",
    });
    assert.deepEqual(await ports(), [3, 4, 5]);
    await batch([5, 6]);
    assert.deepEqual(await ports(), [5, 6]);
  });

  test("pushes a change to subscribers with a strictly growing lastRefTime (check list 10)", async () => {
    const [provider, consumer] = [await connect(), await connect()];
    const subscribed = await consumer.call("SubscribeServiceRequest", {
      ...base,
      serviceName: "ten",
      subscribe: true,
      clusters: "",
    });
    assert.deepEqual(
      [subscribed.type, subscribed.body.message, subscribed.body.serviceInfo.hosts],
      ["SubscribeServiceResponse", "success", []],
    );
    await register(provider, "ten", 1);
    const one = (await consumer.pushed(hostsOf("ten", 1))).body;
    assert.deepEqual(
      [one.namespace, one.serviceName, one.groupName, one.headers],
      ["public", "ten", "DEFAULT_GROUP", {}],
    );
    provider.close();
    const none = (
      await consumer.pushed(
        (message) => hostsOf("ten", 0)(message) && message.body.serviceInfo.lastRefTime > one.serviceInfo.lastRefTime,
      )
    ).body;
    assert.ok(none.serviceInfo.lastRefTime > one.serviceInfo.lastRefTime);
  });

  test("pushes one change to subscribers with different clusters, each under a request id of its own", async () => {
    const [provider, ...readers] = [await connect(), await connect(), await connect()];
    for (const [at, reader] of readers.entries()) {
      await reader.call("SubscribeServiceRequest", {
        ...base,
        serviceName: "filters",
        subscribe: true,
        clusters: ["", "A"][at],
      });
      await reader.pushed(hostsOf("filters", 0));
      // By its answer the acknowledgement before it has been read, so that both are ready for the change.
      await reader.call("HealthCheckRequest");
    }
    const { body } = await register(provider, "filters", 1, { clusterName: "A" });
    assert.equal(body.success, true, body.message);
    const got = await Promise.all(readers.map((reader) => reader.pushed(hostsOf("filters", 1))));
    assert.deepEqual(
      got.map((push) => push.body.serviceInfo.clusters),
      ["", "A"],
    );
    assert.equal(new Set(got.map((push) => push.body.requestId)).size, 2);
  });

  test("sends the newest content again when a push is refused or not answered (check list 10)", async () => {
    const [provider, consumer] = [await connect(), await connect()];
    consumer.acknowledging = false;
    await consumer.call("SubscribeServiceRequest", { ...base, serviceName: "again", subscribe: true });
    await register(provider, "again", 1);
    const first = await consumer.pushed((message) => message.type === "NotifySubscriberRequest");
    consumer.send("NotifySubscriberResponse", { requestId: first.body.requestId, resultCode: 500, errorCode: 500 });
    const second = await consumer.pushed(
      (message) => message.type === "NotifySubscriberRequest" && message.body.requestId !== first.body.requestId,
    );
    assert.equal(second.body.serviceInfo.hosts.length, 1);
  });

  test("lists the services of one group in pages with the total (8.7)", async () => {
    const client = await connect();
    for (const name of ["b", "a", "c"])
      await client.call("InstanceRequest", {
        ...base,
        groupName: "lists",
        serviceName: name,
        type: "registerInstance",
        instance: instance(7),
      });
    const list = (pageNo: number) =>
      client.call("ServiceListRequest", { ...base, groupName: "lists", serviceName: "", pageNo, pageSize: 2 });
    assert.deepEqual((await list(1)).body, {
      resultCode: 200,
      errorCode: 0,
      success: true,
      count: 3,
      serviceNames: ["a", "b"],
    });
    assert.deepEqual((await list(2)).body.serviceNames, ["c"]);
    assert.deepEqual([(await list(9)).body.serviceNames, (await list(9)).body.count], [[], 3]);
  });

  test("stores a persistent instance that outlives its connection", async () => {
    const client = await connect();
    const answer = await client.call("PersistentInstanceRequest", {
      ...base,
      serviceName: "durable",
      type: "registerInstance",
      instance: instance(9, { ephemeral: false }),
    });
    assert.deepEqual(wire(answer), {
      type: "InstanceResponse",
      body: { resultCode: 200, errorCode: 0, success: true, type: "registerInstance" },
    });
    client.close();
    await client.ended;
    const other = await connect();
    assert.equal((await query(other, "durable")).body.serviceInfo.hosts[0].ephemeral, false);
    const mixed = await register(other, "durable", 1);
    assert.deepEqual([mixed.type, mixed.body.errorCode], ["InstanceResponse", 400]);
    assert.match(mixed.body.message, /is persistent service, can't register ephemeral instance/);
  });

  test("takes a batch that a C# SDK labels as a subscription", async () => {
    const client = await connect({ abilities: null, clientVersion: "Nacos-CSharp-Client:v1.3.10" });
    const answer = await client.call("SubscribeServiceRequest", {
      ...base,
      requestId: null,
      serviceName: "csharp",
      type: "batchRegisterInstance",
      instances: [instance(1), instance(2)],
    });
    assert.deepEqual([answer.type, answer.body.resultCode], ["SubscribeServiceResponse", 200]);
    assert.equal((await query(client, "csharp")).body.serviceInfo.hosts.length, 2);
  });

  test("tells a fuzzy watcher what matches, that it is all, and what comes and goes (8.11)", async () => {
    const [watcher, provider] = [await connect({ abilityTable: { fuzzyWatch: true } }), await connect()];
    const inGroup = { ...base, groupName: "fuzzy" };
    await provider.call("InstanceRequest", {
      ...inGroup,
      serviceName: "cart",
      type: "registerInstance",
      instance: instance(1),
    });
    const answer = await watcher.call("NamingFuzzyWatchRequest", {
      ...base,
      groupKeyPattern: "public>>fuzzy>>ca*",
      receivedGroupKeys: [],
      watchType: "WATCH",
      initializing: true,
    });
    assert.deepEqual(wire(answer), {
      type: "NamingFuzzyWatchResponse",
      body: { resultCode: 200, errorCode: 0, success: true },
    });
    const first = await watcher.pushed(({ type }) => type === "NamingFuzzyWatchSyncRequest");
    const { requestId: _, ...sync } = first.body;
    assert.deepEqual(sync, {
      headers: {},
      module: "naming",
      syncType: "FUZZY_WATCH_INIT_NOTIFY",
      groupKeyPattern: "public>>fuzzy>>ca*",
      totalBatch: 1,
      currentBatch: 1,
      contexts: [{ serviceKey: "public@@fuzzy@@cart", changedType: "ADD_SERVICE" }],
    });
    const finish = await watcher.pushed(({ body }) => body.syncType === "FINISH_FUZZY_WATCH_INIT_NOTIFY");
    assert.deepEqual([finish.body.contexts, finish.body.totalBatch, finish.body.currentBatch], [[], 1, 1]);
    provider.close();
    const change = await watcher.pushed(({ type }) => type === "NamingFuzzyWatchChangeNotifyRequest");
    assert.deepEqual(
      [change.body.syncType, change.body.serviceKey, change.body.changedType],
      ["FUZZY_WATCH_RESOURCE_CHANGED", "public@@fuzzy@@cart", "DELETE_SERVICE"],
    );
  });

  test("names the field and the rule in typed failures, with the fields that SDKs need even then", async () => {
    const client = await connect();
    const weight = await register(client, "bad", 1, { weight: 10001 });
    assert.deepEqual([weight.type, weight.body.resultCode, weight.body.errorCode], ["InstanceResponse", 500, 400]);
    assert.match(weight.body.message, /weights range from 0\.0 to 10000\.0/);
    assert.match((await register(client, "bad", 65536)).body.message, /Param 'port' is illegal/);
    assert.match((await register(client, "a@@", 1)).body.message, /serviceName/);
    assert.match(
      (await register(client, "bad", 1, { metadata: { k: "v".repeat(1024) } })).body.message,
      /'metadata' is illegal.*1024/,
    );
    assert.match(
      (await register(client, "bad", 1, { metadata: { k: { nested: 1 } } })).body.message,
      /instance\.metadata\.k/,
    );
    const failed = await query(client, "with space");
    assert.deepEqual(
      [failed.type, failed.body.resultCode, failed.body.serviceInfo.hosts],
      ["QueryServiceResponse", 500, []],
    );
    const type = await client.call("InstanceRequest", {
      ...base,
      serviceName: "bad",
      type: "explode",
      instance: instance(1),
    });
    assert.equal(type.body.message, "Unsupported request type explode");
  });

  test("keeps hostile metadata keys as ordinary keys", async () => {
    const client = await connect();
    const body = JSON.stringify({
      ...base,
      serviceName: "proto",
      type: "registerInstance",
      instance: instance(1),
    }).replace('"metadata":{}', '"metadata":{"__proto__":"x","constructor":"y"}');
    assert.equal((await client.call("InstanceRequest", body)).body.resultCode, 200);
    const [host] = (await query(client, "proto")).body.serviceInfo.hosts;
    assert.deepEqual(Object.entries(host.metadata), [
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
  });
});
