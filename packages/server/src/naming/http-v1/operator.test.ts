import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { TestHttp } from "../http.fixture.ts";

let http: TestHttp;
beforeEach(() => {
  http = new TestHttp();
});
afterEach(() => http.close());

const setSwitch = (entry: string, value: string) => http.call("PUT /v1/ns/operator/switches", { entry, value });

describe("the operator calls of v1", () => {
  test("say the status, and all figures when asked", async () => {
    assert.deepEqual((await http.call("GET /v1/ns/operator/metrics")).json, { status: "UP" });
    await http.register("orders", "10.1.1.5:8080");
    await http.register("db", "10.1.1.6:3306", { ephemeral: "false" });
    for (const base of ["operator", "ops"])
      assert.deepEqual((await http.call(`GET /v1/ns/${base}/metrics?onlyStatus=false`)).json, {
        status: "UP",
        serviceCount: 2,
        instanceCount: 2,
        subscribeCount: 0,
        responsibleInstanceCount: 2,
        clientCount: 2,
        connectionBasedClientCount: 0,
        ephemeralIpPortClientCount: 1,
        persistentIpPortClientCount: 1,
        responsibleClientCount: 2,
        cpu: 0.12,
        load: 0.5,
        mem: 0.4,
      });
  });

  test("show all switches and change one by its entry", async () => {
    assert.equal((await setSwitch("pushCacheMillis", "12000")).text, "ok");
    const { json, text } = await http.call("GET /v1/ns/operator/switches");
    assert.equal(json.defaultPushCacheMillis, 12000);
    assert.deepEqual([json.masters, json.incrementalList, json.checksum], [null, [], null]);
    assert.match(text, /"httpHealthParams":\{"max":5000,"min":500,"factor":0\.85\}/);
    assert.match((await http.call("GET /v1/ns/instance/list?serviceName=x")).text, /"cacheMillis":12000,/);
  });

  test("refuse an unknown switch, a bad value and a missing one, and take an empty value for none", async () => {
    assert.match((await setSwitch("nothing", "1")).text, /^unknown switch 'nothing'/);
    assert.equal((await setSwitch("pushCacheMillis", "1")).status, 400);
    const missing = await http.call("PUT /v1/ns/operator/switches?entry=check");
    assert.deepEqual([missing.status, missing.text], [400, "Param 'value' is required."]);
    await setSwitch("overriddenServerStatus", "DOWN");
    assert.deepEqual((await http.call("GET /v1/ns/operator/metrics")).json, { status: "DOWN" });
    assert.equal((await setSwitch("overriddenServerStatus", "")).text, "ok");
    assert.deepEqual((await http.call("GET /v1/ns/operator/metrics")).json, { status: "UP" });
  });

  test("set the level of a log", async () => {
    assert.equal((await http.call("PUT /v1/ns/operator/log?logName=naming-push&logLevel=DEBUG")).text, "ok");
    assert.deepEqual(http.logLevels, ["naming-push=debug"]);
    assert.equal((await http.call("PUT /v1/ns/operator/log?logName=naming-push&logLevel=loud")).status, 400);
  });

  test("answer what old documentation asks for", async () => {
    assert.deepEqual((await http.call("GET /v1/ns/operator/distro/client?ip=10.1.1.5&port=1")).json, {
      responsibleServer: "10.0.0.1:8848",
    });
    assert.equal((await http.call("GET /v1/ns/operator/servers")).json.servers[0].address, "10.0.0.1:8848");
    const { leader } = (await http.call("GET /v1/ns/raft/leader")).json;
    assert.equal(JSON.parse(leader).ip, "10.0.0.1:8848");
    assert.equal((await http.call("GET /v1/ns/raft/state")).json.leader, "10.0.0.1:8848");
    assert.deepEqual((await http.call("POST /v1/ns/operator/push/state")).json, { succeed: 0, total: 0, ratio: 1 });
  });
});

describe("the health calls of v1", () => {
  const set = (more: string) => http.call(`PUT /v1/ns/health/instance?serviceName=db&ip=10.1.1.5&port=3306${more}`);
  const healthy = async () => (await http.call("GET /v1/ns/instance/list?serviceName=db")).json.hosts[0].healthy;

  test("set the health of an instance that nothing checks, and of no other", async () => {
    await http.register("db", "10.1.1.5:3306", { ephemeral: "false" });
    const refused = await set("&healthy=false");
    assert.equal(refused.status, 400);
    assert.match(refused.text, /^health check is still working, service: DEFAULT_GROUP@@db/);

    const cluster = "serviceName=db&clusterName=DEFAULT&checkPort=80&useInstancePort4Check=true";
    await http.call(`PUT /v1/ns/cluster?${cluster}`, { healthChecker: '{"type":"NONE"}' });
    assert.equal((await set("")).text, "Param 'healthy' is required.");
    assert.equal((await set("&healthy=false")).text, "ok");
    assert.equal(await healthy(), false);
    assert.equal((await set("&valid=true")).text, "ok");
    assert.equal(await healthy(), true);
  });

  test("greet, and list the kinds of checks", async () => {
    const hello = await http.call("GET /v1/ns/health/server");
    assert.equal(hello.text, '{"msg":"Hello! I am Nacos-Naming and healthy! total services: 0, local port:8848"}');
    assert.deepEqual(Object.keys((await http.call("GET /v1/ns/health/checkers")).json), [
      "NONE",
      "TCP",
      "HTTP",
      "MYSQL",
    ]);
  });
});
