import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { findService, instancesOf, instanceText } from "@nacre/core/naming";
import { allHttp } from "../../all-http.fixture.ts";
import { instanceBody } from "../bodies.ts";
import type { TestHttp } from "../http.fixture.ts";

let http: TestHttp;
beforeEach(() => {
  http = allHttp();
});
afterEach(() => http.close());

const base = "/v3/admin/ns";
const at = "serviceName=orders&ip=10.1.1.5&port=8080";
/** The data of a call that succeeds. */
async function data(line: string) {
  const { status, text, json } = await http.call(line);
  assert.equal(status, 200, text);
  assert.deepEqual([json.code, json.message], [0, "success"]);
  return json.data;
}
/** Status, code and specific text of a call that fails. */
async function failure(line: string) {
  const { status, json } = await http.call(line);
  return [status, json.code, json.data];
}

describe("an instance over the v3 admin API", () => {
  test("is changed only where a partial update says so", async () => {
    await data(`POST ${base}/instance?${at}&weight=5&metadata=zone=a`);
    await data(`PUT ${base}/instance/partial?${at}&metadata=color=b`);
    const { weight, enabled, metadata } = await data(`GET ${base}/instance?${at}`);
    assert.deepEqual([weight, enabled, metadata], [5, true, { zone: "a", color: "b" }]);

    await data(`PUT ${base}/instance/partial?${at}&enabled=false`);
    await data(`PUT ${base}/instance/partial?${at}&weight=2`);
    const later = await data(`GET ${base}/instance?${at}`);
    assert.deepEqual([later.weight, later.enabled, later.metadata.color], [2, false, "b"]);

    assert.deepEqual(await failure(`PUT ${base}/instance/partial?serviceName=orders&ip=10.9.9.9&port=1`), [
      404,
      20004,
      "no matched ip found!",
    ]);
  });

  test("that is disabled is listed for operators and consoles, and for nobody else", async () => {
    await data(`POST ${base}/instance?${at}&enabled=false`);
    assert.equal((await data(`GET ${base}/instance/list?serviceName=orders`)).length, 1);
    assert.equal((await data("GET /v3/console/ns/instance/list?serviceName=orders")).totalCount, 1);
    assert.equal((await data("GET /v2/ns/catalog/instances?serviceName=orders&pageNo=1&pageSize=10")).count, 1);
    assert.deepEqual(await data("GET /v3/client/ns/instance/list?serviceName=orders"), []);
    await data(`POST ${base}/instance?serviceName=orders&ip=10.1.1.6&port=8080&healthy=false&enabled=false`);
    assert.equal((await data(`GET ${base}/instance/list?serviceName=orders`)).length, 2);
    assert.equal((await data(`GET ${base}/instance/list?serviceName=orders&healthyOnly=true`)).length, 1);
    assert.deepEqual((await data("GET /v2/ns/instance/list?serviceName=orders")).hosts, []);
  });

  test("is looked for in a service and a cluster that are there", async () => {
    assert.deepEqual(await failure(`GET ${base}/instance/list?serviceName=orders`), [
      404,
      30000,
      "service DEFAULT_GROUP@@orders is not found!",
    ]);
    await data(`POST ${base}/instance?${at}`);
    assert.deepEqual(await failure(`GET ${base}/instance/list?serviceName=orders&clusterName=east`), [
      404,
      30000,
      "cluster east is not found!",
    ]);
    assert.deepEqual(await failure(`PUT ${base}/instance?serviceName=nobody&ip=10.1.1.5&port=1`), [
      400,
      21004,
      "service not found, namespace: public, serviceName: DEFAULT_GROUP@@nobody",
    ]);
  });

  test("has its metadata changed in batches", async () => {
    await data(`POST ${base}/instance?${at}`);
    const updated = ["10.1.1.5:8080:unknown:DEFAULT:ephemeral"];
    const batch = `${base}/instance/metadata/batch?serviceName=orders&metadata=zone=a`;
    assert.deepEqual(await data(`PUT ${batch}`), { updated });
    assert.deepEqual((await data(`GET ${base}/instance?${at}`)).metadata, { zone: "a" });
    assert.deepEqual(await data(`DELETE ${batch}`), { updated });
    assert.deepEqual((await data(`GET ${base}/instance?${at}`)).metadata, {});
  });

  test("is the same in an object as in text", async () => {
    await data(`POST ${base}/instance?${at}&weight=2&metadata=preserved.heart.beat.interval=3000`);
    const name = { namespace: "public", group: "DEFAULT_GROUP", name: "orders" };
    const service = findService(http.naming.state, name);
    const [instance] = service === undefined ? [] : instancesOf(service, "");
    assert.ok(instance);
    assert.equal(JSON.stringify(instanceBody(name, instance)), instanceText(name, instance));
  });
});

describe("a service over the v3 admin API", () => {
  test("is made, shown, changed and deleted", async () => {
    const label = encodeURIComponent('{"type":"label","expression":"CONSUMER.label.zone = PROVIDER.label.zone"}');
    const more = `protectThreshold=0.5&metadata=owner=shop&selector=${label}&ephemeral=true`;
    assert.equal(await data(`POST ${base}/service?serviceName=orders&${more}`), "ok");
    const shown = await http.call(`GET ${base}/service?serviceName=orders`);
    assert.deepEqual(shown.json.data, {
      namespaceId: "public",
      serviceName: "orders",
      groupName: "DEFAULT_GROUP",
      clusterMap: {},
      metadata: { owner: "shop" },
      protectThreshold: 0.5,
      selector: {
        type: "label",
        contextType: "CMDB",
        expression: "CONSUMER.label.zone = PROVIDER.label.zone",
      },
      ephemeral: true,
    });
    assert.equal(shown.text.split('"type"').length, 2, "the type of the selector is there once");

    await data(`PUT ${base}/service?serviceName=orders&protectThreshold=0.2`);
    const changed = await data(`GET ${base}/service?serviceName=orders`);
    assert.deepEqual([changed.protectThreshold, changed.ephemeral, changed.metadata], [0.2, true, {}]);
    assert.equal(await data(`DELETE ${base}/service?serviceName=orders`), "ok");
    assert.equal((await failure(`GET ${base}/service?serviceName=orders`))[1], 21008);
  });

  test("that is made by hand is persistent unless told otherwise", async () => {
    await data(`POST ${base}/service?serviceName=db`);
    assert.equal((await data(`GET ${base}/service?serviceName=db`)).ephemeral, false);
  });

  test("is refused twice, unknown, in use, or with a selector that nobody has", async () => {
    await data(`POST ${base}/service?serviceName=orders&ephemeral=true`);
    await data(`POST ${base}/instance?${at}`);
    for (const [line, code] of [
      ["POST /v3/admin/ns/service?serviceName=orders", 21007],
      ["PUT /v3/admin/ns/service?serviceName=nobody", 21008],
      ["DELETE /v3/admin/ns/service?serviceName=nobody", 21008],
      ["DELETE /v3/admin/ns/service?serviceName=orders", 21009],
      ["POST /v3/admin/ns/service?serviceName=x&selector=%7B%22type%22%3A%22xyz%22%7D", 21006],
    ] as const)
      assert.deepEqual((await failure(line)).slice(0, 2), [400, code], line);
  });

  test("is listed in pages that are counted exactly, by parts of the names", async () => {
    for (const name of ["a1", "a2", "a3", "b1"]) await data(`POST ${base}/service?serviceName=${name}`);
    await data(`POST ${base}/instance?serviceName=a1&ip=10.1.1.5&port=1&ephemeral=false`);
    const first = await data(`GET ${base}/service/list?pageNo=1&pageSize=2`);
    assert.deepEqual([first.totalCount, first.pageNumber, first.pagesAvailable, first.pageItems.length], [4, 1, 2, 2]);
    assert.deepEqual(first.pageItems[0], {
      name: "a1",
      groupName: "DEFAULT_GROUP",
      clusterCount: 1,
      ipCount: 1,
      healthyInstanceCount: 1,
      triggerFlag: "false",
    });
    assert.deepEqual((await data(`GET ${base}/service/list?pageNo=3&pageSize=2`)).pageItems, []);
    assert.equal((await data(`GET ${base}/service/list?serviceNameParam=A&groupNameParam=default`)).totalCount, 3);
    assert.equal((await data(`GET ${base}/service/list?ignoreEmptyService=true`)).totalCount, 1);
    const [a1] = (await data(`GET ${base}/service/list?withInstances=true`)).pageItems;
    assert.equal(a1.clusterMap.DEFAULT.hosts[0].ip, "10.1.1.5");
    assert.equal((await failure(`GET ${base}/service/list?pageNo=0`))[1], 20002);
    assert.equal((await failure(`GET ${base}/service/list?pageSize=0`))[1], 20002);
  });

  test("has clusters that say how they are checked", async () => {
    await data(`POST ${base}/service?serviceName=db`);
    const checker = encodeURIComponent('{"type":"NONE"}');
    const cluster = `${base}/cluster?serviceName=db&clusterName=DEFAULT`;
    await data(`PUT ${cluster}&checkPort=81&useInstancePort4Check=false&healthChecker=${checker}&metadata=a=b`);
    assert.deepEqual((await data(`GET ${base}/service?serviceName=db`)).clusterMap, {
      DEFAULT: {
        clusterName: "DEFAULT",
        healthChecker: { type: "NONE" },
        healthyCheckPort: 81,
        useInstancePortForCheck: false,
        metadata: { a: "b" },
      },
    });
    assert.deepEqual(
      (await failure(`PUT ${cluster}&checkPort=81&useInstancePort4Check=false`)).slice(0, 2),
      [400, 10000],
    );

    const health = `${base}/health/instance?serviceName=db&ip=10.1.1.5&port=3306`;
    await data(`POST ${base}/instance?serviceName=db&ip=10.1.1.5&port=3306&ephemeral=false`);
    await data(`PUT ${health}&healthy=false`);
    assert.equal((await data(`GET ${base}/instance/list?serviceName=db`))[0].healthy, false);
    assert.equal((await failure(`PUT ${health}`))[1], 21010);
    await data(`POST ${base}/instance?${at}`);
    assert.equal((await failure(`PUT ${base}/health/instance?${at}&healthy=true`))[1], 21011);
  });
});

describe("clients over the v3 admin API", () => {
  const connection = "1767225600000_10.1.1.9_51234";
  beforeEach(async () => {
    await data(`POST ${base}/instance?${at}`);
    const caller = { ip: "10.1.1.9", app: "shop", agent: "Nacos-Java-Client:v2.4.0" };
    http.naming.submit({ type: "connected", clientId: connection, ip: "10.1.1.9", port: 51234, caller });
    const service = { namespace: "public", group: "DEFAULT_GROUP", name: "orders" };
    http.naming.submit({ type: "subscribe", clientId: connection, service, clusters: "", caller });
  });

  test("are listed and described", async () => {
    assert.deepEqual(await data(`GET ${base}/client/list`), ["10.1.1.5:8080#true", connection]);
    const { lastUpdatedTime, ...client } = await data(`GET ${base}/client?clientId=${connection}`);
    assert.equal(lastUpdatedTime, http.clock.now());
    assert.deepEqual(client, {
      clientId: connection,
      ephemeral: true,
      clientType: "connection",
      connectType: "GRPC",
      appName: "shop",
      version: "Nacos-Java-Client:v2.4.0",
      clientIp: "10.1.1.9",
      clientPort: 51234,
      owner: { memberId: "m", address: "10.0.0.1:8848", incarnation: 1, counter: 0, shown: "asPublished" },
    });
    assert.deepEqual(await failure(`GET ${base}/client?clientId=x`), [404, 20004, "clientId [ x ] not exist"]);
  });

  test("publish and subscribe", async () => {
    const names = { namespaceId: "public", groupName: "DEFAULT_GROUP", serviceName: "orders" };
    const address = encodeURIComponent("10.1.1.5:8080#true");
    const publisherInfo = { clientId: "10.1.1.5:8080#true", ip: "10.1.1.5", port: 8080, clusterName: "DEFAULT" };
    const subscriberInfo = {
      clientId: connection,
      appName: "shop",
      agent: "Nacos-Java-Client:v2.4.0",
      address: "10.1.1.9:51234",
    };
    assert.deepEqual(await data(`GET ${base}/client/publish/list?clientId=${address}`), [
      { ...names, publisherInfo, subscriberInfo: null },
    ]);
    assert.deepEqual(await data(`GET ${base}/client/subscribe/list?clientId=${connection}`), [
      { ...names, publisherInfo: null, subscriberInfo },
    ]);
    const publishers = `GET ${base}/client/service/publisher/list?serviceName=orders`;
    assert.deepEqual(await data(publishers), [publisherInfo]);
    assert.deepEqual(await data(`${publishers}&ip=10.1.1.5&port=8080`), [publisherInfo]);
    assert.deepEqual(await data(`${publishers}&port=1`), []);
    const subscribers = `GET ${base}/client/service/subscriber/list?serviceName=orders`;
    assert.deepEqual(await data(subscribers), [subscriberInfo]);
    assert.deepEqual(await data(`${subscribers}&ip=10.9.9.9`), []);
    const { clientId: _, ...rest } = subscriberInfo;
    assert.deepEqual((await data(`GET ${base}/service/subscribers?serviceName=orders`)).pageItems, [
      { ...names, ip: "10.1.1.9", port: 51234, ...rest },
    ]);
  });

  test("are the responsibility of the only member there is", async () => {
    assert.deepEqual(await data(`GET ${base}/client/distro?ip=10.1.1.5&port=8080`), {
      responsibleServer: "10.0.0.1:8848",
    });
  });
});

describe("operators over the v3 admin API", () => {
  test("read and change switches", async () => {
    assert.equal((await data(`GET ${base}/ops/switches`)).clientBeatInterval, 5000);
    await data(`PUT ${base}/ops/switches?entry=clientBeatInterval&value=7000`);
    assert.equal((await data(`GET ${base}/ops/switches`)).clientBeatInterval, 7000);
    assert.deepEqual((await failure(`PUT ${base}/ops/switches?entry=nope&value=1`)).slice(0, 2), [400, 20002]);
    assert.equal((await failure(`PUT ${base}/ops/switches?value=1`))[1], 10000);
  });

  test("read figures without those of the process", async () => {
    assert.deepEqual(await data(`GET ${base}/ops/metrics`), { status: "UP" });
    const figures = await data(`GET ${base}/ops/metrics?onlyStatus=false`);
    assert.equal(figures.serviceCount, 0);
    assert.ok(!("cpu" in figures) && !("responsibleInstanceCount" in figures));
  });

  test("change the level of the log", async () => {
    await data(`PUT ${base}/ops/log?logName=naming-push&logLevel=DEBUG`);
    assert.deepEqual(http.logLevels, ["naming-push=debug"]);
  });

  test("see the selectors and checkers there are", async () => {
    assert.deepEqual(await data(`GET ${base}/service/selector/types`), ["none", "label"]);
    assert.deepEqual(Object.keys(await data(`GET ${base}/health/checkers`)), ["NONE", "TCP", "HTTP", "MYSQL"]);
  });
});

describe("the journal of causes", () => {
  const journal = (more = "") => data(`GET ${base}/journal?${more}`);

  test("says in a sentence why an instance is gone", async () => {
    await data(`POST ${base}/instance?${at}`);
    http.clock.advance(31_000);
    const { totalCount, pageItems } = await journal("serviceName=orders&ip=10.1.1.5&port=8080");
    assert.equal(totalCount, 2, "unhealthy first, then removed");
    const { at: when, detail, sentence, ...record } = pageItems[0];
    assert.ok(when > http.clock.wall() - 31_000 && when <= http.clock.wall());
    assert.match(detail, /^no heartbeat for 30/);
    assert.match(sentence, /^10\.1\.1\.5:8080:DEFAULT of public@@DEFAULT_GROUP@@orders was removed because its heart/);
    assert.deepEqual(record, {
      what: "removed",
      cause: "heartbeatExpired",
      namespaceId: "public",
      groupName: "DEFAULT_GROUP",
      serviceName: "orders",
      ip: "10.1.1.5",
      port: 8080,
      clusterName: "DEFAULT",
      clientId: "10.1.1.5:8080#true",
      from: "",
    });
  });

  test("has pages, newest first, and narrows by what it is asked", async () => {
    for (const port of [1, 2, 3]) {
      await data(`POST ${base}/instance?serviceName=orders&ip=10.1.1.5&port=${port}`);
      await data(`DELETE ${base}/instance?serviceName=orders&ip=10.1.1.5&port=${port}`);
    }
    const ports = async (more: string) => (await journal(more)).pageItems.map(({ port }: { port: number }) => port);
    assert.deepEqual(await ports(""), [3, 2, 1]);
    assert.deepEqual(await ports("pageNo=2&pageSize=2"), [1]);
    assert.deepEqual(await ports("ip=10.1.1.5&port=2"), [2]);
    assert.deepEqual(await ports("serviceName=other"), []);
    assert.deepEqual(await ports("namespaceId=dev"), []);
    assert.equal((await failure(`GET ${base}/journal?pageSize=501`))[1], 20002);
  });

  test("shows an address of IP version 6 as it is", async () => {
    await data(`POST ${base}/instance?serviceName=orders&ip=fe80::1&port=8080`);
    await data(`DELETE ${base}/instance?serviceName=orders&ip=fe80::1&port=8080`);
    const [{ ip, port }] = (await journal("ip=fe80::1")).pageItems;
    assert.deepEqual([ip, port], ["fe80::1", 8080]);
  });
});

describe("the console's naming", () => {
  test("has pages of instances, whatever the method", async () => {
    for (const port of [1, 2]) await data(`POST ${base}/instance?serviceName=orders&ip=10.1.1.5&port=${port}`);
    const page = await data("POST /v3/console/ns/instance/list?serviceName=orders&pageNo=1&pageSize=1");
    assert.deepEqual([page.totalCount, page.pagesAvailable, page.pageItems[0].port], [2, 2, 1]);
  });

  test("edits services, clusters and instances", async () => {
    await data("POST /v3/console/ns/service?serviceName=orders&ephemeral=true");
    await data(`POST ${base}/instance?${at}`);
    await data(`PUT /v3/console/ns/instance?${at}&enabled=false`);
    assert.equal((await data(`GET ${base}/instance?${at}`)).enabled, false);
    const checker = encodeURIComponent('{"type":"TCP"}');
    const cluster = `serviceName=orders&clusterName=DEFAULT&checkPort=80&useInstancePort4Check=true`;
    await data(`PUT /v3/console/ns/service/cluster?${cluster}&healthChecker=${checker}`);
    assert.equal((await data("GET /v3/console/ns/service/list")).totalCount, 1);
  });
});
