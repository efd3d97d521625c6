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
const at = "dataId=app.yaml&group=g";
const form = (more: Record<string, string> = {}) => ({ dataId: "app.yaml", group: "g", content: "a: 1", ...more });

describe("a configuration of v2", () => {
  test("is published, read with its headers, and removed", async () => {
    const published = await http.call("POST /v2/cs/config", form({ type: "yaml", namespaceId: "dev", srcUser: "ann" }));
    assert.deepEqual(published.json, { code: 0, message: "success", data: true });
    const read = await http.call(`GET /v2/cs/config?${at}&namespaceId=dev`);
    assert.deepEqual(read.json, { code: 0, message: "success", data: "a: 1" });
    assert.deepEqual(
      [read.headers["content-type"], read.headers["config-type"], read.headers["content-md5"]],
      ["application/json", "yaml", md5("a: 1")],
    );
    assert.equal((await http.call(`DELETE /v2/cs/config?${at}&namespaceId=dev`)).json.data, true);
    const missing = await http.call(`GET /v2/cs/config?${at}&namespaceId=dev`);
    assert.equal(missing.status, 404);
    assert.deepEqual(missing.json, { code: 20004, message: "resource not found", data: "config data not exist" });
  });

  test("is refused with the codes of its family", async () => {
    const missing = await http.call("POST /v2/cs/config", { group: "g", content: "x" });
    assert.deepEqual(missing.json, {
      code: 10000,
      message: "parameter missing",
      data: "Required parameter 'dataId' type String is not present",
    });
    await http.call("POST /v2/cs/config", form());
    const cas = await http.call("POST /v2/cs/config", form({ content: "2" }), { casMd5: md5("other") });
    assert.deepEqual([cas.status, cas.json.code], [500, 20005]);
    assert.equal((await http.call("POST /v2/cs/config", form({ content: "2" }), { casMd5: md5("a: 1") })).status, 200);
    const invalid = await http.call("POST /v2/cs/config", form({ type: "json", content: "{", validate: "true" }));
    assert.deepEqual([invalid.status, invalid.json.code], [400, 20002]);
    assert.match(invalid.json.data, /line 1/);
  });

  test("has gray versions by name, rule and priority", async () => {
    await http.call("POST /v2/cs/config", form());
    const gray = (more: Record<string, string>) => http.call("POST /v2/cs/config", form({ content: "gray", ...more }));
    const rule = { grayName: "north", grayType: "label", grayRuleExp: "ClientIp=10.1.1.1", grayPriority: "5" };
    assert.equal((await gray(rule)).status, 200);
    const from = (ip: string) => http.call(`GET /v2/cs/config?${at}`, undefined, { "x-forwarded-for": ip });
    assert.equal((await from("10.1.1.1")).json.data, "gray");
    assert.equal((await from("10.1.1.2")).json.data, "a: 1");
    for (const [more, code] of [
      [{ grayName: "north", grayRuleExp: "x" }, 20013],
      [{ ...rule, grayVersion: "9" }, 20012],
      [{ ...rule, grayType: "moon" }, 20012],
      [{ ...rule, grayRuleExp: "no terms" }, 20011],
      [{ ...rule, grayRuleExp: "" }, 10000],
      [{ ...rule, grayPriority: "high" }, 20002],
      [{ ...rule, grayName: "tag_x" }, 20013],
    ] as const) {
      const { status, json } = await gray(more as Record<string, string>);
      assert.deepEqual([status, json.code], [400, code], JSON.stringify(more));
    }
  });

  test("is found by a part of its content, as a bare page", async () => {
    await http.publish("a", "the needle", { tenant: "dev" });
    await http.publish("b", "hay", { tenant: "dev" });
    const find = (detail: string, more = "") =>
      http.call(
        `GET /v2/cs/config/searchDetail?dataId=&group=&pageNo=1&pageSize=9&tenant=dev&config_detail=${detail}${more}`,
      );
    const page = (await find("*needle*")).json;
    assert.deepEqual([page.totalCount, page.pageItems[0].dataId, page.pageItems[0].content], [1, "a", "the needle"]);
    assert.equal((await find("x", "&search=guess")).status, 400);
  });
});

describe("history of v2", () => {
  const rows = async () => (await http.call(`GET /v2/cs/history/list?${at}`)).json.data.pageItems;

  test("shows each change with what it made of what", async () => {
    await http.publish("app.yaml", "1");
    await http.publish("app.yaml", "2");
    await http.publish("app.yaml", "3");
    await http.call(`DELETE /v2/cs/config?${at}`);
    const detail = async (id: string) => (await http.call(`GET /v2/cs/history/detail?${at}&nid=${id}`)).json.data;
    const seen: unknown[] = [];
    for (const { id } of await rows()) {
      const { opType, originalContent, updatedContent } = await detail(id);
      seen.push([opType, originalContent, updatedContent]);
    }
    assert.deepEqual(seen, [
      ["D", "3", null],
      ["U", "2", "3"],
      ["U", "1", "2"],
      ["I", null, "1"],
    ]);
  });

  test("of a change that nothing followed ends with what is there", async () => {
    await http.publish("app.yaml", "1");
    await http.publish("app.yaml", "2");
    const [{ id }] = await rows();
    const { updatedContent, updatedMd5, originalMd5 } = (await http.call(`GET /v2/cs/history/detail?${at}&nid=${id}`))
      .json.data;
    assert.deepEqual([updatedContent, updatedMd5, originalMd5], ["2", md5("2"), md5("1")]);
  });

  test("is asked for by row, by the row before, and by the configuration's id", async () => {
    await http.publish("app.yaml", "1");
    await http.publish("app.yaml", "2");
    const [update, insert] = await rows();
    const get = async (path: string) => (await http.call(`GET /v2/cs/history${path}`)).json;
    assert.equal((await get(`?${at}&nid=${update.id}`)).data.content, "1");
    assert.equal((await get(`/previous?${at}&id=${update.id}`)).data.id, insert.id);
    const [config] = (await get("/configs?namespaceId=public")).data;
    assert.equal(config.lastModified, http.clock.wall());
    assert.equal((await get(`/previous?${at}&id=${config.id}`)).data.id, update.id);
    assert.equal((await get(`/previous?${at}&id=12345`)).code, 20004);
    assert.equal((await get(`?${at}&nid=12345`)).code, 20004);
    const other = await http.call(`GET /v2/cs/history?dataId=other&group=g&nid=${update.id}`);
    assert.deepEqual([other.status, other.json.code], [403, 10001]);
    assert.equal((await get("/configs")).code, 10000);
  });

  test("is cut to 500 rows a page", async () => {
    const page = (await http.call(`GET /v2/cs/history/list?${at}&pageSize=9999`)).json.data;
    assert.deepEqual(page, { totalCount: 0, pageNumber: 1, pagesAvailable: 0, pageItems: [] });
    assert.equal((await http.call(`GET /v2/cs/history/list?${at}&pageNo=0`)).status, 400);
  });
});
