import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, test } from "node:test";
import { ConfigHttp } from "../http.fixture.ts";

let http: ConfigHttp;
beforeEach(() => {
  http = new ConfigHttp();
});
afterEach(() => http.close());

const md5 = (text: string) => createHash("md5").update(text).digest("hex");
const at = "dataId=app.yaml&groupName=g";
const ADMIN = "/v3/admin/cs";
const CONSOLE = "/v3/console/cs";
const form = (more: Record<string, string> = {}) => ({ dataId: "app.yaml", groupName: "g", content: "a: 1", ...more });
const data = async (line: string, body?: Record<string, string>) => (await http.call(line, body)).json.data;

describe("a configuration that is not there", () => {
  test("is told in four ways", async () => {
    const client = await http.call(`GET /v3/client/cs/config?${at}`);
    assert.equal(client.status, 200);
    assert.deepEqual(client.json, { code: 20004, message: "resource not found", data: null });

    const admin = await http.call(`GET ${ADMIN}/config?${at}`);
    assert.equal(admin.status, 404);
    assert.deepEqual(admin.json, {
      code: 20004,
      message: "resource not found",
      data: "Config not exist, please publish Config first.",
    });

    const console = await http.call(`GET ${CONSOLE}/config?${at}`);
    assert.equal(console.status, 200);
    assert.deepEqual(console.json, { code: 0, message: "success", data: null });

    const v1 = await http.call("GET /v1/cs/configs?dataId=app.yaml&group=g");
    assert.deepEqual([v1.status, v1.text], [404, "config data not exist\n"]);
  });
});

test("a client of version 3 reads everything that one over gRPC reads", async () => {
  await http.call(`POST ${ADMIN}/config`, form({ type: "yaml" }));
  const read = await http.call(`GET /v3/client/cs/config?${at}`);
  assert.deepEqual(read.json, {
    code: 0,
    message: "success",
    data: {
      resultCode: 200,
      errorCode: 0,
      message: null,
      requestId: null,
      content: "a: 1",
      encryptedDataKey: null,
      contentType: "yaml",
      md5: md5("a: 1"),
      lastModified: http.clock.wall(),
      tag: null,
      beta: false,
      success: true,
    },
  });
  await http.call(`POST ${ADMIN}/config`, form({ content: "canary", tag: "c1" }));
  const tagged = (await http.call(`GET /v3/client/cs/config?${at}`, undefined, { "vipserver-tag": "c1" })).json.data;
  assert.deepEqual([tagged.content, tagged.tag, tagged.beta], ["canary", "c1", false]);
  const missing = await http.call("GET /v3/client/cs/config?dataId=app.yaml");
  assert.deepEqual([missing.status, missing.json.code], [400, 10000]);
});

for (const base of [ADMIN, CONSOLE])
  describe(`below ${base}`, () => {
    test("a configuration is published with all that is known of it, and removed", async () => {
      const fields = { type: "yaml", appName: "shop", desc: "why", configTags: "a,b", srcUser: "ann" };
      assert.equal(await data(`POST ${base}/config`, form(fields)), true);
      assert.equal(await data(`POST ${base}/config`, form({ ...fields, srcUser: "bob" })), true);
      const shown = await data(`GET ${base}/config?${at}`);
      assert.match(shown.id, /^\d+$/);
      const now = http.clock.wall();
      assert.deepEqual(shown, {
        id: shown.id,
        namespaceId: "public",
        groupName: "g",
        dataId: "app.yaml",
        md5: md5("a: 1"),
        type: "yaml",
        appName: "shop",
        createTime: now,
        modifyTime: now,
        content: "a: 1",
        desc: "why",
        encryptedDataKey: "",
        createUser: "ann",
        createIp: "127.0.0.1",
        modifyUser: "bob",
        configTags: "a,b",
        use: "",
        effect: "",
        schema: "",
      });
      assert.equal(await data(`DELETE ${base}/config?${at}`), true);
      assert.deepEqual((await data(`GET ${base}/config/list`)).totalCount, 0);
    });

    test("a blank field is cleared, and an absent one kept", async () => {
      await http.call(`POST ${base}/config`, form({ appName: "shop", desc: "why", configTags: "a" }));
      await http.call(`POST ${base}/config`, form({ appName: "", configTags: "" }));
      const { appName, desc, configTags } = await data(`GET ${base}/config?${at}`);
      assert.deepEqual([appName, desc, configTags], ["", "why", ""]);
    });

    test("casMd5, insertOnly and validate keep a publish from being written", async () => {
      await http.call(`POST ${base}/config`, form({ insertOnly: "true" }));
      const insert = await http.call(`POST ${base}/config`, form({ content: "2", insertOnly: "true" }));
      assert.deepEqual([insert.status, insert.json.code], [500, 20005]);
      assert.match(insert.json.data, /^config already exist, dataId: app\.yaml/);
      const cas = await http.call(`POST ${base}/config`, form({ content: "2" }), { casMd5: md5("2") });
      assert.deepEqual([cas.status, cas.json.code, cas.json.message], [500, 20005, "resource conflict"]);
      const invalid = await http.call(`POST ${base}/config`, form({ type: "yaml", content: "a: [", validate: "true" }));
      assert.deepEqual([invalid.status, invalid.json.code], [400, 20002]);
      assert.match(invalid.json.data, /line 1.*column \d/);
      assert.equal((await data(`GET ${base}/config?${at}`)).content, "a: 1");
    });

    test("a dry run says whom a publish would reach, and writes nothing", async () => {
      await http.call(`POST ${base}/config`, form());
      const reach = await data(`POST ${base}/config`, form({ type: "json", content: "{", dryRun: "true" }));
      assert.deepEqual([reach.valid, reach.changes, reach.listeners], [false, true, 0]);
      assert.match(reach.problem, /line 1/);
      const same = await data(`POST ${base}/config`, form({ dryRun: "true" }));
      assert.deepEqual([same.valid, same.changes], [true, false]);
      assert.equal((await data(`GET ${base}/history/list?${at}`)).totalCount, 1);
    });

    test("beta and other gray versions are shown and removed by name", async () => {
      await http.call(`POST ${base}/config`, form());
      const counted = async () => (await data(`GET ${base}/config/list`)).pageItems[0].grayCount;
      assert.equal(await counted(), 0);
      const none = await http.call(`GET ${base}/config/beta?${at}`);
      assert.deepEqual([none.status, none.json.data], [404, "Config is not in beta."]);
      await http.call(`POST ${base}/config`, form({ content: "b" }), { betaIps: "10.0.0.1" });
      const share = { grayName: "some", grayType: "percentage", grayRuleExp: "12.5", grayPriority: "7" };
      await http.call(`POST ${base}/config`, form({ content: "s", ...share }));
      assert.equal(await counted(), 2, "lists say how many there are");
      const beta = await data(`GET ${base}/config/beta?${at}`);
      assert.deepEqual(
        [beta.content, beta.grayName, JSON.parse(beta.grayRule)],
        ["b", "beta", { type: "beta", version: "1.0.0", expr: "10.0.0.1", priority: 2147483647 }],
      );
      const grays = await data(`GET ${base}/config/gray?${at}`);
      assert.deepEqual(
        grays.map((gray: Record<string, unknown>) => [gray.grayName, gray.md5, "content" in gray]),
        [
          ["beta", md5("b"), false],
          ["some", md5("s"), false],
        ],
      );
      assert.equal((await data(`GET ${base}/config/gray?${at}&grayName=some`)).content, "s");
      assert.equal(await data(`DELETE ${base}/config/gray?${at}&grayName=some`), true);
      assert.equal(await data(`DELETE ${base}/config/beta?${at}`), true);
      assert.deepEqual(await data(`GET ${base}/config/gray?${at}`), []);
      assert.equal((await http.call(`DELETE ${base}/config/gray?${at}`)).status, 400);
    });

    test("history is listed in milliseconds and compared as unified diffs", async () => {
      for (const content of ["a: 1\nb: 2\n", "a: 1\nb: 3\n", "a: 1\nb: 4\n"])
        await http.call(`POST ${base}/config`, form({ content, srcUser: "ann" }));
      const { pageItems } = await data(`GET ${base}/history/list?${at}`);
      assert.deepEqual(
        pageItems.map((row: Record<string, unknown>) => [row.opType, row.srcUser, row.publishType, row.modifyTime]),
        ["U", "U", "I"].map((op) => [op, "ann", "formal", http.clock.wall()]),
      );
      const [newest, middle, first] = pageItems;
      const row = await data(`GET ${base}/history?${at}&nid=${middle.id}`);
      assert.deepEqual([row.content, JSON.parse(row.extInfo).src_user, row.grayName], ["a: 1\nb: 2\n", "ann", null]);
      assert.equal((await data(`GET ${base}/history/previous?${at}&id=${newest.id}`)).id, middle.id);

      const diff = async (id: string, more = "") =>
        (await data(`GET ${base}/history/diff?${at}&nid=${id}${more}`)).diff;
      assert.match(await diff(middle.id), /^--- g\/app\.yaml.*\n\+\+\+ .*\n@@ -1,2 \+1,2 @@\n a: 1\n-b: 2\n\+b: 3\n$/m);
      assert.match(await diff(newest.id), /-b: 3\n\+b: 4\n/);
      assert.match(await diff(first.id), /@@ -0,0 \+1,2 @@\n\+a: 1\n\+b: 2\n/);
      assert.match(await diff(middle.id, "&against=current"), /-b: 2\n\+b: 4\n/);
      assert.equal((await http.call(`GET ${base}/history/diff?${at}&nid=${middle.id}&against=x`)).status, 400);
    });

    test("a rollback makes the state before a change true again, with a row of its own", async () => {
      await http.call(`POST ${base}/config`, form({ content: "1" }));
      await http.call(`POST ${base}/config`, form({ content: "2" }));
      const [update, insert] = (await data(`GET ${base}/history/list?${at}`)).pageItems;
      const raced = await http.call(`POST ${base}/history/rollback?nid=${update.id}&casMd5=${md5("1")}`);
      assert.deepEqual([raced.status, raced.json.code], [500, 20005]);
      assert.equal(await data(`POST ${base}/history/rollback?nid=${update.id}&casMd5=${md5("2")}`), "published");
      assert.equal((await data(`GET ${base}/config?${at}`)).content, "1");
      assert.equal((await data(`GET ${base}/history/list?${at}`)).totalCount, 3);
      assert.equal(await data(`POST ${base}/history/rollback?nid=${insert.id}`), "removed");
      assert.equal((await http.call("GET /v1/cs/configs?dataId=app.yaml&group=g")).status, 404);
      assert.equal((await http.call(`POST ${base}/history/rollback?nid=12345`)).status, 404);
    });
  });

test("contents over 256 k characters are not compared, and it is said", async () => {
  await http.call(`POST ${ADMIN}/config`, form({ content: "x".repeat(262_145) }));
  const [{ id }] = (await data(`GET ${ADMIN}/history/list?${at}`)).pageItems;
  const refused = await http.call(`GET ${ADMIN}/history/diff?${at}&nid=${id}`);
  assert.deepEqual([refused.status, refused.json.code], [400, 20002]);
  assert.match(refused.json.data, /262144 characters/);
});

describe("lists", () => {
  beforeEach(async () => {
    for (const [dataId, type] of [
      ["a.yaml", "yaml"],
      ["b.yaml", "yaml"],
      ["b.json", "json"],
    ] as const)
      await http.publish(dataId, `content of ${dataId}`, { type, tenant: "dev" });
  });

  const names = async (line: string) => {
    const { pageItems } = await data(`GET ${line}`);
    return pageItems.map((item: { dataId: string }) => item.dataId);
  };

  test("of the admin API search with asterisks or exactly, by type and by content", async () => {
    const list = `${ADMIN}/config/list?namespaceId=dev`;
    assert.deepEqual(await names(list), ["a.yaml", "b.yaml", "b.json"]);
    assert.deepEqual(await names(`${list}&dataId=b*`), ["b.yaml", "b.json"]);
    assert.deepEqual(await names(`${list}&dataId=b*&search=accurate`), []);
    assert.deepEqual(await names(`${list}&type=json,xml`), ["b.json"]);
    assert.deepEqual(await names(`${list}&configDetail=*a.yaml*`), ["a.yaml"]);
    const page = await data(`GET ${list}&pageNo=2&pageSize=2`);
    assert.deepEqual([page.totalCount, page.pageNumber, page.pagesAvailable, page.pageItems.length], [3, 2, 2, 1]);
    assert.equal("content" in page.pageItems[0], false);
    for (const bad of ["pageNo=0", "pageSize=0", "pageSize=10001", "search=x", "type=nonsense", "namespaceId=a.b"])
      assert.equal((await http.call(`GET ${ADMIN}/config/list?${bad}`)).status, 400, bad);
  });

  test("of the console search names with asterisks, and contents beside them", async () => {
    assert.deepEqual(await names(`${CONSOLE}/config/list?namespaceId=dev&dataId=*.yaml&search=accurate`), [
      "a.yaml",
      "b.yaml",
    ]);
    assert.deepEqual(await names(`${CONSOLE}/config/searchDetail?namespaceId=dev&configDetail=*b.json*`), ["b.json"]);
  });

  test("of a namespace name all of it, and ids remove some", async () => {
    const all = await data(`GET ${ADMIN}/history/configs?namespaceId=dev`);
    assert.equal(all.length, 3);
    assert.equal(await data(`DELETE ${ADMIN}/config/batch?ids=${all[0].id}&ids=${all[1].id}`), true);
    assert.equal(await data(`DELETE ${CONSOLE}/config/batchDelete?ids=${all[2].id}`), true);
    assert.deepEqual(await data(`GET ${ADMIN}/history/configs?namespaceId=dev`), []);
  });
});

test("capacities have times in milliseconds, and operators get what there is to get", async () => {
  assert.equal(await data(`POST ${ADMIN}/capacity?groupName=g&maxSize=1000`), true);
  const shown = await data(`GET ${ADMIN}/capacity?groupName=g`);
  assert.deepEqual([shown.groupName, shown.maxSize, shown.gmtCreate], ["g", 1000, http.clock.wall()]);
  assert.equal((await http.call(`GET ${ADMIN}/capacity`)).json.code, 10000);
  assert.deepEqual(await data(`GET ${ADMIN}/metrics/cluster?ip=10.1.1.1`), {});
  assert.equal((await http.call(`POST ${ADMIN}/ops/localCache`)).status, 200);
  const derby = await http.call(`GET ${ADMIN}/ops/derby?sql=select`);
  assert.deepEqual([derby.status, derby.json.code], [200, 30000]);
});
