import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { TestHttp } from "../http.fixture.ts";

let http: TestHttp;
beforeEach(() => {
  http = new TestHttp();
});
afterEach(() => http.close());

const hosts = async (service: string, more = "") =>
  (await http.call(`GET /v1/ns/instance/list?serviceName=${service}${more}`)).json.hosts;
const detail = (more = "") => http.call(`GET /v1/ns/instance?serviceName=orders&ip=10.1.1.5&port=8080${more}`);

describe("an instance over v1", () => {
  test("is registered, listed and taken back", async () => {
    const registered = await http.register("orders", "10.1.1.5:8080", { metadata: "zone=a" });
    assert.deepEqual([registered.status, registered.text], [200, "ok"]);
    assert.match(String(registered.headers["content-type"]), /^text\/plain;\s*charset=utf-8$/i);

    const listed = await http.call("GET /v1/ns/instance/list?serviceName=DEFAULT_GROUP@@orders");
    assert.equal(listed.headers["content-type"], "application/json");
    assert.match(listed.text, /"weight":1\.0,/, "a double is written as one");
    const { lastRefTime, checksum, ...info } = listed.json;
    assert.ok(lastRefTime > 0 && checksum !== "");
    assert.deepEqual(info, {
      name: "DEFAULT_GROUP@@orders",
      groupName: "DEFAULT_GROUP",
      clusters: "",
      cacheMillis: 10000,
      hosts: [
        {
          instanceId: "10.1.1.5#8080#DEFAULT#DEFAULT_GROUP@@orders",
          ip: "10.1.1.5",
          port: 8080,
          weight: 1,
          healthy: true,
          enabled: true,
          ephemeral: true,
          clusterName: "DEFAULT",
          serviceName: "DEFAULT_GROUP@@orders",
          metadata: { zone: "a" },
          instanceHeartBeatInterval: 5000,
          instanceHeartBeatTimeOut: 15000,
          ipDeleteTimeout: 30000,
          instanceIdGenerator: "simple",
        },
      ],
      allIps: false,
      allIPs: false,
      reachProtectionThreshold: false,
      valid: true,
    });

    const gone = await http.call("DELETE /v1/ns/instance?serviceName=orders&ip=10.1.1.5&port=8080");
    assert.equal(gone.text, "ok");
    assert.deepEqual(await hosts("orders"), []);
    const again = await http.call("DELETE /v1/ns/instance?serviceName=orders&ip=10.1.1.5&port=8080");
    assert.deepEqual([again.status, again.text], [200, "ok"], "nothing matched: still ok");
  });

  test("is answered with and without the context path, and with a slash at the end", async () => {
    await http.register("orders", "10.1.1.5:8080");
    for (const url of ["/nacos/v1/ns/instance/list/", "/v1/ns/instance/list", "//nacos//v1/ns/instance/list"]) {
      const answer = await http.server.app.inject({ method: "GET", url: `${url}?serviceName=orders` });
      assert.equal(answer.json().hosts.length, 1, url);
    }
  });

  test("of an unknown service is an empty list, not an error", async () => {
    const answer = await http.call("GET /v1/ns/instance/list?serviceName=nobody");
    assert.equal(answer.status, 200);
    assert.deepEqual([answer.json.name, answer.json.hosts], ["DEFAULT_GROUP@@nobody", []]);
  });

  for (const [what, params, status, text] of [
    ["a missing name", { ip: "10.1.1.5", port: "1" }, 400, "Param 'serviceName' is required."],
    ["a blank address", { serviceName: "s", ip: " ", port: "1" }, 400, "Param 'ip' is required."],
    [
      "a port that is no number",
      { serviceName: "s", ip: "10.1.1.5", port: "abc" },
      400,
      "Param 'port' is illegal, it should be an integer, not 'abc'.",
    ],
    [
      "a port out of range",
      { serviceName: "s", ip: "10.1.1.5", port: "65536" },
      400,
      "Param 'port' is illegal, the value should be between 0 and 65535.\n",
    ],
    [
      "a weight out of range",
      { serviceName: "s", ip: "10.1.1.5", port: "1", weight: "10001" },
      400,
      "instance format invalid: The weights range from 0.0 to 10000.0",
    ],
    [
      "a beat interval above its timeout",
      { serviceName: "s", ip: "10.1.1.5", port: "1", metadata: '{"preserved.heart.beat.interval":"60000"}' },
      400,
      "Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'.",
    ],
    [
      "a name that is only a group",
      { serviceName: "g@@", ip: "10.1.1.5", port: "1" },
      400,
      "Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'",
    ],
    [
      "characters that names may not have",
      { serviceName: "s", groupName: "a b", ip: "10.1.1.5", port: "1" },
      400,
      "Param 'group' is illegal, illegal characters should not appear in the param.\n",
    ],
  ] as const)
    test(`is refused in its own words for ${what}`, async () => {
      const answer = await http.call("POST /v1/ns/instance", { ...params });
      assert.deepEqual([answer.status, answer.text], [status, text]);
    });

  test("keeps to the mode that the first instance chose", async () => {
    await http.register("orders", "10.1.1.5:8080");
    const refused = await http.register("orders", "10.1.1.6:8080", { ephemeral: "false" });
    assert.equal(refused.status, 400);
    assert.match(refused.text, /is ephemeral service, can't register persistent instance\.$/);
  });

  test("that is persistent goes through the log and needs its mode to be taken back", async () => {
    assert.equal((await http.register("db", "10.1.1.5:3306", { ephemeral: "false" })).text, "ok");
    assert.equal((await hosts("db"))[0].ephemeral, false);
    await http.call("DELETE /v1/ns/instance?serviceName=db&ip=10.1.1.5&port=3306&ephemeral=false");
    assert.deepEqual(await hosts("db"), []);
  });

  test("is persistent by default once an operator says so", async () => {
    await http.call("PUT /v1/ns/operator/switches?entry=defaultInstanceEphemeral&value=false");
    await http.register("db", "10.1.1.5:3306");
    assert.equal((await hosts("db"))[0].ephemeral, false);
  });

  test("shows its details, by either name of the cluster", async () => {
    await http.register("orders", "10.1.1.5:8080", { cluster: "east", weight: "2" });
    const expected = {
      service: "DEFAULT_GROUP@@orders",
      ip: "10.1.1.5",
      port: 8080,
      clusterName: "east",
      weight: 2,
      healthy: true,
      instanceId: "10.1.1.5#8080#east#DEFAULT_GROUP@@orders",
      metadata: {},
    };
    assert.deepEqual((await detail("&cluster=east&clusterName=east")).json, expected);
    assert.deepEqual((await detail("&cluster=east")).json, expected);
    const elsewhere = await detail();
    assert.deepEqual([elsewhere.status, elsewhere.text], [404, "no matched ip found!"]);
    const unknown = await http.call("GET /v1/ns/instance?serviceName=nobody&ip=10.1.1.5&port=8080");
    assert.deepEqual(
      [unknown.status, unknown.text],
      [404, "no ips found for cluster DEFAULT in service DEFAULT_GROUP@@nobody"],
    );
  });

  test("is disabled by either name of the field", async () => {
    for (const [port, field] of [
      ["1", "enabled"],
      ["2", "enable"],
    ] as const)
      await http.register("orders", `10.1.1.5:${port}`, { [field]: "no" });
    assert.deepEqual(await hosts("orders"), []);
  });

  test("is overridden as a whole by PUT", async () => {
    await http.register("orders", "10.1.1.5:8080", { metadata: "zone=a" });
    const form = { serviceName: "orders", ip: "10.1.1.5", port: "8080", weight: "3", metadata: "color=b" };
    assert.equal((await http.call("PUT /v1/ns/instance", form)).text, "ok");
    const { weight, metadata } = (await detail()).json;
    assert.deepEqual([weight, metadata], [3, { zone: "a", color: "b" }]);
    const refused = await http.call("PUT /v1/ns/instance", { ...form, serviceName: "nobody" });
    assert.equal(refused.status, 400);
    assert.match(refused.text, /^service not found, namespace: public/);
  });

  test("is changed by PATCH only where the call says so", async () => {
    await http.register("orders", "10.1.1.5:8080", { weight: "5", metadata: "zone=a" });
    const at = "serviceName=orders&ip=10.1.1.5&port=8080";
    assert.equal((await http.call(`PATCH /v1/ns/instance?${at}&weight=2`)).text, "ok");
    assert.equal((await http.call(`PATCH /v1/ns/instance?${at}&enabled=false`)).text, "ok");
    assert.deepEqual(await hosts("orders"), [], "disabled instances are not listed");
    assert.equal((await http.call(`PATCH /v1/ns/instance?${at}&enabled=true`)).text, "ok");
    const [{ weight, metadata }] = await hosts("orders");
    assert.deepEqual([weight, metadata], [2, { zone: "a" }]);
    const missing = await http.call("PATCH /v1/ns/instance?serviceName=orders&ip=10.9.9.9&port=1&weight=2");
    assert.deepEqual([missing.status, missing.text], [404, "no matched ip found!"]);
  });

  test("has its metadata changed in batches", async () => {
    await http.register("orders", "10.1.1.5:8080");
    await http.register("orders", "10.1.1.6:8080");
    const batch = "/v1/ns/instance/metadata/batch?serviceName=orders";
    const one = encodeURIComponent('[{"ip":"10.1.1.5","port":8080},{"ip":"10.9.9.9","port":1}]');
    const merged = await http.call(`PUT ${batch}&metadata=zone=a&instances=${one}`);
    assert.deepEqual(merged.json, { updated: ["10.1.1.5:8080:unknown:DEFAULT:ephemeral"] });
    const all = await http.call(`PUT ${batch}&metadata=color=b`);
    assert.equal(all.json.updated.length, 2);
    assert.deepEqual((await detail()).json.metadata, { zone: "a", color: "b" });
    await http.call(`DELETE ${batch}&metadata=zone=a`);
    assert.deepEqual((await detail()).json.metadata, { color: "b" });
    assert.deepEqual((await http.call(`PUT ${batch}&metadata=a=b&consistencyType=persist`)).json, { updated: [] });
    assert.equal((await http.call(`PUT ${batch}&metadata=a=b&instances=x`)).status, 400);
  });

  test("has a status by the key of its service", async () => {
    await http.register("orders", "10.1.1.5:8080");
    for (const key of ["DEFAULT_GROUP@@orders", "public##DEFAULT_GROUP@@orders"]) {
      const answer = await http.call(`POST /v1/ns/instance/statuses?key=${encodeURIComponent(key)}`);
      assert.deepEqual(answer.json, { ips: ["10.1.1.5:8080_true"] });
    }
    assert.equal((await http.call("GET /v1/ns/instance/statuses?key=orders")).status, 400);
  });
});

describe("a heartbeat over v1", () => {
  const beat = "/v1/ns/instance/beat?serviceName=DEFAULT_GROUP@@orders";
  const light = "&ip=10.1.1.5&port=8080&clusterName=DEFAULT";

  test("of an unknown instance asks for a registration when it is light, and registers when it is full", async () => {
    const unknown = await http.call(`PUT ${beat}${light}`);
    assert.deepEqual(
      [unknown.status, unknown.json],
      [200, { clientBeatInterval: 5000, code: 20404, lightBeatEnabled: true }],
    );
    const body = { ip: "10.1.1.5", port: 8080, cluster: "east", weight: 2, metadata: { zone: "a" }, scheduled: false };
    const full = await http.call(`PUT ${beat}`, { beat: JSON.stringify(body) });
    assert.equal(full.json.code, 10200);
    const [{ clusterName, weight, metadata }] = await hosts("orders");
    assert.deepEqual([clusterName, weight, metadata], ["east", 2, { zone: "a" }]);
  });

  test("keeps its instance alive, brings its health back, and its silence ends it", async () => {
    await http.register("orders", "10.1.1.5:8080");
    http.clock.advance(14_000);
    assert.equal((await http.call(`PUT ${beat}${light}`)).json.code, 10200);
    http.clock.advance(14_000);
    assert.equal((await hosts("orders"))[0].healthy, true);
    http.clock.advance(2_000);
    assert.equal((await hosts("orders"))[0].healthy, false);
    assert.deepEqual(await hosts("orders", "&healthyOnly=true"), []);
    await http.call(`PUT ${beat}${light}`);
    assert.equal((await hosts("orders"))[0].healthy, true);
    http.clock.advance(31_000);
    assert.deepEqual(await hosts("orders"), []);
  });

  test("is answered with the interval of the instance, then of the switch", async () => {
    await http.register("orders", "10.1.1.5:8080", { metadata: '{"preserved.heart.beat.interval":"3000"}' });
    assert.equal((await http.call(`PUT ${beat}${light}`)).json.clientBeatInterval, 3000);
    await http.call("PUT /v1/ns/operator/switches?entry=clientBeatInterval&value=7000");
    await http.call("PUT /v1/ns/operator/switches?entry=lightBeatEnabled&value=false");
    assert.deepEqual((await http.call(`PUT ${beat}&ip=10.9.9.9&port=1`)).json, {
      clientBeatInterval: 7000,
      code: 20404,
      lightBeatEnabled: false,
    });
  });

  test("that cannot be read is refused", async () => {
    const answer = await http.call(`PUT ${beat}`, { beat: "{" });
    assert.equal(answer.status, 400);
    assert.match(answer.text, /^Param 'beat' is illegal/);
  });
});

describe("a list call with a UDP port", () => {
  const list = "GET /v1/ns/instance/list?serviceName=orders&clientIP=10.1.1.9&udpPort=55000";
  const subscribers = async () => (await http.call("GET /v1/ns/service/subscribers?serviceName=orders")).json;

  test("subscribes a client that understands packets, and forgets it after three minutes of silence", async () => {
    await http.call(list, undefined, { "client-appname": "shop" });
    assert.deepEqual(await subscribers(), {
      subscribers: [
        {
          addrStr: "10.1.1.9:55000",
          agent: "Nacos-Java-Client:v1.4.2",
          app: "shop",
          ip: "10.1.1.9",
          port: 55000,
          namespaceId: "public",
          serviceName: "DEFAULT_GROUP@@orders",
          cluster: "",
        },
      ],
      count: 1,
    });
    http.clock.advance(181_000);
    assert.equal((await subscribers()).count, 0);
  });

  test("shows a subscriber without an application as unknown", async () => {
    await http.call(list);
    assert.equal((await subscribers()).subscribers[0].app, "unknown");
  });

  test("subscribes nobody who does not understand, and nobody while pushes are switched off", async () => {
    await http.call(list, undefined, { "user-agent": "curl/8.5.0" });
    await http.call("PUT /v1/ns/operator/switches?entry=pushEnabled&value=false");
    await http.call(list);
    assert.equal((await subscribers()).count, 0);
  });
});
