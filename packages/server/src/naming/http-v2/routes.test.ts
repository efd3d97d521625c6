import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { allHttp } from "../../all-http.fixture.ts";
import type { TestHttp } from "../http.fixture.ts";

let http: TestHttp;
beforeEach(() => {
  http = allHttp();
});
afterEach(() => http.close());

const base = "/v2/ns";
const at = "serviceName=orders&ip=10.1.1.5&port=8080";
const composite = "serviceName=DEFAULT_GROUP@@orders&ip=10.1.1.5&port=8080";
async function data(line: string) {
  const { status, text, json } = await http.call(line);
  assert.equal(status, 200, text);
  assert.equal(json.code, 0, text);
  return json.data;
}
async function failure(line: string) {
  const { status, json } = await http.call(line);
  return [status, json.code];
}

describe("an instance over v2", () => {
  test("is registered, shown, listed and taken back", async () => {
    assert.equal(await data(`POST ${base}/instance?${at}&metadata=zone=a`), "ok");
    assert.deepEqual(await data(`GET ${base}/instance?${at}`), {
      serviceName: "DEFAULT_GROUP@@orders",
      ip: "10.1.1.5",
      port: 8080,
      clusterName: "DEFAULT",
      weight: 1,
      healthy: true,
      instanceId: "10.1.1.5#8080#DEFAULT#DEFAULT_GROUP@@orders",
      metadata: { zone: "a" },
    });
    const { name, groupName, hosts } = await data(`GET ${base}/instance/list?serviceName=orders`);
    assert.deepEqual([name, groupName, hosts.length], ["DEFAULT_GROUP@@orders", "DEFAULT_GROUP", 1]);
    assert.equal(await data(`DELETE ${base}/instance?${at}`), "ok");
    assert.deepEqual((await data(`GET ${base}/instance/list?serviceName=orders`)).hosts, []);
    assert.deepEqual(await failure(`GET ${base}/instance?${at}`), [404, 20004]);
  });

  test("is overridden as a whole by PUT and in part by PATCH, which wants the composite name and answers text", async () => {
    await data(`POST ${base}/instance?${at}`);
    await data(`PUT ${base}/instance?${at}&weight=3`);
    const patched = await http.call(`PATCH ${base}/instance?${composite}&metadata=a=b`);
    assert.deepEqual([patched.status, patched.text], [200, "ok"]);
    const { weight, metadata } = await data(`GET ${base}/instance?${at}`);
    assert.deepEqual([weight, metadata], [3, { a: "b" }]);
    assert.deepEqual(await failure(`PATCH ${base}/instance?${at}&weight=1`), [400, 20002]);
  });

  test("beats under the composite name and is answered without a wrapper", async () => {
    const light = await http.call(`PUT ${base}/instance/beat?${composite}`);
    assert.deepEqual(light.json, { clientBeatInterval: 5000, code: 20404, lightBeatEnabled: true });
    const beat = encodeURIComponent('{"ip":"10.1.1.5","port":8080}');
    const full = await http.call(`PUT ${base}/instance/beat?serviceName=DEFAULT_GROUP@@orders&beat=${beat}`);
    assert.equal(full.json.code, 10200);
    assert.equal((await data(`GET ${base}/instance?${at}`)).ip, "10.1.1.5");
    assert.deepEqual(await failure(`PUT ${base}/instance/beat?${at}`), [400, 20002]);
  });

  test("has a status by the key of its service, and none for an unknown one", async () => {
    await data(`POST ${base}/instance?${at}`);
    assert.deepEqual((await http.call(`GET ${base}/instance/statuses/DEFAULT_GROUP@@orders`)).json, {
      ips: ["10.1.1.5:8080_true"],
    });
    assert.deepEqual((await http.call(`GET ${base}/instance/statuses/DEFAULT_GROUP@@nobody`)).json, { ips: [] });
    assert.deepEqual(await failure(`GET ${base}/instance/statuses/orders`), [400, 20002]);
  });

  test("subscribes its caller for packets when it names a port", async () => {
    await data(`GET ${base}/instance/list?serviceName=orders&ip=10.1.1.9&port=55000`);
    assert.deepEqual(await data(`GET ${base}/client/service/subscriber/list?serviceName=orders`), [
      { clientId: "10.1.1.9:55000#true", ip: "10.1.1.9", port: 55000 },
    ]);
  });

  test("is found in the catalog in every cluster, narrowed only when the caller says so", async () => {
    await data(`POST ${base}/instance?${at}&healthy=false`);
    await data(`POST ${base}/instance?serviceName=orders&ip=10.1.1.6&port=1&clusterName=east&enabled=false`);
    const catalog = `GET ${base}/catalog/instances?serviceName=orders&pageNo=1&pageSize=10`;
    assert.equal((await data(catalog)).count, 2);
    assert.equal((await data(`${catalog}&healthyOnly=false&enabledOnly=false`)).count, 2);
    assert.deepEqual(
      (await data(`${catalog}&healthyOnly=true`)).instances.map(({ ip }: { ip: string }) => ip),
      ["10.1.1.6"],
    );
    assert.deepEqual(await data(`GET ${base}/catalog/instances?serviceName=orders&pageNo=9&pageSize=10`), { count: 2 });
    assert.deepEqual(
      await failure(`GET ${base}/catalog/instances?serviceName=nobody&pageNo=1&pageSize=1`),
      [404, 20004],
    );
  });
});

describe("a service over v2", () => {
  test("is made, listed by plain name, shown with its instances and deleted", async () => {
    await data(`POST ${base}/service?serviceName=orders&ephemeral=true&metadata=a=b`);
    assert.deepEqual(await data(`GET ${base}/service/list`), { count: 1, services: ["orders"] });
    await data(`POST ${base}/instance?${at}`);
    assert.deepEqual(await data(`GET ${base}/service?serviceName=orders`), {
      namespace: "public",
      serviceName: "orders",
      groupName: "DEFAULT_GROUP",
      clusterMap: {
        DEFAULT: {
          clusterName: "DEFAULT",
          healthChecker: { type: "TCP" },
          metadata: {},
          hosts: [{ valid: true, metadata: {}, port: 8080, ip: "10.1.1.5", weight: 1, enabled: true }],
        },
      },
      metadata: { a: "b" },
      protectThreshold: 0,
      selector: { type: "none", contextType: "NONE" },
      ephemeral: true,
    });
    assert.deepEqual(await failure(`DELETE ${base}/service?serviceName=orders`), [400, 21009]);
    await data(`DELETE ${base}/instance?${at}`);
    await data(`DELETE ${base}/service?serviceName=orders`);
    assert.deepEqual(await failure(`GET ${base}/service?serviceName=orders`), [400, 21008]);
  });
});

describe("clients over v2", () => {
  test("are shown with the field names of v2", async () => {
    await data(`POST ${base}/instance?${at}`);
    const id = encodeURIComponent("10.1.1.5:8080#true");
    assert.deepEqual(await data(`GET ${base}/client/list`), ["10.1.1.5:8080#true"]);
    assert.equal((await data(`GET ${base}/client?clientId=${id}`)).clientType, "ipPort");
    assert.deepEqual(await data(`GET ${base}/client/publish/list?clientId=${id}`), [
      {
        namespace: "public",
        group: "DEFAULT_GROUP",
        serviceName: "orders",
        registeredInstance: { ip: "10.1.1.5", port: 8080, cluster: "DEFAULT" },
      },
    ]);
    assert.deepEqual(await data(`GET ${base}/client/service/publisher/list?serviceName=orders`), [
      { ip: "10.1.1.5", port: 8080, cluster: "DEFAULT", clientId: "10.1.1.5:8080#true" },
    ]);
    assert.deepEqual(await failure(`GET ${base}/client?clientId=x`), [404, 20004]);
  });
});

describe("operators over v2", () => {
  for (const alias of ["operator", "ops"])
    test(`read switches and figures at /${alias}`, async () => {
      await data(`PUT ${base}/${alias}/switches?entry=pushEnabled&value=false`);
      assert.equal((await data(`GET ${base}/${alias}/switches`)).pushEnabled, false);
      assert.deepEqual(await data(`GET ${base}/${alias}/metrics`), { status: "UP" });
      assert.equal((await data(`GET ${base}/${alias}/metrics?onlyStatus=false`)).cpu, 0.12);
    });
});

describe("a closed gate", () => {
  test("answers 410 with JSON inside JSON that names what to call instead", async () => {
    const closed = allHttp({ gates: { open: true, admin: false, console: false } });
    try {
      for (const [path, instead] of [
        ["/v2/ns/service/list", "GET /v3/admin/ns/service/list"],
        ["/v2/console/health/liveness", "GET /v3/console/health/liveness"],
        ["/v1/core/cluster/nodes", "GET /v3/admin/core/cluster/node/list"],
      ] as const) {
        const { status, json } = await closed.call(`GET ${path}`);
        assert.deepEqual([status, json.status, json.error, json.path], [410, 410, "Gone", `/nacos${path}`]);
        const inner = JSON.parse(json.message);
        assert.equal(inner.code, 40000);
        assert.ok(inner.message.includes(`use API(s) ${instead} instead`), inner.message);
      }
      assert.equal((await closed.call("GET /v3/console/health/liveness")).status, 200);
    } finally {
      await closed.close();
    }
  });
});
