/**
 * The C# and C++ clients have no toolchain here. What they send is replayed as they write it, and the answers are held
 * against what their parsers insist on. Sources: nacos-sdk-csharp 1.3.10 (`Nacos/V2/Remote`), nacos-sdk-cpp (`src/json`,
 * `src/naming`, `src/config`).
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { type Message, RawClient } from "./lib/raw-client.ts";
import { ServerProcess } from "./lib/server.ts";

const WAIT_MAX_MS = 15_000;

let server: ServerProcess;
before(async () => {
  server = await ServerProcess.start();
});
after(() => server?.stop());

describe("the C# client", { timeout: WAIT_MAX_MS }, () => {
  const HEADERS = { app: "unknown", "Client-Version": "Nacos-CSharp-Client:v1.3.10", "Request-Module": "Naming" };
  const BODY_HEADERS = JSON.stringify(HEADERS);
  const hosts = (service: string): string =>
    `{"headers":${BODY_HEADERS},"requestId":null,"namespace":"public","serviceName":"${service}",` +
    `"groupName":"DEFAULT_GROUP","cluster":"","healthyOnly":false,"udpPort":0}`;
  const instance = (port: number): string =>
    `{"instanceId":null,"ip":"10.20.0.15","port":${port},"weight":1,"healthy":true,"enabled":true,"ephemeral":true,` +
    `"clusterName":"DEFAULT","serviceName":null,"metadata":{}}`;
  const register = (service: string, port: number): string =>
    `{"type":"registerInstance","instance":${instance(port)},"namespace":"public","serviceName":"${service}",` +
    `"groupName":"DEFAULT_GROUP","module":"naming","headers":${BODY_HEADERS},"requestId":null}`;
  const subscribe = (service: string, on: boolean): string =>
    `{"subscribe":${on},"clusters":"","namespace":"public","serviceName":"${service}","groupName":"DEFAULT_GROUP",` +
    `"module":"naming","headers":${BODY_HEADERS},"requestId":null}`;

  /** The labels are a field and not a property of its class: some serializers leave them out. */
  const SETUPS = {
    "with labels":
      '{"clientVersion":"Nacos-CSharp-Client:v1.3.10","abilities":null,"tenant":null,' +
      '"labels":{"source":"sdk","module":"naming"},"headers":{},"requestId":null,"module":"internal"}',
    "without labels":
      '{"clientVersion":"Nacos-CSharp-Client:v1.3.10","abilities":null,"tenant":null,"headers":{},"requestId":null}',
  };

  const acknowledge = (requestId: string): string =>
    `{"requestId":"${requestId}","resultCode":200,"errorCode":0,"success":true,"message":null}`;

  /** Does not wait after the setup, as the client does not. */
  async function connect(setup: string = SETUPS["with labels"]): Promise<RawClient> {
    const client = new RawClient(`127.0.0.1:${server.port + 1000}`, acknowledge);
    const answer = await client.call("ServerCheckRequest", '{"headers":{},"requestId":null}');
    assert.equal(answer.type, "ServerCheckResponse");
    client.say("ConnectionSetupRequest", setup);
    return client;
  }

  for (const [how, setup] of Object.entries(SETUPS)) {
    test(`registers at once after a setup with nulls, ${how}`, async () => {
      const client = await connect(setup);
      const service = `csharp-${how.replace(" ", "-")}`;
      const answer = await client.call("InstanceRequest", register(service, 8081), HEADERS);
      assertSuccess(answer, "InstanceResponse");

      const query = await client.call("ServiceQueryRequest", hosts(service), HEADERS);
      assertSuccess(query, "QueryServiceResponse");
      assert.deepEqual(ports(query), [8081]);
      client.close();
    });
  }

  test("hears of changes, and never of the server's abilities", async () => {
    const client = await connect();
    assertSuccess(await client.call("SubscribeServiceRequest", subscribe("csharp", true), HEADERS));
    assertSuccess(await client.call("InstanceRequest", register("csharp", 8081), HEADERS));

    const push = await client.push(({ type, body }) => type === "NotifySubscriberRequest" && body.includes("8081"));
    const { serviceInfo } = JSON.parse(push.body);
    assert.equal(serviceInfo.name, "csharp");
    assert.equal(serviceInfo.clusters, "", "the text of the subscription is part of its cache key");

    assertSuccess(await client.call("SubscribeServiceRequest", subscribe("csharp", false), HEADERS));
    const types = client.pushed.map(({ type }) => type);
    assert.ok(!types.includes("SetupAckRequest"), "its stream reader ends at a SetupAckRequest");
    client.close();
  });

  test("is pushed an empty list as a list", async () => {
    const client = await connect();
    assertSuccess(await client.call("InstanceRequest", register("csharp-empty", 8081), HEADERS));
    assertSuccess(await client.call("SubscribeServiceRequest", subscribe("csharp-empty", true), HEADERS));
    const gone = register("csharp-empty", 8081).replace("registerInstance", "deregisterInstance");
    assertSuccess(await client.call("InstanceRequest", gone, HEADERS));

    const push = await client.push(({ body }) => body.includes('"csharp-empty"') && body.includes('"hosts":[]'));
    assert.equal(push.type, "NotifySubscriberRequest");
    client.close();
  });

  test("registers a batch that calls itself a subscription", async () => {
    const client = await connect();
    const batch =
      `{"type":"batchRegisterInstance","instances":[${instance(8081)},${instance(8082)}],"namespace":"public",` +
      `"serviceName":"csharp-batch","groupName":"DEFAULT_GROUP","module":"naming","headers":${BODY_HEADERS},` +
      `"requestId":null}`;
    const answer = await client.call("SubscribeServiceRequest", batch, HEADERS);
    assertSuccess(answer);
    assert.match(answer.type, /^(SubscribeService|BatchInstance)Response$/, "the types its parser knows");

    const query = await client.call("ServiceQueryRequest", hosts("csharp-batch"), HEADERS);
    assert.deepEqual(ports(query), [8081, 8082]);
    client.close();
  });

  test("reads text that is there: neither answers nor pushes hold a null", async () => {
    const client = await connect();
    const answers = [
      await client.call("HealthCheckRequest", '{"headers":{},"requestId":null}'),
      await client.call("ServiceQueryRequest", hosts("csharp-nothing"), HEADERS),
      await client.call("SubscribeServiceRequest", subscribe("csharp-nothing", true), HEADERS),
      await client.call(
        "ServiceListRequest",
        `{"pageNo":1,"pageSize":10,"selector":null,"namespace":"public","serviceName":null,` +
          `"groupName":"DEFAULT_GROUP","headers":${BODY_HEADERS},"requestId":null}`,
        HEADERS,
      ),
    ];
    for (const answer of answers) {
      assertSuccess(answer);
      assert.ok(!answer.body.includes(":null"), answer.body);
    }
    client.close();
  });

  test("is answered in its own response type when it asks for something wrong", async () => {
    const client = await connect();
    const wrong = register("csharp-wrong", 8081).replace('"clusterName":"DEFAULT"', '"clusterName":"not a cluster"');
    const answer = await client.call("InstanceRequest", wrong, HEADERS);
    assert.equal(answer.type, "InstanceResponse");
    const { resultCode, message } = JSON.parse(answer.body);
    assert.equal(resultCode, 500);
    assert.match(message, /cluster/);
    client.close();
  });
});

describe("the configuration half of the C# client", { timeout: WAIT_MAX_MS }, () => {
  const HEADERS = {
    "Client-AppName": "unknown",
    "Client-RequestTS": "1767225600000",
    "Client-RequestToken": "0cc175b9c0f1b6a831c399e269772661",
    "Client-Version": "Nacos-CSharp-Client:v1.3.10",
    exConfigInfo: "true",
    charset: "utf-8",
  };
  const BODY_HEADERS = JSON.stringify(HEADERS);
  const SETUP =
    '{"clientVersion":"Nacos-CSharp-Client:v1.3.10","abilities":null,"tenant":null,' +
    '"labels":{"source":"sdk","module":"config","taskId":"0"},"headers":{},"requestId":null,"module":"internal"}';
  const name = (dataId: string): string =>
    `"dataId":"${dataId}","group":"DEFAULT_GROUP","tenant":null,"module":"config","headers":${BODY_HEADERS},"requestId":null`;
  const query = (dataId: string): string => `{"notify":false,"tag":null,${name(dataId)}}`;
  /** Every key is there, and null where the application gave nothing. */
  const publish = (dataId: string, content: string, type = "null"): string =>
    `{"content":"${content}","casMd5":null,"additionMap":{"tag":null,"appName":null,"betaIps":null,"type":${type},` +
    `"encryptedDataKey":null},${name(dataId)}}`;
  const listen = (dataId: string, md5: string): string =>
    `{"listen":true,"configListenContexts":[{"group":"DEFAULT_GROUP","md5":${md5},"dataId":"${dataId}","tenant":null}],` +
    `"dataId":null,"group":null,"tenant":null,"module":"config","headers":${BODY_HEADERS},"requestId":null}`;
  const acknowledge = (requestId: string): string =>
    `{"requestId":"${requestId}","resultCode":200,"errorCode":0,"success":true,"message":null}`;

  async function connect(): Promise<RawClient> {
    const client = new RawClient(`127.0.0.1:${server.port + 1000}`, acknowledge);
    await client.call("ServerCheckRequest", '{"headers":{},"requestId":null}');
    client.say("ConnectionSetupRequest", SETUP);
    return client;
  }

  test("publishes with nulls for what was not given, and reads text where its parser wants text", async () => {
    const client = await connect();
    const wrote = await client.call("ConfigPublishRequest", publish("csharp", "a: 1", '"yaml"'), HEADERS);
    assertSuccess(wrote, "ConfigPublishResponse");
    assertSuccess(await client.call("ConfigPublishRequest", publish("csharp", "a: 2"), HEADERS));

    const read = await client.call("ConfigQueryRequest", query("csharp"), { ...HEADERS, notify: "False" });
    assertSuccess(read, "ConfigQueryResponse");
    const { content, md5, contentType, lastModified, tag } = JSON.parse(read.body);
    assert.deepEqual([content, md5, contentType], ["a: 2", md5Of("a: 2"), "yaml"], "a null type leaves it");
    assert.ok(Number.isInteger(lastModified));
    assert.equal(tag, undefined, "its type differs from client to client");
    assert.ok(!read.body.includes(":null"), read.body);
    client.close();
  });

  test("is told that there is none by the code for it", async () => {
    const client = await connect();
    const read = await client.call("ConfigQueryRequest", query("csharp-nothing"), HEADERS);
    assert.equal(read.type, "ConfigQueryResponse");
    const { resultCode, errorCode } = JSON.parse(read.body);
    assert.deepEqual([resultCode, errorCode], [500, 300]);
    client.close();
  });

  test("listens, is told of a change without a tenant, and removes", async () => {
    const client = await connect();
    const before = await client.call("ConfigBatchListenRequest", listen("csharp-heard", '""'), HEADERS);
    assertSuccess(before, "ConfigChangeBatchListenResponse");
    assert.deepEqual(JSON.parse(before.body).changedConfigs, []);

    assertSuccess(await client.call("ConfigPublishRequest", publish("csharp-heard", "one"), HEADERS));
    const push = await client.push(({ type }) => type === "ConfigChangeNotifyRequest");
    const { dataId, group, tenant } = JSON.parse(push.body);
    assert.deepEqual([dataId, group, tenant], ["csharp-heard", "DEFAULT_GROUP", undefined]);

    const after = await client.call("ConfigBatchListenRequest", listen("csharp-heard", '""'), HEADERS);
    const changed = [{ dataId: "csharp-heard", group: "DEFAULT_GROUP", tenant: "" }];
    assert.deepEqual(JSON.parse(after.body).changedConfigs, changed);
    const same = listen("csharp-heard", `"${md5Of("one")}"`);
    assert.deepEqual(JSON.parse((await client.call("ConfigBatchListenRequest", same)).body).changedConfigs, []);

    const remove = `{"tag":null,${name("csharp-heard")}}`;
    assertSuccess(await client.call("ConfigRemoveRequest", remove, HEADERS), "ConfigRemoveResponse");
    const { errorCode } = JSON.parse((await client.call("ConfigQueryRequest", query("csharp-heard"))).body);
    assert.equal(errorCode, 300);
    client.close();
  });
});

describe("the C++ client", { timeout: WAIT_MAX_MS }, () => {
  const AGENT = {
    "Client-Version": "Nacos-CPP-Client:v1.0.1",
    "User-Agent": "Nacos-CPP-Client:v1.0.0",
    "Accept-Encoding": "gzip,deflate,sdch",
    RequestId: "0b1f3e0a-2f14-4f0e-9a53-6d1f0c3a7f11",
    "Request-Module": "Naming",
  };

  /** POST and PUT carry a form, GET and DELETE a query. */
  async function call(method: string, path: string, parameters: Record<string, string>): Promise<string> {
    const text = new URLSearchParams(parameters).toString();
    const form = method === "POST" || method === "PUT";
    const url = `http://${server.address}/nacos/v1/ns${path}${form ? "" : `?${text}`}`;
    const body = form ? { body: text } : {};
    const type = { "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8" };
    const answer = await fetch(url, { method, headers: form ? { ...AGENT, ...type } : AGENT, ...body });
    const content = await answer.text();
    assert.equal(answer.status, 200, `${method} ${path}: ${content}`);
    return content;
  }

  const identity = (service: string): Record<string, string> => ({
    namespaceId: "public",
    serviceName: `DEFAULT_GROUP@@${service}`,
    clusterName: "DEFAULT",
    ip: "10.20.0.16",
    port: "8082",
    ephemeral: "true",
  });
  const registration = (service: string): Record<string, string> => ({
    ...identity(service),
    groupName: "DEFAULT_GROUP",
    weight: "1.000000",
    enable: "true",
    healthy: "true",
    metadata: '{"zone":"b"}',
  });
  /** Its numbers and booleans are texts. */
  const beat = (service: string): string =>
    `{"port":"8082","ip":"10.20.0.16","weight":"1.000000","serviceName":"DEFAULT_GROUP@@${service}",` +
    `"cluster":"DEFAULT","scheduled":"false","metadata":{"zone":"b"}}`;
  const list = (service: string): Promise<string> =>
    call("GET", "/instance/list", {
      namespaceId: "public",
      serviceName: `DEFAULT_GROUP@@${service}`,
      clusters: "",
      udpPort: "30620",
      clientIP: "127.0.0.1",
      healthyOnly: "false",
    });

  test("registers and reads a list whose weights have a fraction and whose other members are all there", async () => {
    assert.equal(await call("POST", "/instance", registration("cpp")), "ok");
    const text = await list("cpp");
    assert.match(
      text,
      /"weight":1\.0[,}]/,
      "a weight without a fraction is an integer to its parser, which it refuses",
    );

    const info = JSON.parse(text);
    assert.equal(typeof info.checksum, "string");
    assert.equal(typeof info.clusters, "string");
    assert.ok(Number.isInteger(info.cacheMillis) && Number.isInteger(info.lastRefTime));
    const [host] = info.hosts;
    assert.equal(typeof host.instanceId, "string");
    assert.deepEqual([host.ip, host.port, host.metadata], ["10.20.0.16", 8082, { zone: "b" }]);
  });

  test("beats with texts for numbers, and registers by it", async () => {
    const answer = JSON.parse(
      await call("PUT", "/instance/beat", {
        beat: beat("cpp-beat"),
        namespaceId: "public",
        serviceName: "DEFAULT_GROUP@@cpp-beat",
      }),
    );
    assert.ok(Number.isInteger(answer.clientBeatInterval) && answer.clientBeatInterval > 0, "it pauses for this long");
    const [host] = JSON.parse(await list("cpp-beat")).hosts;
    assert.deepEqual([host.ip, host.port, host.weight, host.metadata], ["10.20.0.16", 8082, 1, { zone: "b" }]);
  });

  test("deregisters", async () => {
    assert.equal(await call("POST", "/instance", registration("cpp-gone")), "ok");
    assert.equal(await call("DELETE", "/instance", identity("cpp-gone")), "ok");
    assert.deepEqual(JSON.parse(await list("cpp-gone")).hosts, []);
  });

  test("lists services by name without their group", async () => {
    assert.equal(await call("POST", "/instance", { ...registration("cpp-listed"), ephemeral: "true" }), "ok");
    const { count, doms } = JSON.parse(
      await call("GET", "/service/list", {
        pageNo: "1",
        pageSize: "100",
        groupName: "DEFAULT_GROUP",
        namespaceId: "public",
      }),
    );
    assert.ok(Number.isInteger(count));
    assert.ok(doms.includes("cpp-listed"), String(doms));
  });
});

describe("the configuration half of the C++ client", { timeout: WAIT_MAX_MS }, () => {
  const AGENT = {
    "Client-Version": "Nacos-CPP-Client:v1.0.1",
    "User-Agent": "Nacos-CPP-Client:v1.0.0",
    "Accept-Encoding": "gzip,deflate,sdch",
  };
  const FORM = { ...AGENT, "Content-Type": "application/x-www-form-urlencoded" };

  const url = (path: string, query: Record<string, string> = {}): string =>
    `http://${server.address}/nacos/v1/cs/configs${path}?${new URLSearchParams(query)}`;
  const publish = (dataId: string, content: string): Promise<Response> => {
    const body = new URLSearchParams({ dataId, group: "DEFAULT_GROUP", content });
    return fetch(url(""), { method: "POST", headers: FORM, body });
  };
  const at = (dataId: string): Record<string, string> => ({ dataId, group: "DEFAULT_GROUP" });
  /** Three fields in a line: without a namespace it leaves out the fourth. */
  const poll = (dataId: string, md5: string): Promise<Response> => {
    const body = new URLSearchParams({ "Listening-Configs": `${dataId}\u0002DEFAULT_GROUP\u0002${md5}\u0001` });
    return fetch(url("/listener"), { method: "POST", headers: { ...FORM, "Long-Pulling-Timeout": "30000" }, body });
  };

  test("publishes, reads the bytes with their md5, and removes", async () => {
    assert.equal(await (await publish("cpp", "城市=杭州\r\n")).text(), "true");
    const read = await fetch(url("", at("cpp")), { headers: AGENT });
    assert.equal(await read.text(), "城市=杭州\r\n");
    assert.equal(read.headers.get("content-md5"), md5Of("城市=杭州\r\n"));
    assert.equal(await (await fetch(url("", at("cpp")), { method: "DELETE", headers: AGENT })).text(), "true");
    assert.equal((await fetch(url("", at("cpp")), { headers: AGENT })).status, 404, "it takes this for none");
  });

  test("its poll is answered at once with an encoded line when it is behind, and when a change comes", async () => {
    await publish("cpp-heard", "one");
    const line = "cpp-heard%02DEFAULT_GROUP%01";
    assert.equal((await (await poll("cpp-heard", "")).text()).trim(), line);
    const held = poll("cpp-heard", md5Of("one"));
    await publish("cpp-heard", "two");
    assert.equal((await (await held).text()).trim(), line);
  });
});

function md5Of(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

function assertSuccess(answer: Message, type?: string): void {
  const { resultCode, message } = JSON.parse(answer.body);
  assert.equal(resultCode, 200, `${answer.type}: ${message}`);
  if (type !== undefined) assert.equal(answer.type, type);
}

function ports(answer: Message): number[] {
  const { serviceInfo } = JSON.parse(answer.body) as { serviceInfo: { hosts: { port: number }[] } };
  return serviceInfo.hosts.map(({ port }) => port).sort((a, b) => a - b);
}
