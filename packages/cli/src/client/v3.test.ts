import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { CliError } from "../failure.ts";
import { Http } from "./http.ts";
import { remoteV3 } from "./v3.ts";

const NAME = { namespace: "public", group: "g", dataId: "d" };

/** A server that answers every call with this as its `data`. */
function answering(context: TestContext, data: unknown) {
  context.mock.method(globalThis, "fetch", async () => Response.json({ code: 0, message: "success", data }));
  return remoteV3(new Http({ base: "http://h", attemptsMax: 1, timeoutMs: 1000, wait: async () => {} }));
}

const refused = (thrown: unknown): boolean =>
  thrown instanceof CliError && /no server of this kind/.test(thrown.message);

describe("a server of version 3 that answers with another shape", () => {
  for (const data of [null, 3, "text", {}, { totalCount: "x", pageItems: 3 }])
    test(`is refused rather than taken for an empty one: ${JSON.stringify(data)}`, async (context) => {
      const remote = answering(context, data);
      await assert.rejects(remote.namespaces(), refused);
      await assert.rejects(remote.configs({ namespace: "public" }, { page: 1, size: 10 }), refused);
      if (data === null) assert.equal(await remote.config(NAME), undefined, "consoles say so of what is not there");
      else await assert.rejects(remote.config(NAME), refused);
    });
  test("is refused when it describes a gray version by no JSON", async (context) => {
    await assert.rejects(answering(context, { grayRule: "{bad" }).beta(NAME), CliError);
  });
});
