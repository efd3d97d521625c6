import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { encodePayload, encodeUtf8 } from "@nacre/protocol";
import { allHttp } from "../all-http.fixture.ts";
import type { TestHttp } from "../naming/http.fixture.ts";
import type { TransportConnection } from "../transport/grpc/transport.ts";

let http: TestHttp;
let sent: Record<string, string[]>;
beforeEach(() => {
  http = allHttp();
  sent = {};
});
afterEach(() => http.close());

/** A registered connection that keeps what it is sent. */
function connect(id: string, source = "sdk"): void {
  const bytes: string[] = [];
  sent[id] = bytes;
  const connection: TransportConnection = {
    id,
    remoteIp: "10.1.1.9",
    remotePort: 51234,
    localPort: 9848,
    tls: false,
    queuedBytes: 0,
    streaming: true,
    send(payload) {
      bytes.push(Buffer.from(payload).toString());
      return true;
    },
    close: () => {},
  };
  const body = {
    clientVersion: "Nacos-Java-Client:v2.4.0",
    tenant: "dev",
    labels: { source, module: "naming", AppName: "shop" },
    abilityTable: { fuzzyWatch: true },
  };
  const port = http.connections.port("sdk");
  port.opened(connection);
  port.streamOpened(connection);
  const setup = { type: "ConnectionSetupRequest", clientIp: "10.1.1.9", body: encodeUtf8(JSON.stringify(body)) };
  port.streamMessage(connection, encodePayload(setup));
}

const told = (): string[] =>
  Object.entries(sent).flatMap(([id, payloads]) =>
    payloads.some((payload) => payload.includes("ConnectResetRequest")) ? [id] : [],
  );

describe("the connection loader", () => {
  test("shows who is connected: times of creation are text in v2 and numbers in v3", async () => {
    connect("c1");
    const expected = {
      connectType: "GRPC",
      clientIp: "10.1.1.9",
      remoteIp: "10.1.1.9",
      remotePort: 51234,
      localPort: 9848,
      version: "Nacos-Java-Client:v2.4.0",
      connectionId: "c1",
      createTime: "2026-01-01T00:00:00.000+00:00",
      lastActiveTime: 1767225600000,
      appName: "shop",
      tenant: "dev",
      labels: { source: "sdk", module: "naming", AppName: "shop" },
      tlsProtected: false,
    };
    assert.deepEqual((await http.call("GET /v2/core/loader/current")).json, {
      c1: { traced: false, abilityTable: { fuzzyWatch: true }, metaInfo: expected, connected: true },
    });
    const { c1 } = (await http.call("GET /v3/admin/core/loader/current")).json.data;
    assert.deepEqual(c1.metaInfo, { ...expected, createTime: 1767225600000 });
  });

  test("tells one connection to go, and where", async () => {
    connect("c1");
    connect("c2");
    const answer = await http.call("GET /v2/core/loader/reloadClient?connectionId=c1&redirectAddress=10.0.0.2:8848");
    assert.deepEqual([answer.status, answer.text], [200, "success"]);
    http.clock.advance(50);
    assert.deepEqual(told(), ["c1"]);
    const reset = sent.c1?.find((payload) => payload.includes("ConnectResetRequest"));
    assert.match(reset ?? "", /"serverIp":"10\.0\.0\.2","serverPort":"8848"/);
    const { c1 } = (await http.call("GET /v2/core/loader/current")).json;
    assert.equal(c1.connected, false);
  });

  test("tells SDK connections to go until as many are left as were asked for", async () => {
    for (const id of ["c1", "c2", "c3"]) connect(id);
    connect("member", "cluster");
    assert.equal((await http.call("POST /v3/admin/core/loader/reloadCurrent?count=1")).json.data, null);
    http.clock.advance(50);
    assert.equal(told().length, 2);
    assert.ok(!told().includes("member"));
  });

  test("counts the connections of the cluster", async () => {
    connect("c1");
    connect("member", "cluster");
    const figures = {
      total: 1,
      min: 1,
      max: 1,
      avg: 1,
      memberCount: 1,
      metricsCount: 1,
      completed: true,
      threshold: "1.1",
    };
    const metric = { sdkConCount: "1", conCount: "2", load: "0.5", cpu: "0.12" };
    assert.deepEqual((await http.call("GET /v2/core/loader/cluster")).json, {
      ...figures,
      detail: [{ address: "10.0.0.1:8848", metric }],
    });
    assert.deepEqual((await http.call("GET /v3/admin/core/loader/cluster")).json.data, {
      ...figures,
      detail: [{ address: "10.0.0.1:8848", ...metric }],
    });
  });

  test("moves nobody in a cluster of one", async () => {
    connect("c1");
    assert.equal((await http.call("GET /v2/core/loader/smartReloadCluster?loaderFactor=0.2")).text, "Ok");
    assert.equal((await http.call("POST /v3/admin/core/loader/smartReloadCluster")).json.code, 0);
    http.clock.advance(50);
    assert.deepEqual(told(), []);
  });

  for (const [line, status, code] of [
    ["GET /v2/core/loader/reloadCurrent", 400, 10000],
    ["GET /v2/core/loader/reloadCurrent?count=-1", 400, 20002],
    ["POST /v3/admin/core/loader/reloadCurrent?count=0&redirectAddress=here", 400, 20002],
    ["POST /v3/admin/core/loader/reloadClient?connectionId=x", 404, 20004],
    ["POST /v3/admin/core/loader/smartReloadCluster?loaderFactor=2", 400, 20002],
  ] as const)
    test(`refuses ${line}`, async () => {
      const answer = await http.call(line);
      assert.deepEqual([answer.status, answer.json.code], [status, code]);
    });
});
