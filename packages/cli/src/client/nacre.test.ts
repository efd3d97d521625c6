import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { Http } from "./http.ts";
import { nacreAt, sameness } from "./nacre.ts";

interface Member {
  readonly id: string;
  readonly cluster: string;
  readonly epoch?: number;
  readonly inGroup?: string;
}

const httpTo = (base: string): Http =>
  new Http({ base, attemptsMax: 1, timeoutMs: 1000, wait: () => Promise.resolve() });

/** Answers as these members do, by host. Hosts that are not listed are no Nacre. */
function members(context: TestContext, hosts: Record<string, Member>) {
  context.mock.method(globalThis, "fetch", async (url: URL) => {
    const member = hosts[url.hostname];
    if (member === undefined) return Response.json({ status: 404 }, { status: 404 });
    const { id, cluster: clusterId, epoch = 0, inGroup } = member;
    if (url.pathname.endsWith("/matrix")) return Response.json({ code: 0, data: { by: { id }, clusterId } });
    // A member that keeps nothing on disk is in no group, and refuses.
    if (inGroup === undefined) return Response.json({ code: 23000, data: "it keeps nothing" }, { status: 400 });
    return Response.json({ code: 0, data: { by: { id }, clusterId, epoch, members: [{ id, inGroup }] } });
  });
  return async (one: string, other: string) => {
    const at = async (base: string) => ({
      http: httpTo(base),
      nacre: await nacreAt({ http: httpTo(base), dialect: "v3" }),
    });
    return sameness(await at(one), await at(other));
  };
}

describe("two servers", () => {
  test("hold the same when they are one, or in one group", async (context) => {
    const same = members(context, {
      a: { id: "1", cluster: "prod" },
      alias: { id: "1", cluster: "prod" },
      voter: { id: "2", cluster: "prod", inGroup: "voter" },
      learner: { id: "3", cluster: "prod", inGroup: "learner" },
      removed: { id: "4", cluster: "prod", inGroup: "none" },
      recovered: { id: "5", cluster: "prod", inGroup: "voter", epoch: 1 },
      other: { id: "6", cluster: "test", inGroup: "voter" },
    });
    assert.equal(await same("http://a", "http://alias"), "are the same server");
    assert.equal(await same("http://voter", "http://learner"), "are members of the same cluster");
    for (const apart of ["a", "removed", "recovered", "other"])
      assert.equal(await same("http://voter", `http://${apart}`), undefined, `${apart} may hold what others lack`);
  });

  test("that are no Nacre hold the same at one address", async (context) => {
    const same = members(context, { nacre: { id: "1", cluster: "prod" } });
    for (const [one, other, isSame] of [
      ["http://localhost:8848/nacos", "http://127.0.0.1:8848/nacos", true],
      ["http://[::1]:8848/nacos", "http://127.0.0.1:8848/nacos", true],
      ["http://127.0.0.1:8848/nacos", "http://127.0.0.2:8848/nacos", false],
      ["http://h/nacos", "http://H:80/nacos", true],
      ["http://h:8848/nacos", "http://h:8848/other", false],
      ["http://h:8848/nacos", "http://h:8849/nacos", false],
      ["http://h:8848/nacos", "http://nacre:8848/nacos", false],
    ] as const)
      assert.equal((await same(one, other)) === "are the same server", isSame, `${one} ${other}`);
  });
});
