import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { allHttp } from "../all-http.fixture.ts";
import type { TestHttp } from "../naming/http.fixture.ts";

let http: TestHttp;
beforeEach(() => {
  http = allHttp();
});
afterEach(() => http.close());

test("namespaces are public, and those that services or configurations use, in every dialect", async () => {
  const row = (namespace: string, type: number) => ({
    namespace,
    namespaceShowName: namespace,
    namespaceDesc: type === 0 ? "Default Namespace" : null,
    quota: 200,
    configCount: namespace === "used" ? 1 : 0,
    type,
  });
  const list = async (path: string) => (await http.call(`GET ${path}`)).json.data;
  assert.deepEqual(await list("/v1/console/namespaces"), [row("public", 0)]);

  await http.register("orders", "10.1.1.5:8080", { namespaceId: "dev" });
  await http.call("POST /v1/cs/configs", { dataId: "a", group: "g", tenant: "used", content: "x" });
  for (const path of [
    "/v1/console/namespaces",
    "/v2/console/namespace/list",
    "/v3/admin/core/namespace/list",
    "/v3/console/core/namespace/list",
  ])
    assert.deepEqual(await list(path), [row("public", 0), row("dev", 1), row("used", 1)], path);

  const v1 = "GET /v1/console/namespaces";
  assert.deepEqual((await http.call(`${v1}?show=all&namespaceId=dev`)).json, row("dev", 1));
  assert.equal((await http.call(`${v1}?show=all&namespaceId=nowhere`)).status, 404);
  assert.equal((await http.call(`${v1}?checkNamespaceIdExist=true&customNamespaceId=dev`)).text, "true");
  assert.equal((await http.call(`${v1}?checkNamespaceIdExist=true&customNamespaceId=nowhere`)).text, "false");
});

const form = (id: string, more: Record<string, string> = {}) => ({
  namespaceId: id,
  namespaceName: "Development",
  ...more,
});

describe("a namespace of v1", () => {
  const path = "/v1/console/namespaces";

  test("is made, changed and removed with a bare true or false", async () => {
    const make = (customNamespaceId: string, namespaceName = "Dev") =>
      http.call(`POST ${path}`, { customNamespaceId, namespaceName, namespaceDesc: "for us" });
    const made = await make("dev");
    assert.deepEqual([made.status, made.headers["content-type"], made.text], [200, "application/json", "true"]);
    for (const [id, name] of [
      ["dev", "Dev"],
      ["a.b", "Dev"],
      ["x", "a@b"],
      ["x", ""],
      ["public", "Dev"],
    ] as const)
      assert.equal((await make(id, name)).text, "false", `${id} ${name}`);
    const change = (namespace: string) => http.call(`PUT ${path}`, { namespace, namespaceShowName: "Neu" });
    assert.deepEqual([(await change("dev")).text, (await change("nowhere")).text], ["true", "false"]);
    const shown = (await http.call(`GET ${path}?show=all&namespaceId=dev`)).json;
    assert.deepEqual([shown.namespaceShowName, shown.namespaceDesc, shown.type], ["Neu", null, 1]);
    assert.equal((await http.call(`DELETE ${path}?namespaceId=dev`)).text, "true");
    assert.equal((await http.call(`GET ${path}?checkNamespaceIdExist=true&customNamespaceId=dev`)).text, "false");
  });

  test("gets an id of its own when none is given", async () => {
    assert.equal((await http.call(`POST ${path}`, { customNamespaceId: "", namespaceName: "Dev" })).text, "true");
    const [, made] = (await http.call(`GET ${path}`)).json.data;
    assert.match(made.namespace, /^[0-9a-f-]{36}$/);
  });
});

describe("a namespace of v2 and v3", () => {
  for (const [path, id, existing] of [
    ["/v2/console/namespace", "namespaceId", 22000],
    ["/v3/admin/core/namespace", "namespaceId", 22002],
    ["/v3/console/core/namespace", "customNamespaceId", 22002],
  ] as const)
    test(`is made, changed and removed below ${path}`, async () => {
      const make = (value: string) => http.call(`POST ${path}`, { [id]: value, namespaceName: "Dev" });
      assert.deepEqual((await make("dev")).json, { code: 0, message: "success", data: true });
      const again = await make("dev");
      assert.deepEqual([again.status, again.json.code], [400, existing]);
      const illegal = await make("a$b");
      assert.deepEqual(
        [illegal.status, illegal.json.code],
        [400, id === "namespaceId" && path.includes("v3") ? 20002 : illegal.json.code],
      );
      const nameless = await http.call(`POST ${path}`, { [id]: "x" });
      assert.deepEqual([nameless.status, nameless.json.code], [400, 10000]);
      assert.equal((await http.call(`PUT ${path}`, form("dev", { namespaceDesc: "for us" }))).json.data, true);
      const shown = (await http.call(`GET ${path}?namespaceId=dev`)).json.data;
      assert.deepEqual([shown.namespaceShowName, shown.namespaceDesc], ["Development", "for us"]);
      assert.equal((await http.call(`DELETE ${path}?namespaceId=dev`)).json.data, true);
      const gone = await http.call(`GET ${path}?namespaceId=dev`);
      assert.deepEqual([gone.status, gone.json.code], [404, 22001]);
    });

  test("is asked for by its id", async () => {
    const check = async (id: string) => [
      (await http.call(`GET /v3/admin/core/namespace/check?namespaceId=${id}`)).json.data,
      (await http.call(`GET /v3/console/core/namespace/exist?customNamespaceId=${id}`)).json.data,
    ];
    assert.deepEqual(await check("public"), [1, true]);
    assert.deepEqual(await check("dev"), [0, false]);
  });

  test("is not removed while it holds a configuration, unless it is told to", async () => {
    const path = "/v3/admin/core/namespace";
    await http.call(`POST ${path}`, form("dev"));
    await http.call("POST /v1/cs/configs", { dataId: "a", group: "g", tenant: "dev", content: "x" });
    const refused = await http.call(`DELETE ${path}?namespaceId=dev`);
    assert.deepEqual([refused.status, refused.json.code], [409, 20005]);
    assert.match(refused.json.data, /holds 1 configuration:/);
    assert.equal((await http.call(`DELETE ${path}?namespaceId=dev&force=true`)).json.data, true);
    assert.equal((await http.call("GET /v1/cs/configs?dataId=a&group=g&tenant=dev")).status, 404);
  });
});
