import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, test } from "node:test";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { allHttp } from "./all-http.fixture.ts";
import { CONSOLE_OFF, consoleRoutes, openConsolePort } from "./console-port.ts";
import type { HttpServerSetup } from "./transport/http/http-server.ts";

const HOST = "127.0.0.1";

function setup() {
  const warnings: string[] = [];
  const http = allHttp();
  const log = { debug() {}, info() {}, error() {}, warn: (_details: object, text: string) => void warnings.push(text) };
  const forMain: HttpServerSetup = {
    clock: new FakeClock(),
    log,
    contextPath: "/nacos",
    routes: http.server.routes,
    readiness: { state: () => http.ready },
    switches: () => http.naming.state.switches,
    gates: { open: true, admin: true, console: true },
    checkParams: true,
    metadataLengthMax: 1024,
    headerBytesMax: 524_288,
    bodyBytesMax: 2 * 1024 * 1024,
    keepAliveMs: 60_000,
    connectionsMax: 100,
    connectionsPerIpMax: 100,
  };
  return { http, log, warnings, forMain };
}

describe("the console's port", () => {
  test("answers the console's paths, health and the server list, and no other", async (t) => {
    const { http, log, forMain } = setup();
    t.after(() => http.close());
    const console = await openConsolePort({ port: 0, host: HOST }, forMain, log);
    assert.ok(console);
    t.after(() => console.close(0));
    const status = async (path: string) => (await fetch(`http://${HOST}:${console.port}${path}`)).status;
    for (const path of [
      "/v3/console/health/readiness",
      "/v1/console/health/liveness",
      "/v2/console/namespace/list",
      "/v3/console/server/state",
      "/actuator/health",
      "/nacos/serverlist",
      "/",
    ])
      assert.equal(await status(path), 200, path);
    for (const path of ["/v3/admin/core/state", "/v3/client/ns/instance/list", "/actuator/prometheus"])
      assert.equal(await status(path), 404, path);
  });

  test("that is taken is a notice and not a failure", async (t) => {
    const { http, log, warnings, forMain } = setup();
    t.after(() => http.close());
    const other = createServer().listen(0, HOST);
    await once(other, "listening");
    t.after(() => other.close());
    const { port } = other.address() as AddressInfo;
    assert.equal(await openConsolePort({ port, host: HOST }, forMain, log), undefined);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", new RegExp(`console port ${port} could not be opened.*nacos\\.console\\.port`));
  });

  test("is none when it is switched off", async (t) => {
    const { http, log, warnings, forMain } = setup();
    t.after(() => http.close());
    assert.equal(await openConsolePort({ port: CONSOLE_OFF, host: HOST }, forMain, log), undefined);
    assert.deepEqual(warnings, []);
  });

  test("has no path that the main port does not answer", () => {
    const { http } = setup();
    const paths = consoleRoutes(http.server.routes).map(({ path }) => path);
    assert.ok(paths.length > 20);
    assert.ok(paths.every((path) => !path.startsWith("/v3/admin/") && !path.includes("prometheus")));
    return http.close();
  });
});
