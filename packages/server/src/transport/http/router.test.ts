import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Router } from "./router.ts";

function routerOf(...lines: readonly `${"GET" | "POST" | "PUT"} ${string}`[]): Router<string> {
  const router = new Router<string>();
  for (const line of lines) {
    const [method, path] = line.split(" ") as ["GET", string];
    router.add(method, path, line);
  }
  return router;
}

describe("a path", () => {
  const router = routerOf("GET /v1/x", "POST /v1/x", "GET /v1/:name", "PUT /v1/:name", "GET /v1/:name/of/:other");
  const cases: [method: string, path: string, target: string | undefined, segments?: Record<string, string>][] = [
    ["GET", "/v1/x", "GET /v1/x"],
    ["GET", "/v1/x/", "GET /v1/x"],
    ["POST", "/v1/x", "POST /v1/x"],
    ["HEAD", "/v1/x", "GET /v1/x"],
    ["GET", "/v%31/%78", "GET /v1/x"],
    ["PUT", "/v1/x", "PUT /v1/:name", { name: "x" }],
    ["GET", "/v1/a", "GET /v1/:name", { name: "a" }],
    ["GET", "/v%31/a%2Fb%20%2525/", "GET /v1/:name", { name: "a/b %25" }],
    ["GET", "/v1/%E9%85%8D/of/%40", "GET /v1/:name/of/:other", { name: "配", other: "@" }],
    ["GET", "/v1", undefined],
    ["GET", "/v1/", undefined],
    ["GET", "/v1%2Fx", undefined],
    ["GET", "/V1/x", undefined],
    ["GET", "/v1/a/of", undefined],
    ["GET", "/", undefined],
    ["GET", "", undefined],
    ["GET", "*", undefined],
    ["DELETE", "/v1/x", undefined],
    ["__proto__", "/v1/x", undefined],
  ];
  for (const [method, path, target, segments = {}] of cases)
    test(`${method} ${path || "(none)"} is ${target ?? "not served"}`, () => {
      const found = router.find(method, path);
      assert.deepEqual([found.target, { ...found.segments }], [target, segments]);
    });

  test("that is served knows the methods that it answers, of all that it may mean", () => {
    assert.deepEqual(router.find("DELETE", "/v1/x").allowed, ["GET", "POST", "PUT"]);
    assert.deepEqual(router.find("DELETE", "/v1/a").allowed, ["GET", "PUT"]);
    assert.deepEqual(router.find("DELETE", "/v2/a").allowed, []);
  });

  test("with broken escapes is told from one that nobody serves", () => {
    for (const path of ["/%", "/v1/%zz", "/v1/%ff", "/%c3%28/of/b"])
      assert.throws(() => router.find("GET", path), URIError, path);
  });

  test("of whatever text is found or not, or has broken escapes", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."/%:.x1vof2Fz ") }), (text) => {
        try {
          router.find("GET", `/${text}`);
        } catch (thrown) {
          assert.ok(thrown instanceof URIError);
        }
      }),
    );
  });
});
