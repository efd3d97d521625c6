import assert from "node:assert/strict";
import { test } from "node:test";
import { allHttp } from "../all-http.fixture.ts";

test("namespaces are public and those that have services, in every dialect", async (t) => {
  const http = allHttp();
  t.after(() => http.close());
  const row = (namespace: string, type: number) => ({
    namespace,
    namespaceShowName: namespace,
    namespaceDesc: null,
    quota: 200,
    configCount: 0,
    type,
  });
  const list = async (path: string) => (await http.call(`GET ${path}`)).json.data;
  assert.deepEqual(await list("/v1/console/namespaces"), [row("public", 0)]);

  await http.register("orders", "10.1.1.5:8080", { namespaceId: "dev" });
  for (const path of [
    "/v1/console/namespaces",
    "/v2/console/namespace/list",
    "/v3/admin/core/namespace/list",
    "/v3/console/core/namespace/list",
  ])
    assert.deepEqual(await list(path), [row("public", 0), row("dev", 1)], path);

  const v1 = "GET /v1/console/namespaces";
  assert.deepEqual((await http.call(`${v1}?show=all&namespaceId=dev`)).json, row("dev", 1));
  assert.equal((await http.call(`${v1}?show=all&namespaceId=nowhere`)).status, 404);
  assert.equal((await http.call(`${v1}?checkNamespaceIdExist=true&customNamespaceId=dev`)).text, "true");
  assert.equal((await http.call(`${v1}?checkNamespaceIdExist=true&customNamespaceId=nowhere`)).text, "false");
});
