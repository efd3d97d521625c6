import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { TestHttp } from "../http.fixture.ts";

let http: TestHttp;
beforeEach(() => {
  http = new TestHttp();
});
afterEach(() => http.close());

describe("a service over v1", () => {
  test("is made, shown, changed and deleted", async () => {
    const selector = '{"type":"label","expression":"CONSUMER.label.zone = PROVIDER.label.zone"}';
    const form = { serviceName: "orders", protectThreshold: "0.5", metadata: "team=a", selector };
    assert.equal((await http.call("POST /v1/ns/service", form)).text, "ok");
    const again = await http.call("POST /v1/ns/service", form);
    assert.deepEqual([again.status, again.text], [400, "specified service DEFAULT_GROUP@@orders already exists!"]);

    const shown = await http.call("GET /v1/ns/service?serviceName=orders");
    assert.deepEqual(shown.json, {
      namespaceId: "public",
      groupName: "DEFAULT_GROUP",
      name: "orders",
      protectThreshold: 0.5,
      metadata: { team: "a" },
      selector: { type: "label", contextType: "CMDB", expression: "CONSUMER.label.zone = PROVIDER.label.zone" },
      clusters: [],
    });

    const missing = await http.call("PUT /v1/ns/service", { serviceName: "orders" });
    assert.deepEqual([missing.status, missing.text], [400, "Param 'protectThreshold' is required."]);
    assert.equal((await http.call("PUT /v1/ns/service", { serviceName: "orders", protectThreshold: "0" })).text, "ok");
    assert.match((await http.call("GET /v1/ns/service?serviceName=orders")).text, /"protectThreshold":0\.0,/);

    assert.equal((await http.call("DELETE /v1/ns/service?serviceName=orders")).text, "ok");
    const gone = await http.call("GET /v1/ns/service?serviceName=orders");
    assert.deepEqual(
      [gone.status, gone.text],
      [400, "service not found, namespace: public, serviceName: DEFAULT_GROUP@@orders"],
    );
    const twice = await http.call("DELETE /v1/ns/service?serviceName=orders");
    assert.deepEqual([twice.status, twice.text], [400, "service DEFAULT_GROUP@@orders not found!"]);
  });

  test("cannot be deleted while it has instances", async () => {
    await http.register("orders", "10.1.1.5:8080");
    const refused = await http.call("DELETE /v1/ns/service?serviceName=orders");
    assert.deepEqual(
      [refused.status, refused.text],
      [400, "Service DEFAULT_GROUP@@orders is not empty, can't be delete. Please unregister instance first"],
    );
  });

  for (const [what, form] of [
    ["a selector of no known type", { selector: '{"type":"other"}' }],
    ["a threshold above 1", { protectThreshold: "1.5" }],
    ["metadata that is none", { metadata: "zone" }],
  ] as const)
    test(`is refused for ${what}`, async () => {
      assert.equal((await http.call("POST /v1/ns/service", { serviceName: "orders", ...form })).status, 400);
    });

  test("is listed by its plain name, page by page, in its own group only", async () => {
    for (const name of ["c", "a", "b"]) await http.register(name, "10.1.1.5:8080");
    await http.register("other@@d", "10.1.1.5:8080");
    const list = (query: string) => http.call(`GET /v1/ns/service/list?${query}`);
    assert.deepEqual((await list("pageNo=1&pageSize=2")).json, { count: 3, doms: ["a", "b"] });
    assert.deepEqual(
      (await list("pageNo=0&pageSize=2")).json,
      { count: 3, doms: ["a", "b"] },
      "the first is the least",
    );
    assert.deepEqual((await list("pageNo=2&pageSize=2")).json, { count: 3, doms: ["c"] });
    assert.deepEqual((await list("pageNo=9&pageSize=2")).json, { count: 3, doms: [] });
    assert.deepEqual((await list("pageNo=1&pageSize=2&groupName=other")).json, { count: 1, doms: ["d"] });
    const missing = await list("pageNo=1");
    assert.deepEqual([missing.status, missing.text], [400, "Parameter 'pageSize' is missing"]);
  });

  test("is named per namespace, under the key of today and that of 1.x", async () => {
    await http.register("orders-api", "10.1.1.5:8080");
    await http.register("users", "10.1.1.5:8080", { namespaceId: "dev" });
    const all = (await http.call("GET /v1/ns/service/names")).json;
    const services = { public: ["DEFAULT_GROUP@@orders-api"], dev: ["DEFAULT_GROUP@@users"] };
    assert.deepEqual(all, { "META-INF/services": services, services, count: 2 });
    assert.equal((await http.call("GET /v1/ns/service/names?expr=ord.*api")).json.count, 1);
    assert.equal((await http.call("GET /v1/ns/service/names?expr=api.*ord")).json.count, 0);
  });

  test("has selectors of these types", async () => {
    assert.deepEqual((await http.call("GET /v1/ns/service/selector/types")).json, {
      code: 200,
      message: null,
      data: ["none", "label"],
    });
  });

  test("has subscribers, and errors give an empty list", async () => {
    const answer = await http.call("GET /v1/ns/service/subscribers?serviceName=orders&pageNo=x");
    assert.deepEqual(answer.json, { subscribers: [], count: 0 });
    assert.equal((await http.call("GET /v1/ns/service/subscribers")).text, "Param 'serviceName' is required.");
  });
});

describe("the catalog", () => {
  beforeEach(async () => {
    await http.register("orders", "10.1.1.5:8080", { metadata: "zone=a" });
    await http.register("orders", "10.1.1.6:8080", { clusterName: "east", enabled: "false" });
  });

  test("shows a service with its clusters", async () => {
    const described = {
      serviceName: "orders",
      clusterName: "east",
      checkPort: "81",
      useInstancePort4Check: "false",
      healthChecker: '{"type":"HTTP","path":"/up"}',
    };
    assert.equal((await http.call("PUT /v1/ns/cluster", described)).text, "ok");
    const shown = (await http.call("GET /v1/ns/catalog/service?serviceName=orders")).json;
    assert.deepEqual(shown.service, {
      name: "orders",
      groupName: "DEFAULT_GROUP",
      protectThreshold: 0,
      selector: { type: "none", contextType: "NONE" },
      metadata: {},
    });
    const common = { serviceName: "orders", defaultPort: 80, metadata: {} };
    assert.deepEqual(shown.clusters, [
      { ...common, name: "DEFAULT", healthChecker: { type: "TCP" }, defaultCheckPort: 80, useIpPort4Check: true },
      {
        ...common,
        name: "east",
        healthChecker: { type: "HTTP", path: "/up", headers: "", expectedResponseCode: 200 },
        defaultCheckPort: 81,
        useIpPort4Check: false,
      },
    ]);
    const unknown = await http.call("GET /v1/ns/catalog/service?serviceName=nobody");
    assert.deepEqual([unknown.status, unknown.text], [404, "service DEFAULT_GROUP@@nobody is not found!"]);
  });

  test("refuses a cluster that cannot be checked as described", async () => {
    const form = { serviceName: "orders", clusterName: "east", checkPort: "81", useInstancePort4Check: "true" };
    assert.equal((await http.call("PUT /v1/ns/cluster", form)).text, "Param 'healthChecker' is required.");
    assert.equal((await http.call("PUT /v1/ns/cluster", { ...form, healthChecker: '{"type":"PING"}' })).status, 400);
    const nobody = { ...form, serviceName: "nobody", healthChecker: '{"type":"NONE"}' };
    assert.match((await http.call("PUT /v1/ns/cluster", nobody)).text, /^service not found/);
  });

  test("lists the instances of one cluster, disabled ones too", async () => {
    const list = (cluster: string) =>
      http.call(`GET /v1/ns/catalog/instances?serviceName=orders&clusterName=${cluster}&pageNo=1&pageSize=10`);
    const east = (await list("east")).json;
    assert.deepEqual([east.count, east.list[0].ip, east.list[0].enabled], [1, "10.1.1.6", false]);
    const unknown = await list("west");
    assert.deepEqual([unknown.status, unknown.text], [404, "cluster west is not found!"]);
  });

  test("finds services by parts of their names and addresses", async () => {
    await http.call("POST /v1/ns/service", { serviceName: "empty" });
    const list = async (query: string) =>
      (await http.call(`GET /v1/ns/catalog/services?pageNo=1&pageSize=10&${query}`)).json;
    assert.equal((await list("")).count, 2);
    assert.deepEqual(await list("hasIpCount=true"), {
      count: 1,
      serviceList: [
        {
          name: "orders",
          groupName: "DEFAULT_GROUP",
          clusterCount: 2,
          ipCount: 2,
          healthyInstanceCount: 2,
          triggerFlag: "false",
        },
      ],
    });
    assert.equal((await list("serviceNameParam=ORD")).count, 1);
    assert.equal((await list("instance=10.1.1.6:8080")).count, 1);
    assert.equal((await list("instance=10.9.9.9")).count, 0);
    const [detail] = await list("withInstances=true&serviceNameParam=orders");
    assert.deepEqual([detail.namespace, Object.keys(detail.clusterMap)], ["public", ["DEFAULT", "east"]]);
  });
});
