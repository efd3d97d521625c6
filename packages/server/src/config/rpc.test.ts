import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Message, RegistryClient } from "@nacre/testkit/registry-client";
import type { RunningServer } from "../running.ts";
import { startServed } from "../served.fixture.ts";

const MD5_A1 = "e0ccdaf42c593022e15b18cc0e96d201";
const SUCCESS = { resultCode: 200, errorCode: 0, success: true };

/** The exchanges of grpc.md 8.8 to 8.11, and what SDKs depend on in section 9. */
describe("configuration over gRPC", () => {
  let server: RunningServer;
  let folder: string;
  const open: RegistryClient[] = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nacre-rpc-"));
    const cipherKeyFile = join(folder, "keys");
    await writeFile(cipherKeyFile, `${"00".repeat(31)}01`, { mode: 0o600 });
    server = await startServed({ cipherKeyFile });
  });
  after(async () => {
    for (const client of open) client.close();
    await server.stop(0);
    await rm(folder, { recursive: true });
  });

  async function connect(labels: Record<string, string> = {}, setup: Record<string, unknown> = {}) {
    const client = await RegistryClient.connect(server.grpcPort, {
      labels: { source: "sdk", module: "config", ...labels },
      ...setup,
    });
    open.push(client);
    return client;
  }
  const base = { headers: {}, module: "config", group: "DEFAULT_GROUP" };
  const publish = (client: RegistryClient, dataId: string, content: string, more: Record<string, unknown> = {}) =>
    client.call("ConfigPublishRequest", { ...base, dataId, tenant: "", content, ...more });
  const query = (client: RegistryClient, dataId: string, more: Record<string, unknown> = {}, headers = {}) =>
    client.call("ConfigQueryRequest", { ...base, dataId, tenant: "", notify: false, ...more }, headers);
  const remove = (client: RegistryClient, dataId: string, more: Record<string, unknown> = {}) =>
    client.call("ConfigRemoveRequest", { ...base, dataId, tenant: "", ...more });
  const listen = (client: RegistryClient, contexts: Record<string, unknown>[], more: Record<string, unknown> = {}) =>
    client.call("ConfigBatchListenRequest", {
      headers: {},
      module: "config",
      listen: true,
      configListenContexts: contexts.map((context) => ({ group: "DEFAULT_GROUP", ...context })),
      ...more,
    });
  const noticeOf =
    (dataId: string) =>
    ({ type, body }: Message): boolean =>
      type === "ConfigChangeNotifyRequest" && body.dataId === dataId;
  const listeners = async (dataId: string): Promise<string> => {
    const query = `dataId=${dataId}&groupName=DEFAULT_GROUP`;
    return (await fetch(`${server.url}/v3/admin/cs/config/listener?${query}`)).text();
  };
  const succeed = (message: Message) => assert.equal(message.body.resultCode, 200, message.text);

  test("publishes, is queried and removes as in the golden exchanges 8.8 and 8.9, byte for byte", async () => {
    const client = await connect();
    const tenant = "team-a";
    const missing = await query(client, "app.yaml", { tenant });
    assert.deepEqual(
      [missing.type, missing.text],
      [
        "ConfigQueryResponse",
        '{"resultCode":500,"errorCode":300,"success":false,"message":"config data not exist","lastModified":0,"beta":false}',
      ],
    );

    const published = await publish(client, "app.yaml", "a: 1\n", { tenant, additionMap: { type: "yaml" } });
    assert.deepEqual(
      [published.type, published.text],
      ["ConfigPublishResponse", '{"resultCode":200,"errorCode":0,"success":true}'],
    );

    const found = await query(client, "app.yaml", { tenant });
    const { lastModified } = found.body;
    assert.ok(lastModified > Date.now() - 60_000 && lastModified <= Date.now());
    assert.equal(
      found.text,
      `{"resultCode":200,"errorCode":0,"success":true,"content":"a: 1\\n","md5":"${MD5_A1}","contentType":"yaml","encryptedDataKey":"","lastModified":${lastModified},"beta":false}`,
    );

    const late = await publish(client, "app.yaml", "a: 3\n", { tenant, casMd5: "0cc175b9c0f1b6a831c399e269772661" });
    assert.deepEqual(
      [late.type, late.text],
      [
        "ConfigPublishResponse",
        '{"resultCode":500,"errorCode":500,"success":false,"message":"Cas publish fail, server md5 may have changed."}',
      ],
    );
    succeed(await publish(client, "app.yaml", "a: 2\n", { tenant, casMd5: MD5_A1 }));
    assert.equal((await query(client, "app.yaml", { tenant })).body.content, "a: 2\n");

    const removed = await remove(client, "app.yaml", { tenant });
    assert.deepEqual(
      [removed.type, removed.text],
      ["ConfigRemoveResponse", '{"resultCode":200,"errorCode":0,"success":true}'],
    );
    assert.equal((await query(client, "app.yaml", { tenant })).body.errorCode, 300);
    assert.deepEqual((await remove(client, "app.yaml", { tenant })).body, SUCCESS, "absent is a success");
  });

  test("tells what differs, and later what changed, as in the golden exchange 8.10", async () => {
    const client = await connect();
    succeed(await publish(client, "told.yaml", "a: 1\n"));
    const answer = await listen(client, [
      { dataId: "told.yaml", tenant: "", md5: "0cc175b9c0f1b6a831c399e269772661" },
      { dataId: "new.yaml", tenant: "", md5: "" },
    ]);
    assert.deepEqual(
      [answer.type, answer.text],
      [
        "ConfigChangeBatchListenResponse",
        '{"resultCode":200,"errorCode":0,"success":true,"changedConfigs":[{"dataId":"told.yaml","group":"DEFAULT_GROUP","tenant":""}]}',
      ],
    );

    succeed(await publish(await connect(), "new.yaml", "b: 1\n"));
    const notice = await client.pushed(noticeOf("new.yaml"));
    assert.equal(
      notice.text,
      `{"headers":{},"requestId":"${notice.body.requestId}","module":"config","dataId":"new.yaml","group":"DEFAULT_GROUP"}`,
    );
    assert.equal((await query(client, "new.yaml")).body.content, "b: 1\n", "a change can be read before it is told");
  });

  test("spells the default namespace as each listener did (grpc rules 5.3, 9.7)", async () => {
    const forms = [
      { sent: { tenant: "" }, echoed: "", told: undefined },
      { sent: {}, echoed: "", told: undefined },
      { sent: { tenant: null }, echoed: "", told: undefined },
      { sent: { tenant: "public" }, echoed: "public", told: "public" },
    ];
    const clients = await Promise.all(forms.map(() => connect()));
    for (const [at, { sent, echoed }] of forms.entries()) {
      const answer = await listen(clients[at] as RegistryClient, [{ dataId: "forms.yaml", md5: "other", ...sent }]);
      assert.deepEqual(answer.body.changedConfigs, [{ dataId: "forms.yaml", group: "DEFAULT_GROUP", tenant: echoed }]);
    }
    succeed(await publish(clients[0] as RegistryClient, "forms.yaml", "c: 1\n"));
    for (const [at, { told }] of forms.entries()) {
      const { body } = await (clients[at] as RegistryClient).pushed(noticeOf("forms.yaml"));
      assert.equal(body.tenant, told);
      assert.equal(Object.hasOwn(body, "tenant"), told !== undefined, "absent rather than null");
    }
  });

  const listening: [what: string, context: Record<string, unknown>, differs: boolean][] = [
    ["absent, and the client holds nothing", { md5: "" }, false],
    ["absent, and the client does not say what it holds", {}, true],
    ["absent, and the client says null", { md5: null }, true],
    ["absent, and Go or Python holds the digest of nothing", { md5: "d41d8cd98f00b204e9800998ecf8427e" }, false],
    ["in a namespace that nobody made", { md5: "", tenant: "nowhere" }, false],
  ];
  for (const [what, context, differs] of listening)
    test(`a listened configuration that is ${what} ${differs ? "differs" : "is equal"} (4.4.4)`, async () => {
      const answer = await listen(await connect(), [{ dataId: "absent.yaml", tenant: "", ...context }]);
      assert.equal(answer.body.changedConfigs.length, differs ? 1 : 0);
    });

  test("keeps of a listener no more than an md5 takes, and tells it what differs all the same (G11)", async () => {
    const client = await connect();
    const answer = await listen(client, [{ dataId: "long-md5", tenant: "", md5: "f".repeat(100_000) }]);
    assert.equal(answer.body.changedConfigs.length, 1);
    const text = await listeners("long-md5");
    assert.ok(text.includes("longer than an md5") && text.length < 200, "shown as something that no content has");
  });

  test("stops telling whoever does not listen any more", async () => {
    const [client, witness] = [await connect(), await connect()];
    for (const one of [client, witness]) succeed(await listen(one, [{ dataId: "quiet.yaml", tenant: "", md5: "" }]));
    const answer = await listen(client, [{ dataId: "quiet.yaml", tenant: "", md5: "other" }], { listen: false });
    assert.deepEqual(answer.body, { ...SUCCESS, changedConfigs: [] });
    succeed(await publish(client, "quiet.yaml", "d: 1\n"));
    await witness.pushed(noticeOf("quiet.yaml"));
    succeed(await query(client, "quiet.yaml"));
    assert.equal(client.pushes.some(noticeOf("quiet.yaml")), false);
  });

  for (const response of ["ConfigChangeNotifyResponse", "NotifySubscriberResponse"])
    test(`takes ${response} for the acknowledgement of a notice, with and without its request id (9.3)`, async () => {
      const client = await connect();
      client.acknowledging = false;
      const dataId = `ack.${response}`;
      succeed(await listen(client, [{ dataId, tenant: "", md5: "" }]));
      for (const [at, body] of [{ resultCode: 200, success: false }, {}].entries()) {
        const content = `e: ${at}`;
        succeed(await publish(client, dataId, content));
        const notice = await client.pushed((message) => noticeOf(dataId)(message) && !seen.has(message.body.requestId));
        seen.add(notice.body.requestId);
        client.send(response, at === 0 ? { ...body, requestId: notice.body.requestId } : body);
        succeed(await client.call("HealthCheckRequest"));
      }
      assert.equal(client.pushes.filter(noticeOf(dataId)).length, 2);
    });
  const seen = new Set<string>();

  test("keeps type, app and labels that a publish does not name, and takes blanks and nulls for absent (G8, 9.4)", async () => {
    const client = await connect();
    succeed(await publish(client, "kept", "{}", { additionMap: { type: "json" } }));
    succeed(
      await publish(client, "kept", '{"a":1}', { additionMap: { type: "", appName: null, betaIps: "", tag: null } }),
    );
    const { contentType, content } = (await query(client, "kept")).body;
    assert.deepEqual([contentType, content], ["json", '{"a":1}']);
    succeed(await publish(client, "kept", "a: 1", { type: "yaml", additionMap: null }));
    assert.equal((await query(client, "kept")).body.contentType, "yaml", "Node writes the type beside the content");
  });

  test("gives the beta version to the addresses it is for, the tag version to its tag, and others the formal one", async () => {
    const [beta, other] = [await connect(), await connect({}, {})];
    succeed(await publish(other, "gray", "formal"));
    succeed(await publish(other, "gray", "for a tag", { additionMap: { tag: "blue" } }));
    const tagged = await connect({ "app_Vipserver-Tag": "blue" });
    assert.equal((await query(tagged, "gray")).body.content, "for a tag", "by a label of the connection");
    assert.equal((await query(other, "gray")).body.content, "formal");
    const byTag = (await query(other, "gray", { tag: "blue" })).body;
    assert.deepEqual([byTag.content, byTag.beta, byTag.tag], ["for a tag", false, undefined]);
    assert.equal((await query(other, "gray", {}, { "Vipserver-Tag": "blue" })).body.content, "for a tag");
    assert.deepEqual(
      (await query(other, "gray", { tag: "red" })).text,
      '{"resultCode":500,"errorCode":300,"success":false,"message":"config data not exist","lastModified":0,"beta":false}',
    );

    // All clients of this test have one address.
    succeed(await publish(other, "gray", "for beta", { additionMap: { betaIps: "10.20.0.15" } }));
    const { content, beta: isBeta, isBeta: goBeta } = (await query(beta, "gray")).body;
    assert.deepEqual([content, isBeta, goBeta], ["for beta", true, true]);
    succeed(await remove(other, "gray", { tag: "blue" }));
    assert.equal(
      (await query(other, "gray", { tag: "blue" })).body.errorCode,
      300,
      "a removal by tag removes tag_blue",
    );
  });

  test("compares a listener with the gray version it would get", async () => {
    const client = await connect({ "app_Vipserver-Tag": "green" });
    succeed(await publish(client, "gray-listen", "formal"));
    succeed(await publish(client, "gray-listen", "a: 1\n", { additionMap: { tag: "green" } }));
    const answer = await listen(client, [{ dataId: "gray-listen", tenant: "", md5: MD5_A1 }]);
    assert.deepEqual(answer.body.changedConfigs, []);
  });

  test("gives what this server encrypted as it is stored, with its key: the SDK decrypts", async () => {
    const client = await connect();
    succeed(await publish(client, "cipher-aesgcm-a", "secret"));
    const { content, encryptedDataKey, md5 } = (await query(client, "cipher-aesgcm-a")).body;
    assert.ok(content !== "secret" && encryptedDataKey !== "" && md5 !== "");
    succeed(await publish(client, "cipher-aesgcm-b", "opaque", { additionMap: { encryptedDataKey: "of the client" } }));
    const own = (await query(client, "cipher-aesgcm-b")).body;
    assert.deepEqual([own.content, own.encryptedDataKey], ["opaque", "of the client"]);
  });

  const refused: [what: string, request: Record<string, unknown>, code: number, message: RegExp][] = [
    ["a data id with a blank", { dataId: "a b", content: "x" }, 400, /^Param 'dataId' is illegal/],
    ["no data id", { dataId: "", content: "x" }, 400, /'dataId' is required/],
    ["no group", { dataId: "a", group: " ", content: "x" }, 400, /'group' is required/],
    ["no content", { dataId: "a", content: " \n" }, 400, /'content' is required/],
    ["a tag of 17 characters", { dataId: "a", content: "x", additionMap: { tag: "t".repeat(17) } }, 500, /16/],
    [
      "a label of 65 characters",
      { dataId: "a", content: "x", additionMap: { config_tags: "l".repeat(65) } },
      400,
      /64/,
    ],
  ];
  for (const [what, request, code, message] of refused)
    test(`refuses to publish with ${what}, by name and as the typed answer`, async () => {
      const answer = await (await connect()).call("ConfigPublishRequest", { ...base, ...request });
      assert.deepEqual(
        [answer.type, answer.body.resultCode, answer.body.errorCode],
        ["ConfigPublishResponse", 500, code],
      );
      assert.match(answer.body.message, message);
    });

  test("answers failures with the fields that SDKs read even then (9.5)", async () => {
    const client = await connect();
    const failedQuery = (await query(client, "a b")).body;
    assert.deepEqual([failedQuery.success, failedQuery.lastModified, failedQuery.beta], [false, 0, false]);
    assert.deepEqual((await listen(client, [{ dataId: "a b", md5: "" }])).body.changedConfigs, []);
    const failedRemove = (await remove(client, "a b")).body;
    assert.deepEqual([failedRemove.resultCode, failedRemove.errorCode], [500, 0]);
  });

  test("keeps contents exactly as they came", async () => {
    const client = await connect();
    for (const content of ["\u00e4\u2028\u{1F600}\r\n\t", '"\\ \u0000 </script>', " \uFEFFx "]) {
      succeed(await publish(client, "exact", content));
      assert.equal((await query(client, "exact")).body.content, content);
    }
  });

  test("watches configurations by pattern as in the golden exchange 8.11", async () => {
    const client = await connect();
    succeed(await publish(client, "fuzzy-a", "x"));
    const watch = await client.call("ConfigFuzzyWatchRequest", {
      headers: {},
      module: "config",
      groupKeyPattern: "public>>DEFAULT_GROUP>>fuzzy-*",
      receivedGroupKeys: [],
      watchType: "WATCH",
      initializing: true,
    });
    assert.deepEqual([watch.type, watch.body], ["ConfigFuzzyWatchResponse", SUCCESS]);
    const init = await client.pushed(({ body }) => body.syncType === "FUZZY_WATCH_INIT_NOTIFY");
    const { requestId, ...batch } = init.body;
    assert.deepEqual(batch, {
      headers: {},
      module: "config",
      syncType: "FUZZY_WATCH_INIT_NOTIFY",
      groupKeyPattern: "public>>DEFAULT_GROUP>>fuzzy-*",
      totalBatch: 1,
      currentBatch: 1,
      contexts: [{ groupKey: "fuzzy-a+DEFAULT_GROUP+public", changedType: "ADD_CONFIG" }],
    });
    const finished = await client.pushed(({ body }) => body.syncType === "FINISH_FUZZY_WATCH_INIT_NOTIFY");
    assert.deepEqual(
      { ...finished.body, requestId },
      {
        headers: {},
        requestId,
        module: "config",
        syncType: "FINISH_FUZZY_WATCH_INIT_NOTIFY",
        groupKeyPattern: "public>>DEFAULT_GROUP>>fuzzy-*",
        totalBatch: 0,
        currentBatch: 0,
      },
    );

    succeed(await publish(client, "fuzzy-b", "x"));
    const isChange = (changeType: string) => (message: Message) =>
      message.type === "ConfigFuzzyWatchChangeNotifyRequest" && message.body.changeType === changeType;
    const added = await client.pushed(isChange("CONFIG_CHANGED"));
    assert.equal(
      added.text,
      `{"headers":{},"requestId":"${added.body.requestId}","module":"config","groupKey":"fuzzy-b+DEFAULT_GROUP+public","changeType":"CONFIG_CHANGED"}`,
    );
    succeed(await remove(client, "fuzzy-b"));
    assert.equal((await client.pushed(isChange("DELETE_CONFIG"))).body.groupKey, "fuzzy-b+DEFAULT_GROUP+public");
    const wrong = await client.call("ConfigFuzzyWatchRequest", { groupKeyPattern: "x", watchType: "LOOK" });
    assert.deepEqual([wrong.type, wrong.body.errorCode], ["ConfigFuzzyWatchResponse", 400]);
  });
});
