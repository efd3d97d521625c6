import assert from "node:assert/strict";
import { test } from "node:test";
import { allHttp } from "./all-http.fixture.ts";
import { renderRoutesDoc } from "./http-doc.ts";
import { methodsOf, shownPath } from "./transport/http/route.ts";

test("the page of endpoints has a line for every route, and no two routes are the same", async (t) => {
  const http = allHttp();
  t.after(() => http.close());
  const lines = new Set(renderRoutesDoc().split("\n"));
  const seen = new Set<string>();
  for (const route of http.server.routes) {
    assert.ok(
      [...lines].some((line) => line.includes(` | \`${shownPath(route)}\` |`)),
      shownPath(route),
    );
    for (const method of methodsOf(route)) {
      const endpoint = `${method} ${shownPath(route)}`;
      assert.ok(!seen.has(endpoint), `${endpoint} is there twice`);
      seen.add(endpoint);
    }
  }
});

test("what a closed gate names instead exists", async (t) => {
  const http = allHttp();
  t.after(() => http.close());
  const there = new Set(
    http.server.routes.flatMap((route) => methodsOf(route).map((method) => `${method} ${route.path}`)),
  );
  for (const { path, instead } of http.server.routes) {
    if (instead === undefined) continue;
    const [methods = "", wanted = ""] = instead.split(/ (?=\/)/);
    for (const method of methods.split(" or "))
      assert.ok(there.has(`${method} ${wanted.split("?")[0]}`), `${path} names ${instead}`);
  }
});
