import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import { type Peers, readAnswer } from "../cluster/peer-calls.ts";
import { ConfigHttp } from "./http.fixture.ts";
import { listenersAt } from "./http-common/listeners.ts";
import { listenerPage } from "./listener-page.ts";
import { contentOf } from "./sealing.ts";

let here: ConfigHttp;
let there: ConfigHttp;

/** `there`, asked over a wire, and one more member that does not answer. */
const peers: Peers = {
  ask: async (_memberId, name, given) =>
    readAnswer(
      name,
      JSON.parse(JSON.stringify(await listenerPage(listenersAt(there), JSON.parse(JSON.stringify(given))))),
    ),
  askAll: async (name, given, timeoutMs) => [
    { memberId: "b", address: "10.0.0.2:8848", answer: await peers.ask("b", name, given, timeoutMs) },
    { memberId: "c", address: "10.0.0.3:8848", error: new RegistryError("peerUnreachable", "no answer") },
  ],
};

beforeEach(() => {
  here = new ConfigHttp();
  here.peers = peers;
  there = new ConfigHttp();
  for (const { connections } of [here, there])
    connections.get = (id) => ({ clientIp: id.split(" ")[0], remoteIp: "192.168.0.1" }) as never;
});
afterEach(() => Promise.all([here.close(), there.close()]));

function listen({ configs }: ConfigHttp, clientId: string, dataId: string, md5: string, namespace = "public"): void {
  const name = { dataId, group: "g", namespace };
  configs.listen({ clientId, labels: {}, contexts: [{ name, form: "given", md5 }] });
}

describe("who listens", () => {
  const ADMIN = "/v3/admin/cs";
  const status = async (path: string) => (await here.call(`GET ${path}`)).json.data.listenersStatus;
  const ofConfig = `${ADMIN}/config/listener?dataId=app.yaml&groupName=g`;
  const ofAddress = `${ADMIN}/listener?ip=10.1.1.2`;

  test("to a configuration is told of all members that answer, in every dialect", async () => {
    listen(here, "10.1.1.1", "app.yaml", "one");
    listen(there, "10.1.1.2", "app.yaml", "two");
    const both = { "10.1.1.1": "one", "10.1.1.2": "two" };
    assert.deepEqual(await status(ofConfig), both);
    assert.deepEqual(await status("/v3/console/cs/config/listener?dataId=app.yaml&groupName=g"), both);
    const v1 = await here.call("GET /v1/cs/configs/listener?dataId=app.yaml&group=g");
    assert.deepEqual(v1.json.lisentersGroupkeyStatus, both);
  });

  test("from an address is told of all members that answer, in one namespace or in all", async () => {
    listen(here, "10.1.1.2", "app.yaml", "one");
    listen(there, "10.1.1.2", "db.yaml", "two");
    listen(there, "10.1.1.2", "db.yaml", "three", "dev");
    assert.deepEqual(await status(ofAddress), { "app.yaml+g+public": "one", "db.yaml+g+public": "two" });
    const dev = { "db.yaml+g+dev": "three" };
    assert.deepEqual(await status(`${ofAddress}&namespaceId=dev`), dev);
    assert.equal(Object.keys(await status(`${ofAddress}&all=true`)).length, 3);
    const v1 = await here.call("GET /v1/cs/listener?ip=10.1.1.2&tenant=dev");
    assert.deepEqual(v1.json.lisentersGroupkeyStatus, dev);
  });

  test("is told of the asked member alone when aggregation is not wanted", async () => {
    listen(here, "10.1.1.1", "app.yaml", "one");
    listen(there, "10.1.1.2", "app.yaml", "two");
    assert.deepEqual(await status(`${ofConfig}&aggregation=false`), { "10.1.1.1": "one" });
    assert.deepEqual(await status(`${ofAddress}&aggregation=false`), {});
  });

  test("from one address at two members is told by the one that is behind", async () => {
    await here.publish("app.yaml", "new");
    const newest = contentOf("new").md5;
    listen(here, "10.1.1.1", "app.yaml", newest);
    listen(there, "10.1.1.1", "app.yaml", "old");
    listen(here, "10.1.1.2", "app.yaml", "old");
    listen(there, "10.1.1.2", "app.yaml", newest);
    assert.deepEqual(await status(ofConfig), { "10.1.1.1": "old", "10.1.1.2": "old" });
  });

  test("comes from a member in pages", async () => {
    for (let at = 0; at < 1001; at++) listen(there, `10.2.${at >> 8}.${at & 255}`, "app.yaml", "one");
    assert.equal(Object.keys(await status(ofConfig)).length, 1001);
  });
});
