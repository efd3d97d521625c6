import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { allHttp } from "../../all-http.fixture.ts";
import type { TestHttp } from "../http.fixture.ts";

let http: TestHttp;
beforeEach(() => {
  http = allHttp();
});
afterEach(() => http.close());

const path = "/v3/client/ns/instance";
const at = "serviceName=orders&ip=10.1.1.5&port=8080";
const list = async (more = "") => (await http.call(`GET ${path}/list?serviceName=orders${more}`)).json.data;

describe("an instance over the v3 client API", () => {
  test("is registered, listed without a wrapper of its own, and taken back", async () => {
    assert.deepEqual((await http.call(`POST ${path}?${at}`)).json, { code: 0, message: "success", data: "ok" });
    const listed = await http.call(`GET ${path}/list?serviceName=orders`);
    assert.match(listed.text, /"weight":1\.0,/, "a double is written as one");
    assert.equal(listed.json.data[0].instanceId, "10.1.1.5#8080#DEFAULT#DEFAULT_GROUP@@orders");
    assert.equal((await http.call(`DELETE ${path}?${at}`)).json.data, "ok");
    assert.deepEqual(await list(), []);
  });

  test("of an unknown service is an empty list", async () => {
    assert.deepEqual((await http.call(`GET ${path}/list?serviceName=nobody`)).json.data, []);
  });

  test("is listed from the default cluster, or from those that the caller names", async () => {
    await http.call(`POST ${path}?${at}`);
    await http.call(`POST ${path}?serviceName=orders&ip=10.1.1.6&port=8080&clusterName=east`);
    const ips = async (more: string) => (await list(more)).map(({ ip }: { ip: string }) => ip);
    assert.deepEqual(await ips(""), ["10.1.1.5"]);
    assert.deepEqual(await ips("&clusterName="), ["10.1.1.5"]);
    assert.deepEqual(await ips("&clusterName=east"), ["10.1.1.6"]);
    assert.deepEqual(await ips("&clusterName=DEFAULT,east"), ["10.1.1.5", "10.1.1.6"]);
  });

  test("is left out of a list of healthy ones while it is not", async () => {
    await http.call(`POST ${path}?${at}&healthy=false`);
    assert.equal((await list()).length, 1);
    assert.deepEqual(await list("&healthyOnly=true"), []);
  });

  test("beats, and is told to register when it is not known", async () => {
    const unknown = await http.call(`POST ${path}?${at}&heartBeat=true`);
    assert.equal(unknown.status, 200);
    assert.deepEqual(unknown.json, { code: 21003, message: "instance not found", data: null });
    assert.deepEqual(await list(), [], "a beat alone registers nothing");

    await http.call(`POST ${path}?${at}`);
    http.clock.advance(14_000);
    assert.equal((await http.call(`POST ${path}?${at}&heartBeat=true`)).json.data, "ok");
    http.clock.advance(14_000);
    assert.equal((await list())[0].healthy, true);
    http.clock.advance(2_000);
    assert.equal((await list())[0].healthy, false);
  });

  for (const [what, params, code, data] of [
    ["a name", "ip=10.1.1.5&port=1", 10000, "Required parameter 'serviceName' type String is not present"],
    ["a name with a beat", "ip=10.1.1.5&port=1&heartBeat=true", 10000, /serviceName/],
    ["an address", "serviceName=s&port=1&heartBeat=true", 10000, /'ip'/],
    ["a port that is a number", "serviceName=s&ip=10.1.1.5&port=abc", 20002, /'port'/],
    ["a weight in range", "serviceName=s&ip=10.1.1.5&port=1&weight=-1", 21001, /range from 0\.0 to 10000\.0/],
    ["metadata that can be read", "serviceName=s&ip=10.1.1.5&port=1&metadata=%7B", 21002, /metadata/],
  ] as const)
    test(`wants ${what}`, async () => {
      const { status, json } = await http.call(`POST ${path}?${params}`);
      assert.deepEqual([status, json.code], [400, code]);
      if (typeof data === "string") assert.equal(json.data, data);
      else assert.match(json.data, data);
    });

  test("is protected as a whole when too few are healthy, and its list says so to v2", async () => {
    await http.call("POST /v3/admin/ns/service?serviceName=orders&protectThreshold=0.5&ephemeral=true");
    await http.call(`POST ${path}?${at}&healthy=false`);
    await http.call(`POST ${path}?serviceName=orders&ip=10.1.1.6&port=8080`);
    for (const more of ["", "&healthyOnly=true"]) {
      const hosts = await list(more);
      assert.deepEqual(
        hosts.map(({ healthy }: { healthy: boolean }) => healthy),
        [true, true],
      );
    }
    assert.equal(
      (await http.call("GET /v2/ns/instance/list?serviceName=orders")).json.data.reachProtectionThreshold,
      true,
    );
  });
});
