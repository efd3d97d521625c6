import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { allHttp } from "../all-http.fixture.ts";
import type { TestHttp } from "../naming/http.fixture.ts";
import { alone, memberState } from "./members.ts";

let http: TestHttp;
beforeEach(() => {
  http = allHttp();
});
afterEach(() => http.close());

const json = async (line: string, body?: string) => (await http.call(line, body)).json;

describe("the only member of a cluster", () => {
  test("shows itself alike in every dialect", async () => {
    const self = (await json("GET /v1/core/cluster/self")).data;
    assert.deepEqual(
      [self.ip, self.port, self.address, self.state, self.failAccessCnt],
      ["10.0.0.1", 8848, "10.0.0.1:8848", "UP", 0],
    );
    assert.deepEqual(self.extendInfo.raftMetaData.metaDataMap.naming_persistent_service_v2, {
      leader: "10.0.0.1:8848",
      raftGroupMember: ["10.0.0.1:8848"],
      term: 1,
    });
    assert.deepEqual((await json("GET /v2/core/cluster/node/self")).data, self);
    assert.deepEqual((await json("GET /v3/admin/core/cluster/node/self")).data, self);
    for (const list of [
      "/v1/core/cluster/nodes",
      "/v2/core/cluster/node/list",
      "/v3/admin/core/cluster/node/list?address=10.0&state=UP",
    ])
      assert.deepEqual((await json(`GET ${list}`)).data, [self], list);
    const { failAccessCnt: _, ...shown } = self;
    assert.deepEqual((await json("GET /v3/console/core/cluster/nodes")).data, [shown]);
  });

  test("is the answer to the simple questions", async () => {
    assert.deepEqual(await json("GET /v1/core/cluster/simple/nodes"), {
      code: 200,
      message: null,
      data: ["10.0.0.1:8848"],
    });
    assert.equal((await json("GET /v1/core/cluster/health")).data, "UP");
    assert.equal((await json("GET /v2/core/cluster/node/self/health")).data, "UP");
    const list = await http.call("GET /serverlist?namespace=dev&nofix=1");
    assert.deepEqual([list.status, list.text], [200, "10.0.0.1:8848\n"]);
  });

  test("is not found where another address or state is looked for", async () => {
    assert.deepEqual((await json("GET /v1/core/cluster/nodes?keyword=10.9")).data, []);
    assert.deepEqual((await json("GET /v2/core/cluster/node/list?state=down")).data, []);
    const wrong = await http.call("GET /v3/admin/core/cluster/node/list?state=HAPPY");
    assert.deepEqual([wrong.status, wrong.json.code], [400, 23000]);
  });

  test("takes what it knows about members and no more", async () => {
    for (const path of ["/v2/core/cluster/node/list", "/v3/admin/core/cluster/node/list"]) {
      assert.equal((await json(`PUT ${path}`, '[{"ip":"10.0.0.1","port":8848}]')).data, true);
      assert.equal((await json(`PUT ${path}`, '[{"ip":"10.0.0.2","port":8848}]')).code, 20004);
      assert.equal((await json(`PUT ${path}`, "[]")).code, 10000);
      assert.equal((await json(`PUT ${path}`, "{")).code, 10000);
      for (const none of [
        "null",
        "1",
        "[]",
        '"10.0.0.1:8848"',
        '{"address":{}}',
        '{"ip":"10.0.0.1"}',
        '{"ip":1,"port":8848}',
      ]) {
        const { code, data } = await json(`PUT ${path}`, `[{"ip":"10.0.0.1","port":8848},${none}]`);
        assert.deepEqual(
          [code, data],
          [20002, "Member 2 of the body must have a text 'address', or an 'ip' and a 'port'."],
        );
      }
    }
  });

  test("says that it is alone when it is told to look up members or to leave", async () => {
    assert.equal((await json("POST /v1/core/cluster/switch/lookup?type=file")).code, 500);
    for (const path of ["/v2/core/cluster/lookup", "/v3/admin/core/cluster/lookup"]) {
      const { status, json } = await http.call(`PUT ${path}?type=file`);
      assert.deepEqual([status, json.code], [400, 23000]);
      assert.match(json.data, /runs alone/);
    }
    for (const line of [
      "POST /v1/core/cluster/server/leave",
      "DELETE /v2/core/cluster/nodes?addresses=10.0.0.1:8848",
    ]) {
      const { status, json } = await http.call(line);
      assert.deepEqual([status, json.code], [200, 405], line);
    }
  });
});

describe("a member that is not up", () => {
  test("is left out of the list that clients go by", async () => {
    const self = { ip: "fe80::1", port: 8848, state: "DOWN", version: "0", refreshedAt: 0, failures: 0 } as const;
    const down = allHttp({}, { members: alone(() => self) });
    try {
      assert.equal((await down.call("GET /serverlist")).text, "");
      const { data } = (await down.call("GET /v1/core/cluster/self")).json;
      assert.deepEqual([data.address, data.state], ["[fe80::1]:8848", "DOWN"]);
    } finally {
      await down.close();
    }
  });

  test("is one that is starting or down, not one that an operator narrowed", () => {
    assert.deepEqual((["STARTING", "DOWN", "UP", "READ_ONLY", "PAUSED"] as const).map(memberState), [
      "STARTING",
      "DOWN",
      "UP",
      "UP",
      "UP",
    ]);
  });
});
