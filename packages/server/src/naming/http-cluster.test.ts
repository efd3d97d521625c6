import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import { allHttp } from "../all-http.fixture.ts";
import { type Peers, readAnswer } from "../cluster/peer-calls.ts";
import type { TestHttp } from "./http.fixture.ts";
import { subscriberPage } from "./subscriber-page.ts";

const orders = { namespace: "public", group: "DEFAULT_GROUP", name: "orders" };
let here: TestHttp;
let there: TestHttp;

/** `there`, asked over a wire, and one more member that does not answer. */
const peers: Peers = {
  ask: async (_memberId, name, given) =>
    readAnswer(name, JSON.parse(JSON.stringify(subscriberPage(there.naming, given)))),
  askAll: async (name, given, timeoutMs) => [
    { memberId: "b", address: "10.0.0.2:8848", answer: await peers.ask("b", name, given, timeoutMs) },
    { memberId: "c", address: "10.0.0.3:8848", error: new RegistryError("peerUnreachable", "no answer") },
  ],
};

beforeEach(() => {
  here = allHttp({}, { peers });
  here.peers = peers;
  there = allHttp();
});
afterEach(() => Promise.all([here.close(), there.close()]));

function subscribe({ naming }: TestHttp, ip: string, service = orders): void {
  const caller = { ip, app: "shop", agent: "Nacos-Java-Client:v2.4.0" };
  naming.submit({ type: "connected", clientId: `c-${ip}`, ip, port: 50_000, caller });
  naming.submit({ type: "subscribe", clientId: `c-${ip}`, service, clusters: "", caller });
}

describe("the list of subscribers", () => {
  const list = async (query = "") => {
    const { pageItems, totalCount } = (
      await here.call(`GET /v3/admin/ns/service/subscribers?serviceName=orders${query}`)
    ).json.data;
    return [totalCount, pageItems.map((one: { address: string }) => one.address)];
  };

  test("is that of all members that answer, one that moves between them once", async () => {
    subscribe(here, "10.1.0.1");
    subscribe(here, "10.1.0.2");
    subscribe(there, "10.1.0.2");
    subscribe(there, "10.1.0.3");
    assert.deepEqual(await list(), [3, ["10.1.0.1:50000", "10.1.0.2:50000", "10.1.0.3:50000"]]);
    assert.deepEqual(await list("&pageNo=2&pageSize=2"), [3, ["10.1.0.3:50000"]]);
    const v1 = (await here.call("GET /v1/ns/service/subscribers?serviceName=orders")).json;
    assert.deepEqual(
      [v1.count, v1.subscribers[2].addrStr, v1.subscribers[2].serviceName],
      [3, "10.1.0.3:50000", "DEFAULT_GROUP@@orders"],
    );
  });

  test("is that of the asked member alone when aggregation is not wanted", async () => {
    subscribe(here, "10.1.0.1");
    subscribe(there, "10.1.0.3");
    assert.deepEqual(await list("&aggregation=false"), [1, ["10.1.0.1:50000"]]);
    assert.equal(
      (await here.call("GET /v1/ns/service/subscribers?serviceName=orders&aggregation=false")).json.count,
      1,
    );
  });

  test("comes from a member in pages", async () => {
    for (let at = 0; at < 501; at++) subscribe(there, `10.2.${at >> 8}.${at & 255}`);
    assert.equal((await list())[0], 501);
  });
});

describe("a copy of what another member owns", () => {
  const path = "/v3/admin/ns";
  const clientId = "1767225600000_10.1.1.9_51234";
  const hold = (counter: number, healthy: boolean) => {
    const instance = {
      ip: "10.1.1.5",
      port: 8080,
      weight: 1,
      healthy,
      enabled: true,
      cluster: "DEFAULT",
      metadata: {},
      instanceId: undefined,
    };
    here.naming.submit({
      type: "copy",
      clientId,
      kind: "connection",
      version: { owner: "b", incarnation: 4, counter },
      contents: {
        ip: "10.1.1.9",
        port: 51_234,
        app: "shop",
        agent: "Nacos-Java-Client:v2.4.0",
        createdAt: 0,
        publications: [{ service: orders, instances: [instance] }],
      },
    });
  };
  beforeEach(() => hold(7, true));
  const data = async (line: string) => (await here.call(line)).json.data;
  const mark = (as: "unconfirmed" | "unhealthy" | "trusted") =>
    here.naming.submit({ type: "mark", clientIds: [clientId], as });

  test("is shown with its owner and its version", async () => {
    for (const line of [`GET ${path}/client?clientId=${clientId}`, `GET /v2/ns/client?clientId=${clientId}`])
      assert.deepEqual((await data(line)).owner, {
        memberId: "b",
        address: "10.0.0.1:8848",
        incarnation: 4,
        counter: 7,
        shown: "asPublished",
      });
  });

  test("is marked in the lists of operators while nobody speaks for it, and only then", async () => {
    const [unmarked] = await data(`GET ${path}/instance/list?serviceName=orders`);
    assert.ok(!("shown" in unmarked) && !("owner" in unmarked));
    mark("unconfirmed");
    const [shown] = await data(`GET ${path}/instance/list?serviceName=orders`);
    assert.deepEqual([shown.shown, shown.healthy, shown.owner], ["unconfirmed", true, "10.0.0.1:8848"]);
    mark("unhealthy");
    const one = await data(`GET ${path}/instance?serviceName=orders&ip=10.1.1.5&port=8080`);
    assert.deepEqual([one.shown, one.healthy], ["unhealthy", false]);
    const [publisher] = await data(`GET ${path}/client/service/publisher/list?serviceName=orders`);
    assert.deepEqual([publisher.clientId, publisher.shown], [clientId, "unhealthy"]);
    assert.ok(!(await here.call("GET /v1/ns/instance/list?serviceName=orders")).text.includes("unhealthy"));
  });

  test("says why it went as the member that had it knows, with that member's address; with the address alone otherwise", async (t) => {
    here.naming.submit({ type: "forgetCopy", clientId, cause: "removed", owner: "b" });
    const newest = async () => {
      const [record] = (await data(`GET ${path}/journal?serviceName=orders`)).pageItems;
      const { sentence, detail } = record;
      assert.ok(sentence.includes(` because the member that has its client said so (${detail}); client `), sentence);
      return record;
    };
    const ask = t.mock.method(peers, "ask", () => Promise.reject(new RegistryError("peerUnreachable", "no answer")));
    let { at, detail } = await newest();
    assert.equal(detail, "10.0.0.1:8848");
    const asked: unknown[] = [];
    ask.mock.mockImplementation(async (memberId, name, given) => {
      asked.push([memberId, name, given]);
      return readAnswer(name, { sentence: "", because: "its heartbeats stopped (no heartbeat for 45.0 s)", at });
    });
    ({ detail } = await newest());
    assert.equal(detail, "10.0.0.1:8848: its heartbeats stopped (no heartbeat for 45.0 s)");
    assert.deepEqual(asked, [["b", "converge.why", { ...orders, key: "10.1.1.5:8080:DEFAULT", what: "removed" }]]);
    at += 120_000;
    ({ detail } = await newest());
    assert.equal(detail, "10.0.0.1:8848", "what went there at another time is not the cause of this");
  });

  test("says why it is unhealthy as the member that judges it knows", async (t) => {
    hold(8, false);
    const [record] = (await data(`GET ${path}/journal?serviceName=orders`)).pageItems;
    const ask = t.mock.method(peers, "ask", () => Promise.reject(new RegistryError("peerUnreachable", "no answer")));
    ask.mock.mockImplementation(async (_memberId, name) =>
      readAnswer(name, { sentence: "", because: "its heartbeats stopped", at: record.at }),
    );
    const [{ what, detail }] = (await data(`GET ${path}/journal?serviceName=orders`)).pageItems;
    assert.deepEqual([what, detail], ["unhealthy", "10.0.0.1:8848: its heartbeats stopped"]);
    const given = { ...orders, key: "10.1.1.5:8080:DEFAULT", what: "unhealthy" };
    assert.deepEqual(ask.mock.calls.at(-1)?.arguments.slice(0, 3), ["b", "converge.why", given]);
  });

  test("is no client that this member is responsible for", async () => {
    const { clientCount, responsibleClientCount, responsibleInstanceCount } = (
      await here.call("GET /v1/ns/operator/metrics?onlyStatus=false")
    ).json;
    assert.deepEqual([clientCount, responsibleClientCount, responsibleInstanceCount], [1, 0, 0]);
  });
});
