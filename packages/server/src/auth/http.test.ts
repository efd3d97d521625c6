import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { RunningServer } from "../running.ts";
import { startServed } from "../served.fixture.ts";

/** SDKs that are configured with a name and a password log in before anything else. */
describe("a login while there are none", () => {
  let server: RunningServer;
  before(async () => {
    server = await startServed();
  });
  after(() => server.stop(0));

  for (const path of ["/v1/auth/login", "/v1/auth/users/login", "/v3/auth/user/login"])
    test(`at ${path} gets the token that says so, wherever name and password stand`, async () => {
      const inQuery = await fetch(`${server.url}${path}?username=nacos&password=x`, { method: "POST" });
      const split = await fetch(`${server.url}${path}?username=nacos`, {
        method: "POST",
        body: new URLSearchParams({ password: "x" }),
      });
      for (const answer of [inQuery, split]) {
        assert.equal(answer.status, 200);
        assert.equal(answer.headers.get("authorization"), "Bearer AUTH_DISABLED");
        const body = { accessToken: "AUTH_DISABLED", tokenTtl: 18000, globalAdmin: true, username: "nacos" };
        assert.deepEqual(await answer.json(), body);
      }
    });

  test("without a name is refused by its name", async () => {
    const answer = await fetch(`${server.url}/v1/auth/login`, { method: "POST" });
    assert.deepEqual([answer.status, await answer.text()], [400, "Param 'username' is required."]);
  });
});
