import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TestMembers, until } from "../members.fixture.ts";

const CONFIG = "/v3/admin/cs/config";

function publish(members: TestMembers, at: number, dataId: string, content: string) {
  return members.ask(at, `POST ${CONFIG}?${new URLSearchParams({ dataId, groupName: "g", content })}`);
}

async function content(members: TestMembers, at: number, dataId: string): Promise<string | undefined> {
  const { data } = await members.ask(at, `GET ${CONFIG}?dataId=${dataId}&groupName=g`);
  return data?.content;
}

describe("three new members", () => {
  test("form a group, and what is written at any of them is read at all", async (t) => {
    const members = await TestMembers.start(3);
    t.after(() => members.stop());
    for (const at of [0, 1, 2]) {
      const { status, data } = await publish(members, at, `d${at}`, `by ${at}`);
      assert.equal(status, 200, JSON.stringify(data));
    }
    await until(async () => {
      for (const at of [0, 1, 2])
        for (const by of [0, 1, 2]) if ((await content(members, at, `d${by}`)) !== `by ${by}`) return false;
      return true;
    });
  });
});
