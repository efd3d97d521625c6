import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { allHttp } from "../all-http.fixture.ts";
import type { TestHttp } from "../naming/http.fixture.ts";
import { newMetrics } from "./metrics.ts";

let http: TestHttp;
beforeEach(() => {
  http = allHttp({}, { metrics: newMetrics({ journal: () => ({ size: 7, dropped: 0 }) }) });
});
afterEach(() => http.close());

describe("what Prometheus reads", () => {
  test("is in the text format 0.0.4", async () => {
    const { status, headers, text } = await http.call("GET /actuator/prometheus");
    assert.equal(status, 200);
    assert.match(String(headers["content-type"]), /^text\/plain; ?version=0\.0\.4/);
    assert.match(text, /journal.* 7$/m);
  });

  test("lists every instance as a target, of all namespaces, of one, or of one service", async () => {
    await http.register("orders", "10.1.1.5:8080", { metadata: "app.zone=a" });
    await http.register("orders", "10.1.1.6:8080", { enabled: "false", groupName: "other" });
    await http.register("users", "10.1.1.7:8080", { namespaceId: "dev" });
    await http.register("users", "10.1.1.8:8080");
    const targets = async (path: string) => {
      const { headers, json } = await http.call(`GET ${path}`);
      assert.match(String(headers["content-type"]), /^application\/json; charset=utf-8$/i);
      return json.flatMap((one: { targets: string[] }) => one.targets);
    };
    assert.deepEqual(await targets("/prometheus"), [
      "10.1.1.5:8080",
      "10.1.1.6:8080",
      "10.1.1.7:8080",
      "10.1.1.8:8080",
    ]);
    assert.deepEqual(await targets("/prometheus/namespaceId/dev"), ["10.1.1.7:8080"]);
    assert.deepEqual(await targets("/prometheus/namespaceId/nowhere"), []);
    assert.deepEqual(await targets("/prometheus/namespaceId/public/service/orders"), [
      "10.1.1.5:8080",
      "10.1.1.6:8080",
    ]);
    const [first] = (await http.call("GET /prometheus")).json;
    assert.deepEqual([first.labels.app_zone, first.labels.__meta_clusterName], ["a", "DEFAULT"]);
  });

  test("is not there where it was switched off", async () => {
    const off = allHttp({}, { exposed: ["health"], discovery: false });
    try {
      for (const path of ["/actuator/prometheus", "/prometheus", "/prometheus/namespaceId/public"])
        assert.equal((await off.call(`GET ${path}`)).status, 404, path);
    } finally {
      await off.close();
    }
  });
});
