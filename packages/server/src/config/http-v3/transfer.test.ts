import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import { zipOf } from "../archive/zip.fixture.ts";
import { ConfigHttp } from "../http.fixture.ts";
import type { Cipher } from "../ports.ts";

let http: ConfigHttp;
beforeEach(() => {
  http = new ConfigHttp();
});
afterEach(() => http.close());

/** A zip as bytes: `call` reads bodies as text. */
async function download(line: string): Promise<{ bytes: Buffer; headers: Record<string, unknown>; status: number }> {
  const answer = await http.server.app.inject({ method: "GET", url: `/nacos${line}` });
  return { bytes: answer.rawPayload, headers: answer.headers, status: answer.statusCode };
}

/** A form with one file, as curl and browsers send it. */
async function upload(line: string, zip: Uint8Array | undefined, fields: Record<string, string> = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  if (zip !== undefined) form.set("file", new Blob([new Uint8Array(zip)]), "x.zip");
  const request = new Request("http://x", { method: "POST", body: form });
  const answer = await http.server.app.inject({
    method: "POST",
    url: `/nacos${line}`,
    headers: { "content-type": request.headers.get("content-type") ?? "" },
    payload: Buffer.from(await request.arrayBuffer()),
  });
  return { status: answer.statusCode, json: JSON.parse(answer.body) };
}

const contentOf = async (dataId: string, tenant: string) =>
  (await http.call(`GET /v1/cs/configs?dataId=${dataId}&group=g&tenant=${tenant}`)).text;

async function namespace(id: string): Promise<void> {
  await http.configs.createNamespace(id, id, "");
}

describe("an export", () => {
  test("comes back by an import in every dialect and both forms of metadata", async () => {
    await http.publish("a.yaml", "a: 配置", { type: "yaml", tenant: "dev", appName: "shop", desc: "why" });
    await http.publish("b.json", "{}", { type: "json", tenant: "dev" });
    let made = 0;
    for (const [from, to] of [
      ["/v1/cs/configs?export=true&tenant=dev", "/v1/cs/configs?import=true"],
      ["/v1/cs/configs?exportV2=true&tenant=dev&ids=", "/v1/cs/configs?import=true"],
      ["/v3/admin/cs/config/export?namespaceId=dev", "/v3/admin/cs/config/import"],
      ["/v3/console/cs/config/export2?namespaceId=dev&ids=", "/v3/console/cs/config/import"],
    ] as const) {
      const { bytes, headers, status } = await download(from);
      assert.equal(status, 200, from);
      assert.match(String(headers["content-disposition"]), /^attachment;filename=nacos_config_export_\d{14}\.zip$/);
      assert.equal(bytes.readUInt32LE(0), 0x04034b50, "a zip");
      const target = `copy-${made++}`;
      await namespace(target);
      const { json } = await upload(to, bytes, { namespace: target, namespaceId: target });
      assert.deepEqual(json.data, { succCount: 2, skipCount: 0, unrecognizedCount: 0 }, to);
      const found = await http.call(`GET /v1/cs/configs?show=all&dataId=a.yaml&group=g&tenant=${target}`);
      assert.deepEqual([found.json.content, found.json.type, found.json.appName], ["a: 配置", "yaml", "shop"]);
    }
  });

  test("holds what its ids name, or what its names match", async () => {
    for (const dataId of ["a", "b", "c"]) await http.publish(dataId, "x", { tenant: "dev" });
    const all = (await http.call("GET /v3/admin/cs/history/configs?namespaceId=dev")).json.data;
    const count = async (query: string) => {
      const { bytes } = await download(`/v3/admin/cs/config/export?namespaceId=dev&${query}`);
      // The metadata is one entry of the directory.
      return bytes.readUInt16LE(bytes.length - 12) - 1;
    };
    assert.equal(await count(`ids=${all[0].id},${all[2].id}`), 2);
    assert.equal(await count("dataId=a*"), 1);
    assert.equal(await count("groupName=other"), 0);
    assert.equal((await download("/v3/admin/cs/config/export?ids=a")).status, 400);
  });

  test("that cannot begin is a failure and no zip", async () => {
    http.configs.store.scan = async function* () {
      yield await Promise.reject(new RegistryError("overThreshold", "too many searches"));
    };
    const { status, bytes } = await download("/v3/admin/cs/config/export?namespaceId=dev");
    assert.deepEqual([status, JSON.parse(bytes.toString()).data], [503, "too many searches"]);
  });
});

describe("an import", () => {
  const metadata = (...names: string[]) =>
    `metadata:\n${names.map((dataId) => `- group: g\n  dataId: ${dataId}\n  type: text\n`).join("")}`;
  const zip = (...names: string[]) =>
    zipOf([
      ...names.map((dataId) => ({ name: `g/${dataId}`, content: `new ${dataId}` })),
      { name: ".metadata.yml", content: metadata(...names) },
    ]);

  test("does with what exists as its policy says", async () => {
    await namespace("dev");
    await http.publish("b", "old", { tenant: "dev" });
    const run = async (policy: string) =>
      (await upload("/v3/admin/cs/config/import", zip("a", "b"), { namespaceId: "dev", policy })).json.data;
    const aborted = await run("ABORT");
    assert.deepEqual([aborted.succCount, aborted.failData], [0, [{ dataId: "b", group: "g" }]]);
    assert.equal(await contentOf("a", "dev"), "config data not exist\n", "all or nothing");
    const skipped = await run("skip");
    assert.deepEqual([skipped.succCount, skipped.skipData], [1, [{ dataId: "b", group: "g" }]]);
    assert.deepEqual(await run("OVERWRITE"), { succCount: 2, skipCount: 0, unrecognizedCount: 0 });
    assert.equal(await contentOf("b", "dev"), "new b");
  });

  test("lists what it cannot make a configuration of", async () => {
    const archive = zipOf([
      { name: "g/a", content: "x" },
      { name: "../../etc/passwd", content: "x" },
      { name: "g/stray", content: "x" },
      { name: ".metadata.yml", content: metadata("a") },
    ]);
    const { data } = (await upload("/v3/admin/cs/config/import", archive)).json;
    assert.deepEqual([data.succCount, data.unrecognizedCount], [1, 2]);
    assert.deepEqual(
      data.unrecognizedData.map(({ itemName }: { itemName: string }) => itemName),
      ["../../etc/passwd", "g/stray"],
    );
  });

  test("takes an archive of the old form at every version of the interface", async () => {
    const archive = zipOf([
      { name: "g/a.yaml", content: "a: 1" },
      { name: ".meta.yml", content: "g.a~yaml.app=shop\r\n" },
    ]);
    for (const path of ["/v1/cs/configs?import=true", "/v3/admin/cs/config/import", "/v3/console/cs/config/import"]) {
      const { json } = await upload(path, archive, { policy: "OVERWRITE" });
      assert.equal(json.data.succCount, 1, json.message);
      const list = (await http.call("GET /v3/admin/cs/config/list?dataId=a.yaml")).json.data;
      assert.deepEqual([list.pageItems[0].appName, list.pageItems[0].type], ["shop", "yaml"]);
    }
  });

  for (const [what, file, v1, v3] of [
    ["that is no zip", Buffer.from("hello"), 100004, 100004],
    ["that is empty", Buffer.alloc(0), 100005, 100005],
    ["without anything in it", zipOf([]), 100005, 100005],
    [
      "whose metadata is no YAML",
      zipOf([
        { name: "g/a", content: "x" },
        { name: ".metadata.yml", content: "a: [" },
      ]),
      100002,
      100002,
    ],
    ["without metadata", zipOf([{ name: "g/a", content: "x" }]), 200, 100002],
    [
      "of 100,000 entries",
      zipOf(
        Array.from({ length: 100_000 }, () => ({ name: "g/a", data: Buffer.alloc(0), method: 0 })),
        { count: 0xffff },
      ),
      100004,
      100004,
    ],
  ] as const)
    test(`of a file ${what} answers ${v1} and ${v3} with HTTP 200`, async () => {
      const old = await upload("/v1/cs/configs?import=true", file);
      assert.deepEqual([old.status, old.json.code], [200, v1], old.json.message);
      const now = await upload("/v3/console/cs/config/import", file);
      assert.deepEqual([now.status, now.json.code, now.json.data], [200, v3, { succCount: 0 }], now.json.message);
    });

  test("waits for nobody: of three at a time one is told to come again", async () => {
    const answers = await Promise.all(
      ["a", "b", "c"].map((dataId) => upload("/v3/admin/cs/config/import", zip(dataId))),
    );
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, 200, 503]);
    assert.equal((await upload("/v3/admin/cs/config/import", zip("d"))).status, 200);
  });

  test("into a namespace that does not exist, or without a file, is refused", async () => {
    const old = await upload("/v1/cs/configs?import=true", zip("a"), { namespace: "nowhere" });
    assert.deepEqual([old.status, old.json.code, old.json.data], [200, 100001, { succCount: 0 }]);
    const now = await upload("/v3/admin/cs/config/import", zip("a"), { namespaceId: "nowhere" });
    assert.deepEqual([now.status, now.json.code, now.json.data], [200, 22001, { succCount: 0 }]);
    const none = await upload("/v3/admin/cs/config/import", undefined, { namespaceId: "public" });
    assert.deepEqual([none.status, none.json.code], [400, 10000]);
    const policy = await upload("/v3/admin/cs/config/import", zip("a"), { policy: "MAYBE" });
    assert.deepEqual([policy.status, policy.json.code], [400, 20002]);
  });
});

describe("a clone", () => {
  const json = { "content-type": "application/json" };
  const idOf = async (dataId: string): Promise<string> => {
    const list = (await http.call(`GET /v3/admin/cs/config/list?dataId=${dataId}`)).json.data;
    return list.pageItems[0].id;
  };

  test("copies under other names, in the words of each dialect", async () => {
    await http.publish("a", "x", { type: "yaml" });
    const id = await idOf("a");
    await namespace("dev");
    const old = await http.call(
      "POST /v1/cs/configs?clone=true&tenant=dev",
      JSON.stringify([{ cfgId: id, dataId: "v1", group: "g" }]),
      json,
    );
    assert.deepEqual(
      [old.json.code, old.json.message, old.json.data.succCount],
      [200, "Clone Completed Successfully", 1],
    );
    const admin = JSON.stringify([{ configId: Number(id), targetDataId: "v3", targetGroupName: "g" }]);
    assert.equal(
      (await http.call("POST /v3/admin/cs/config/clone?namespaceId=dev", admin, json)).json.data.succCount,
      1,
    );
    const console = JSON.stringify([{ cfgId: id }]);
    const line = "POST /v3/console/cs/config/clone?targetNamespaceId=dev";
    assert.equal((await http.call(line, console, json)).json.data.succCount, 1);
    for (const dataId of ["v1", "v3", "a"]) assert.equal(await contentOf(dataId, "dev"), "x", dataId);
    const again = (await http.call(line, console, json)).json.data;
    assert.deepEqual([again.succCount, again.failData], [0, [{ dataId: "a", group: "g" }]]);
  });

  for (const [what, body, status, code] of [
    ["nothing", "[]", 200, 100006],
    ["what does not exist", '[{"configId":12345}]', 200, 100005],
    ["no list", "{}", 400, 10000],
    ["no JSON", "{", 400, 10000],
    ["an item that is none", '[{"configId":"a"}]', 400, 10000],
    ["a name that is none", '[{"configId":1,"targetDataId":{}}]', 400, 10000],
    ["null", "[null]", 400, 10000],
  ] as const)
    test(`of ${what} is refused`, async () => {
      const answer = await http.call("POST /v3/admin/cs/config/clone?namespaceId=public", body, json);
      assert.deepEqual([answer.status, answer.json.code], [status, code]);
    });
});

describe("encrypted contents", () => {
  const cipher: Cipher = {
    algorithm: "turn",
    encrypt: (text) => ({ content: [...text].reverse().join(""), encryptedDataKey: "ours" }),
    decrypt(text, key) {
      if (key !== "ours") throw new RegistryError("invalidParameter", "the key is not of this server");
      return [...text].reverse().join("");
    },
  };

  test("are readable over v1 and v2, as they are stored over v3 clients, and encrypted anew by a clone", async () => {
    await http.close();
    http = new ConfigHttp({}, { ciphers: [cipher] });
    await http.publish("cipher-turn-a", "abc");
    await http.publish("cipher-turn-b", "sealed", { encryptedDataKey: "theirs" });
    const v1 = await http.call("GET /v1/cs/configs?dataId=cipher-turn-a&group=g");
    assert.deepEqual([v1.text, v1.headers["encrypted-data-key"]], ["abc", "ours"]);
    assert.equal((await http.call("GET /v2/cs/config?dataId=cipher-turn-a&group=g")).json.data, "abc");
    assert.equal(
      (await http.call("GET /v3/admin/cs/config?dataId=cipher-turn-a&groupName=g")).json.data.content,
      "abc",
    );
    const client = (await http.call("GET /v3/client/cs/config?dataId=cipher-turn-a&groupName=g")).json.data;
    assert.deepEqual([client.content, client.encryptedDataKey], ["cba", "ours"]);
    assert.equal(await contentOf("cipher-turn-b", ""), "sealed", "nobody here has its key");

    await namespace("dev");
    const { pageItems } = (await http.call("GET /v3/admin/cs/config/list")).json.data;
    const body = JSON.stringify(pageItems.map(({ id }: { id: string }) => ({ configId: id })));
    const headers = { "content-type": "application/json" };
    const cloned = await http.call("POST /v3/admin/cs/config/clone?namespaceId=dev", body, headers);
    assert.equal(cloned.json.data.succCount, 2);
    const copy = (await http.call("GET /v3/client/cs/config?dataId=cipher-turn-b&groupName=g&namespaceId=dev")).json
      .data;
    assert.deepEqual([copy.content, copy.encryptedDataKey], ["sealed", "theirs"]);
    assert.equal(await contentOf("cipher-turn-a", "dev"), "abc");
  });
});
