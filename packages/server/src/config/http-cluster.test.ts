import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import { type Peers, readAnswer } from "../cluster/peer-calls.ts";
import { ConfigHttp } from "./http.fixture.ts";
import { listenersAt } from "./http-common/listeners.ts";
import { listenerPage } from "./listener-page.ts";
import { reachedAnswer } from "./reached.ts";
import { contentOf } from "./sealing.ts";

let here: ConfigHttp;
let there: ConfigHttp;

/** `there`, asked over a wire, and one more member that does not answer. */
const overWire = (value: unknown) => JSON.parse(JSON.stringify(value));
const peers: Peers = {
  async ask(_memberId, name, given) {
    const answer = name === "config.reach" ? reachedAnswer : listenerPage;
    return readAnswer(name, overWire(await answer(listenersAt(there), overWire(given))));
  },
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
    connections.get = (id) =>
      ({ clientIp: id.split(" ")[0], remoteIp: "192.168.0.1", clientVersion: id.split(" ")[1] }) as never;
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

describe("a dry run", () => {
  const dryRun = async (base: string, content: string, more: object = {}) =>
    (await here.call(`POST ${base}/config`, { dataId: "app.yaml", groupName: "g", content, dryRun: "true", ...more }))
      .json.data;

  for (const base of ["/v3/admin/cs", "/v3/console/cs"])
    test(`at ${base} counts who would be told at all members, and names those that did not answer`, async () => {
      listen(here, "10.1.1.1 Java:v3", "app.yaml", "");
      listen(there, "10.1.1.2 Java:v3", "app.yaml", "");
      listen(there, "10.1.1.3 Go:v2", "app.yaml", "");
      listen(there, "10.1.1.4 Go:v2", "db.yaml", "");
      const { listeners, byVersion, unanswered } = await dryRun(base, "new");
      assert.deepEqual({ listeners, byVersion }, { listeners: 3, byVersion: { "Java:v3": 2, "Go:v2": 1 } });
      assert.deepEqual(unanswered, ["10.0.0.3:8848"]);
    });

  test("counts at all members only whom a gray version is for", async () => {
    listen(here, "10.1.1.1 Java:v3", "app.yaml", "");
    for (const ip of ["10.1.1.2", "10.1.1.3"])
      there.configs.listen({
        clientId: `${ip} Go:v2`,
        labels: { ClientIp: ip },
        contexts: [{ name: { dataId: "app.yaml", group: "g", namespace: "public" }, form: "given", md5: "" }],
      });
    const { json } = await here.call(
      "POST /v3/admin/cs/config",
      { dataId: "app.yaml", groupName: "g", content: "new", dryRun: "true" },
      { betaIps: "10.1.1.3" },
    );
    assert.deepEqual(json.data.byVersion, { "Go:v2": 1 });
  });

  test("asks nobody when nothing would change", async () => {
    await here.publish("app.yaml", "same");
    here.peers = { ...peers, askAll: () => assert.fail("asked") };
    const { changes, listeners, unanswered } = await dryRun("/v3/admin/cs", "same");
    assert.deepEqual({ changes, listeners, unanswered }, { changes: false, listeners: 0, unanswered: [] });
  });

  test("tells 100 versions apart, whatever clients call themselves", async () => {
    for (let at = 0; at < 90; at++) {
      listen(here, `10.1.1.1 here:${at}`, "app.yaml", "");
      listen(there, `10.1.1.2 there:${at}`, "app.yaml", "");
    }
    const { listeners, byVersion } = await dryRun("/v3/admin/cs", "new");
    assert.deepEqual([listeners, Object.keys(byVersion).length, byVersion.others], [180, 101, 80]);
  });
});
