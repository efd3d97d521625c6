import assert from "node:assert/strict";
import { request } from "node:http";
import { afterEach, beforeEach, describe, test } from "node:test";
import { TestHttp } from "../http.fixture.ts";

/**
 * What servers for clients of 1.x get wrong, as far as naming can: how real clients write their calls, on real sockets
 * where the socket is part of it.
 */
describe("clients of 1.x", () => {
  let http: TestHttp;
  let port = 0;
  beforeEach(async () => {
    http = new TestHttp({ metadataLengthMax: 200_000 });
    port = await http.server.listen({ port: 0, host: "127.0.0.1" });
  });
  afterEach(() => http.close());

  /** One call over a socket, byte by byte as given. */
  function send(
    line: string,
    body = "",
    headers: Record<string, string> = {},
  ): Promise<{ status: number; text: string; type: string | undefined }> {
    const [method = "", path = ""] = line.split(/ (.*)/s);
    const bytes = Buffer.from(body);
    return new Promise((resolve, reject) => {
      const call = request(
        {
          port,
          host: "127.0.0.1",
          method,
          path: `/nacos${path}`,
          headers: { ...headers, "content-length": bytes.length },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () =>
            resolve({
              status: response.statusCode ?? 0,
              text: Buffer.concat(chunks).toString(),
              type: response.headers["content-type"],
            }),
          );
        },
      );
      call.on("error", reject);
      call.end(bytes);
    });
  }

  const list = async (query: string) => JSON.parse((await send(`GET /v1/ns/instance/list?${query}`)).text);
  const form = { "content-type": "application/x-www-form-urlencoded" };

  test("send parameters in the query, in a form, or half and half, with every method", async () => {
    const at = "ip=10.1.1.5&port=8080";
    assert.equal((await send(`POST /v1/ns/instance?serviceName=orders&${at}`)).text, "ok");
    for (const [query, body] of [
      [`?serviceName=orders&${at}`, ""],
      ["", `serviceName=orders&${at}`],
      ["?serviceName=orders", at],
    ] as const) {
      const beat = await send(`PUT /v1/ns/instance/beat${query}`, body, body === "" ? {} : form);
      assert.equal(JSON.parse(beat.text).code, 10200, `${query} ${body}`);
    }
    assert.equal((await send("PATCH /v1/ns/instance?serviceName=orders", `${at}&weight=2`, form)).text, "ok");
    assert.equal((await list("serviceName=orders")).hosts[0].weight, 2);
    assert.equal((await send("DELETE /v1/ns/instance", `serviceName=orders&${at}`, form)).text, "ok");
    assert.deepEqual((await list("serviceName=orders")).hosts, []);
  });

  test("declare a charset that their bytes are not in", async () => {
    const metadata = encodeURIComponent('{"名称":"订单"}');
    const headers = { "content-type": "application/x-www-form-urlencoded;charset=GBK" };
    const body = `serviceName=orders&ip=10.1.1.5&port=8080&metadata=${metadata}`;
    assert.equal((await send("POST /v1/ns/instance", body, headers)).text, "ok");
    const answer = await send("GET /v1/ns/instance/list?serviceName=orders", "", headers);
    assert.deepEqual(JSON.parse(answer.text).hosts[0].metadata, { 名称: "订单" });
    assert.doesNotMatch(answer.type ?? "", /gbk/i);
  });

  test("are told apart by whether their beat describes the instance", async () => {
    const light = await send("PUT /v1/ns/instance/beat?serviceName=orders&ip=10.1.1.5&port=8080");
    assert.deepEqual([light.status, JSON.parse(light.text).code], [200, 20404]);
    assert.deepEqual((await list("serviceName=orders")).hosts, []);
  });

  test("of Go send a beat with raw JSON in the form, and a query that begins with an ampersand", async () => {
    const beat =
      '{"ip":"10.1.1.5","port":8080,"weight":1,"serviceName":"DEFAULT_GROUP@@orders","cluster":"","metadata":{"a":"b"}}';
    const answer = await send(
      "PUT /v1/ns/instance/beat?&namespaceId=public",
      `beat=${beat}&serviceName=DEFAULT_GROUP@@orders`,
      form,
    );
    assert.equal(JSON.parse(answer.text).code, 10200);
    assert.deepEqual((await list("&serviceName=orders")).hosts[0].metadata, { a: "b" });
  });

  test("beat as often as the metadata of their instance says", async () => {
    const metadata = encodeURIComponent('{"preserved.heart.beat.interval":"3000"}');
    const at = "serviceName=orders&ip=10.1.1.5&port=8080";
    await send(`POST /v1/ns/instance?${at}&metadata=${metadata}`);
    assert.equal(JSON.parse((await send(`PUT /v1/ns/instance/beat?${at}`)).text).clientBeatInterval, 3000);
  });

  test("write the group into the name or beside it, and read it back inside the name", async () => {
    await send("POST /v1/ns/instance?serviceName=pay@@orders&groupName=ignored&ip=10.1.1.5&port=8080");
    for (const query of ["serviceName=pay@@orders", "serviceName=orders&groupName=pay"]) {
      const { name, groupName, hosts } = await list(query);
      assert.deepEqual([name, groupName, hosts.length], ["pay@@orders", "pay", 1]);
      assert.equal(hosts[0].serviceName, "pay@@orders");
    }
  });

  test("get an empty list for a service that nobody knows", async () => {
    const { hosts, cacheMillis, valid, ...info } = await list("serviceName=nobody");
    assert.deepEqual([hosts, cacheMillis, valid], [[], 10000, true]);
    assert.deepEqual([info.allIPs, info.allIps], [false, false], "under both spellings");
  });

  test("never see a disabled instance, while operators do", async () => {
    await send("POST /v1/ns/instance?serviceName=orders&ip=10.1.1.5&port=8080&enabled=false");
    assert.deepEqual((await list("serviceName=orders")).hosts, []);
    const catalog = "/v1/ns/catalog/instances?serviceName=orders&clusterName=DEFAULT&pageNo=1&pageSize=10";
    assert.equal(JSON.parse((await send(`GET ${catalog}`)).text).list[0].enabled, false);
  });

  test("see everything as healthy once the protection threshold is reached, and only then", async () => {
    for (const [ip, healthy] of [
      ["10.1.1.5", "true"],
      ["10.1.1.6", "false"],
      ["10.1.1.7", "false"],
    ])
      await send(`POST /v1/ns/instance?serviceName=orders&ip=${ip}&port=8080&healthy=${healthy}`);
    const healthy = async (): Promise<[boolean, boolean[]]> => {
      const { reachProtectionThreshold, hosts } = await list("serviceName=orders");
      return [reachProtectionThreshold, hosts.map((host: { healthy: boolean }) => host.healthy)];
    };
    assert.deepEqual(await healthy(), [false, [true, false, false]]);
    await send("PUT /v1/ns/service?serviceName=orders&protectThreshold=0.5");
    assert.deepEqual(await healthy(), [true, [true, true, true]]);
    await send("PUT /v1/ns/service?serviceName=orders&protectThreshold=0.2");
    assert.deepEqual(await healthy(), [false, [true, false, false]]);
  });

  test("learn by 501 that a call is not there", async () => {
    const answer = await send("GET /v1/ns/api/allDomNames");
    assert.equal(answer.status, 501);
    assert.equal(JSON.parse(answer.text).message, "no such api:GET:/nacos/v1/ns/api/allDomNames");
  });

  test("may put a hundred kilobytes of metadata into the query", async () => {
    const metadata = encodeURIComponent(JSON.stringify({ big: "x".repeat(100 * 1024) }));
    const answer = await send(`POST /v1/ns/instance?serviceName=orders&ip=10.1.1.5&port=8080&metadata=${metadata}`);
    assert.deepEqual([answer.status, answer.text], [200, "ok"]);
    const beyond = await send(`GET /v1/ns/instance/list?serviceName=${"x".repeat(600_000)}`).catch((error) => error);
    assert.ok(beyond instanceof Error || beyond.status === 431, "the header block still has a bound");
  });

  test("of Node leave values empty, and take back an instance by its plain name", async () => {
    const query = "clusterName=&groupName=&namespaceId=&metadata=&weight=&serviceName=DEFAULT_GROUP%40%40orders";
    assert.equal((await send(`POST /v1/ns/instance?${query}&ip=10.1.1.5&port=8080&enable=true`)).text, "ok");
    const { clusterName, weight } = (await list("serviceName=orders&clusters=&healthyOnly=")).hosts[0];
    assert.deepEqual([clusterName, weight], ["DEFAULT", 1]);
    await send("DELETE /v1/ns/instance?serviceName=orders&ip=10.1.1.5&port=8080");
    assert.deepEqual((await list("serviceName=orders")).hosts, []);
  });

  test("of Python 0.x ask for one instance under both names of the cluster", async () => {
    await send("POST /v1/ns/instance?serviceName=orders&ip=10.1.1.5&port=8080&clusterName=east&weight=1.0&enable=True");
    const one = "serviceName=orders&ip=10.1.1.5&port=8080&cluster=east&clusterName=east&healthyOnly=False";
    assert.equal(JSON.parse((await send(`GET /v1/ns/instance?${one}`)).text).clusterName, "east");
  });

  test("change one field and keep the others", async () => {
    const at = "serviceName=orders&ip=10.1.1.5&port=8080";
    await send(`POST /v1/ns/instance?${at}&weight=5&metadata=zone%3Da`);
    await send(`PATCH /v1/ns/instance?${at}&enabled=false`);
    await send(`PATCH /v1/ns/instance?${at}&metadata=color%3Db`);
    await send(`PATCH /v1/ns/instance?${at}&enabled=true`);
    const { weight, enabled, metadata } = (await list("serviceName=orders")).hosts[0];
    assert.deepEqual([weight, enabled, metadata], [5, true, { zone: "a", color: "b" }]);
  });

  test("write non-ASCII bytes into a form as they are", async () => {
    await send("POST /v1/ns/instance", "serviceName=orders&ip=10.1.1.5&port=8080&metadata=zone=东", form);
    assert.deepEqual((await list("serviceName=orders")).hosts[0]?.metadata, { zone: "东" });
  });
});
