import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { ConfigCommand } from "@nacre/core/config";
import { RegistryError } from "@nacre/protocol";
import { neverReplaced } from "@nacre/testkit/log-suite";
import { openMemoryLog } from "../../storage/memory-log.ts";
import { ConfigHttp } from "../http.fixture.ts";

let http: ConfigHttp;
beforeEach(() => {
  http = new ConfigHttp();
});
afterEach(() => http.close());

const md5 = (text: string) => createHash("md5").update(text).digest("hex");
const at = "/v1/cs/configs?dataId=app.yaml&group=g";
const get = (headers: Record<string, string> = {}, more = "") => http.call(`GET ${at}${more}`, undefined, headers);

describe("a publish of v1", () => {
  test("answers exactly true, as JSON, and is read back with what is known of it", async () => {
    const form = { dataId: "app.yaml", group: "g", content: " a: 1\n", type: "yaml", appName: "" };
    const answer = await http.call("POST /v1/cs/configs", form);
    assert.deepEqual([answer.status, answer.headers["content-type"], answer.text], [200, "application/json", "true"]);

    const read = await get();
    assert.deepEqual([read.status, read.text], [200, " a: 1\n"]);
    const { "config-type": type, "content-md5": sum, "content-type": media, "last-modified": modified } = read.headers;
    assert.deepEqual([type, sum, media], ["yaml", md5(" a: 1\n"), "text/plain;charset=UTF-8"]);
    assert.equal(modified, new Date(http.clock.wall()).toUTCString());
    assert.equal(read.headers["cache-control"], "no-cache,no-store");
    assert.equal(read.headers["encrypted-data-key"], undefined);
    assert.equal(read.headers.isbeta, undefined);
  });

  test("is UTF-8 whatever charset it declares", async () => {
    const body = new URLSearchParams({ dataId: "app.yaml", group: "g", content: "名: 配置" }).toString();
    await http.call("POST /v1/cs/configs", body, { "content-type": "application/x-www-form-urlencoded; charset=GBK" });
    assert.equal((await get()).text, "名: 配置");
  });

  test("may be in the query, or in both", async () => {
    assert.equal((await http.call(`POST ${at}&content=x`)).text, "true");
    assert.equal((await http.call(`POST ${at}`, "content=y")).text, "true");
    assert.equal((await get()).text, "y");
  });

  test("keeps what it does not say, and takes blank types and applications for that", async () => {
    await http.publish("app.yaml", "1", { type: "yaml", appName: "shop", desc: "why", config_tags: "a,b" });
    await http.publish("app.yaml", "2", { type: "", appName: "" });
    const shown = async () => (await http.call(`GET ${at}&show=all`)).json;
    const kept = await shown();
    assert.deepEqual(
      [kept.content, kept.type, kept.appName, kept.desc, kept.configTags],
      ["2", "yaml", "shop", "why", "a,b"],
    );
    await http.publish("app.yaml", "3", { type: "nonsense", desc: "", config_tags: "" });
    const cleared = await shown();
    assert.deepEqual([cleared.type, cleared.desc, cleared.configTags, cleared.appName], ["text", "", "", "shop"]);
  });

  test("with casMd5 is refused with 500 and false when the version is another", async () => {
    await http.publish("app.yaml", "1");
    const cas = (sum: string) =>
      http.call("POST /v1/cs/configs", { dataId: "app.yaml", group: "g", content: "2" }, { casMd5: sum });
    const refused = await cas(md5("0"));
    assert.deepEqual(
      [refused.status, refused.headers["content-type"], refused.text],
      [500, "application/json", "false"],
    );
    assert.equal((await get()).text, "1");
    assert.equal((await cas(md5("1").toUpperCase())).text, "true");
  });

  for (const [failure, status] of [
    ["dataAccess", 500],
    ["outcomeUnknown", 500],
    ["unavailable", 503],
    ["notApplied", 503],
  ] as const)
    test(`that fails with ${failure} says why, and not false, which is told of what was decided`, async () => {
      http.configs.publish = async () => {
        throw new RegistryError(failure, "the reason");
      };
      const answer = await http.call(`POST ${at}&content=x`);
      assert.deepEqual([answer.status, answer.text], [status, "the reason"]);
    });

  test("that comes while the server stops is refused with the reason", async () => {
    const log = openMemoryLog<ConfigCommand, unknown>({
      machine: { load() {}, apply: () => assert.fail("applied"), replace: neverReplaced },
    });
    await log.close();
    http.configs.attach({ durable: log, store: log.configs });
    const answer = await http.call(`POST ${at}&content=x`);
    assert.equal(answer.status, 503);
    assert.match(String(answer.text), /the server is stopping/);
  });

  test("with validate=true is refused with the line and the column", async () => {
    const refused = await http.call("POST /v1/cs/configs", {
      dataId: "app.json",
      group: "g",
      content: '{\n  "a": }',
      type: "json",
      validate: "true",
    });
    assert.equal(refused.status, 400);
    assert.match(refused.text, /line 2.*column 8/);
    assert.equal((await http.call("GET /v1/cs/configs?dataId=app.json&group=g")).status, 404);
  });

  test("is refused when something is missing or wrong, in the words of v1", async () => {
    const post = async (form: Record<string, string>) => {
      const { status, text } = await http.call("POST /v1/cs/configs", form);
      return [status, text];
    };
    const missing = await http.call("POST /v1/cs/configs", { group: "g", content: "x" });
    assert.deepEqual([missing.status, missing.json.error], [400, "Bad Request"]);
    assert.match(missing.json.message, /'dataId'/);
    for (const content of ["", "  \n"])
      assert.equal((await post({ dataId: "a", group: "g", content }))[0], 400, JSON.stringify(content));
    assert.deepEqual(await post({ dataId: "a b", group: "g", content: "x" }), [
      400,
      "Param 'dataId' is illegal, illegal characters should not appear in the param.\n",
    ]);
    const [status, text] = await post({ dataId: "a", group: "g", content: "x", desc: "d".repeat(129) });
    assert.equal(status, 400);
    assert.match(String(text), /^caused: .*'desc'.*;$/);
  });

  test("that is larger than a content may be is refused with 413 when it cannot even be read", async () => {
    const small = new ConfigHttp({ bodyBytesMax: 1000 }, { options: { contentBytesMax: 1000 } });
    try {
      const post = (length: number) =>
        small.call("POST /v1/cs/configs", { dataId: "a", group: "g", content: "x".repeat(length) });
      assert.equal((await post(1000)).text, "true");
      const refused = await post(1001);
      assert.deepEqual([refused.status, refused.text.includes("maxContent")], [400, true]);
      assert.equal((await post(300_000)).status, 413);
    } finally {
      await small.close();
    }
  });
});

describe("a configuration that is not there", () => {
  test("is 404 with a line of text", async () => {
    const answer = await get();
    assert.deepEqual([answer.status, answer.text], [404, "config data not exist\n"]);
    assert.equal(answer.headers["content-type"], "text/plain;charset=UTF-8");
  });

  test("is removed with success all the same", async () => {
    const answer = await http.call(`DELETE ${at}`);
    assert.deepEqual([answer.status, answer.headers["content-type"], answer.text], [200, "application/json", "true"]);
  });
});

test("public, blank and missing are one namespace, and default is another", async () => {
  await http.publish("app.yaml", "1", { tenant: "" });
  for (const tenant of ["", "&tenant=", "&tenant=public"]) assert.equal((await get({}, tenant)).text, "1", tenant);
  assert.equal((await get({}, "&tenant=default")).status, 404);
});

describe("a gray version", () => {
  const from = (ip: string) => ({ "x-forwarded-for": ip });

  test("by addresses is read from those alone, and is stopped by beta=true", async () => {
    await http.publish("app.yaml", "all");
    const betaIps = { betaIps: "10.0.0.1,10.0.0.2" };
    const form = { dataId: "app.yaml", group: "g", content: "some" };
    assert.equal((await http.call("POST /v1/cs/configs", form, betaIps)).text, "true");
    const gray = await get(from("10.0.0.2"));
    assert.deepEqual([gray.text, gray.headers.isbeta, gray.headers["content-md5"]], ["some", "true", md5("some")]);
    assert.equal((await get(from("10.0.0.3"))).text, "all");

    const shown = (await http.call(`GET ${at}&beta=true`)).json;
    assert.deepEqual(
      [shown.code, shown.message, shown.data.content, shown.data.betaIps],
      [200, "query beta ok", "some", "10.0.0.1,10.0.0.2"],
    );
    const stopped = (await http.call(`DELETE ${at}&beta=true`)).json;
    assert.deepEqual([stopped.message, stopped.data], ["stop beta ok", true]);
    assert.equal((await get(from("10.0.0.2"))).text, "all");
    assert.equal((await http.call(`GET ${at}&beta=true`)).json.data, null);
  });

  test("by a tag is read by parameter or header, and removed by the same tag", async () => {
    await http.publish("app.yaml", "all");
    await http.publish("app.yaml", "canary", { tag: "c1" });
    const byHeader = await get({ "vipserver-tag": "c1" });
    assert.deepEqual([byHeader.text, byHeader.headers.tag], ["canary", "c1"]);
    assert.equal((await get({}, "&tag=c1")).text, "canary");
    const missing = await get({}, "&tag=c2");
    assert.deepEqual(
      [missing.status, missing.text, missing.headers["vipserver-tag"]],
      [404, "config data not exist\n", "c2"],
    );
    assert.equal((await http.call(`DELETE ${at}&tag=c1`)).text, "true");
    assert.equal((await get({ "vipserver-tag": "c1" })).text, "all");
  });
});

describe("lists of v1", () => {
  const search = async (query: string) => (await http.call(`GET /v1/cs/configs?pageNo=1&pageSize=10&${query}`)).json;
  const names = async (query: string) => (await search(query)).pageItems.map((item: { dataId: string }) => item.dataId);

  test("search exactly, or with asterisks", async () => {
    for (const dataId of ["a.yaml", "b.yaml", "b.json"]) await http.publish(dataId, `c-${dataId}`);
    const page = await search("search=accurate&dataId=a.yaml&group=");
    const { id } = page.pageItems[0];
    assert.match(id, /^\d+$/);
    assert.deepEqual(page, {
      totalCount: 1,
      pageNumber: 1,
      pagesAvailable: 1,
      pageItems: [
        {
          id,
          dataId: "a.yaml",
          group: "g",
          content: "c-a.yaml",
          md5: md5("c-a.yaml"),
          encryptedDataKey: "",
          tenant: "public",
          appName: "",
          type: "text",
        },
      ],
    });
    assert.deepEqual(await names("search=blur&dataId=b*&group="), ["b.yaml", "b.json"]);
    assert.deepEqual(await names("search=accurate&dataId=b*&group="), []);
    assert.deepEqual(await names("search=blur&dataId=&group=x"), []);
  });

  test("want a page and both names", async () => {
    for (const query of ["search=blur&dataId=&group=&pageNo=1", "search=blur&dataId=&pageNo=1&pageSize=1"])
      assert.equal((await http.call(`GET /v1/cs/configs?${query}`)).status, 400, query);
    for (const size of ["0", "x", "1001"])
      assert.equal(
        (await http.call(`GET /v1/cs/configs?search=blur&dataId=&group=&pageNo=1&pageSize=${size}`)).status,
        400,
      );
  });

  test("are behind the switch of the console, which leaves plain calls open", async () => {
    const closed = new ConfigHttp({ gates: { open: true, admin: false, console: false } });
    try {
      assert.equal((await closed.call(`POST ${at}&content=x`)).text, "true");
      const refused = await closed.call(`GET ${at}&show=all`);
      assert.equal(refused.status, 410);
      assert.equal(JSON.parse(refused.json.message).code, 40000);
      assert.equal((await closed.call(`GET ${at}`)).text, "x");
      assert.equal((await closed.call("GET /v1/cs/capacity?tenant=dev")).status, 410);
    } finally {
      await closed.close();
    }
  });

  test("give what was removed by id", async () => {
    await http.publish("a", "1");
    await http.publish("b", "2");
    const [first] = (await search("search=accurate&dataId=a&group=g")).pageItems;
    const removed = (await http.call(`DELETE /v1/cs/configs?delType=ids&ids=${first.id},99999`)).json;
    assert.deepEqual([removed.code, removed.data], [200, true]);
    assert.deepEqual(await names("search=blur&dataId=&group="), ["b"]);
    assert.equal((await http.call("DELETE /v1/cs/configs?delType=ids&ids=a")).status, 400);
  });
});

describe("history of v1", () => {
  test("lists changes newest first, with times as texts, and shows what was before each", async () => {
    await http.publish("app.yaml", "1", { src_user: "ann" });
    await http.publish("app.yaml", "2", { src_user: "bob" });
    const list = (await http.call("GET /v1/cs/history?search=accurate&dataId=app.yaml&group=g")).json;
    assert.deepEqual(
      list.pageItems.map((row: Record<string, unknown>) => [row.opType, row.srcUser, row.content, row.publishType]),
      [
        ["U", "bob", null, "formal"],
        ["I", "ann", null, "formal"],
      ],
    );
    const [update, insert] = list.pageItems;
    assert.match(update.createdTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/);
    assert.match(update.id, /^\d+$/);
    const row = (await http.call(`GET /v1/cs/history?dataId=app.yaml&group=g&nid=${update.id}`)).json;
    assert.deepEqual([row.content, row.md5, row.lastId], ["1", md5("1"), -1]);
    const before = (await http.call(`GET /v1/cs/history/previous?dataId=app.yaml&group=g&id=${update.id}`)).json;
    assert.equal(before.id, insert.id);
  });

  test("shows a row under its own names alone", async () => {
    await http.publish("app.yaml", "1");
    const [row] = (await http.call("GET /v1/cs/history?search=accurate&dataId=app.yaml&group=g")).json.pageItems;
    const other = await http.call(`GET /v1/cs/history?dataId=other&group=g&nid=${row.id}`);
    assert.deepEqual([other.status, other.text], [403, "Please check dataId, group or namespaceId."]);
    assert.equal((await http.call("GET /v1/cs/history?dataId=app.yaml&group=g&nid=77")).status, 404);
    assert.equal((await http.call("GET /v1/cs/history?dataId=app.yaml&group=g&nid=1e3")).status, 400);
  });
});

test("capacities are shown with their usage and changed one limit at a time", async () => {
  await http.publish("a", "1", { tenant: "dev" });
  const shown = async () => (await http.call("GET /v1/cs/capacity?tenant=dev")).json.data;
  assert.deepEqual([(await shown()).quota, (await shown()).usage], [200, 1]);
  assert.equal((await http.call("POST /v1/cs/capacity?tenant=dev&quota=7")).json.data, true);
  const changed = await shown();
  assert.deepEqual([changed.quota, changed.maxSize, changed.namespaceId], [7, 102400, "dev"]);
  assert.match(changed.gmtModified, /\+00:00$/);
  assert.equal((await http.call("GET /v1/cs/capacity")).status, 400);
  assert.equal((await http.call("POST /v1/cs/capacity?tenant=dev")).status, 400);
});

test("operators find health, and no way to send SQL", async () => {
  assert.equal((await http.call("GET /v1/cs/health")).text, "UP");
  http.ready = { ready: false, status: "DOWN", reason: "the disk is full" };
  assert.equal((await http.call("GET /v1/cs/health")).text, "DOWN:the disk is full");
  assert.equal((await http.call("POST /v1/cs/ops/localCache")).text, "200");
  assert.equal((await http.call("PUT /v1/cs/ops/log?logName=config&logLevel=debug")).text, "200");
  assert.deepEqual(http.logLevels, ["config=debug"]);
  assert.equal((await http.call("GET /v1/cs/ops/derby?sql=select%201")).json.code, 500);
});
