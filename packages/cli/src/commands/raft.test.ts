import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nacre } from "../run.fixture.ts";
import { scripted } from "../run-server.fixture.ts";

const [A, B, C] = ["10.0.0.1:8848", "10.0.0.2:8848", "10.0.0.3:8848"];

const status = (more: object = {}) => ({
  role: "follower",
  term: 4,
  lastIndex: 120,
  commitIndex: 119,
  appliedIndex: 118,
  snapshotIndex: 100,
  snapshotAgeMs: 150_000,
  logBytes: 1_500_000,
  syncMs: 3.4,
  trust: "whole",
  ...more,
});
const member = (id: string, address: string | undefined, more: object = {}) => ({
  id,
  address,
  inGroup: "voter",
  status: status(),
  ...more,
});
const GROUP = {
  by: { id: "a", address: A },
  clusterId: "prod",
  epoch: 1,
  term: 4,
  leader: { id: "a", address: A },
  voters: 3,
  following: 2,
  members: [
    member("a", A, { status: status({ role: "leader" }) }),
    member("b", B, {
      status: status({ trust: "logLost", refusing: "the disk of the data folder is full" }),
      seen: { lag: 7, sent: 1024, total: 10_240 },
    }),
    member("c", C, { status: undefined, error: "there is no connection to it" }),
  ],
  state: {
    index: 100,
    isEqual: false,
    hashes: [
      { address: A, hash: 7 },
      { address: B, hash: 8 },
    ],
  },
};

describe("nacre raft", () => {
  test("shows the group, one line for each member and one for each thing that is wrong", async (context) => {
    const { server, asked } = await scripted(context, { "/raft/status": GROUP });
    assert.equal(
      (await nacre(["raft", "status", "--server", server])).out,
      `MEMBER                 ROLE               TERM  LOG  COMMITTED  APPLIED  LACKS  SNAPSHOT        LOG SIZE  SYNC
10.0.0.1:8848 (asked)  leader             4     120  119        118             100, 3 min old  1.4 MiB   3 ms
10.0.0.2:8848          follower           4     120  119        118      7      100, 3 min old  1.4 MiB   3 ms
10.0.0.3:8848          voter (not asked)

10.0.0.1:8848 leads, 2 of 3 voters are there and 2 are needed; cluster prod, epoch 1, term 4
the same entries led to different states at entry 100: 10.0.0.1:8848 7, 10.0.0.2:8848 8
10.0.0.2:8848: the disk of the data folder is full
10.0.0.2:8848: it has lost entries that it had acknowledged, and is brought up to date
10.0.0.2:8848: it is sent a snapshot: 1.0 KiB of 10 KiB are there
10.0.0.3:8848: there is no connection to it
`,
    );
    const json = JSON.parse((await nacre(["raft", "status", "--server", server, "--json"])).out);
    assert.equal(json.members.length, 3);
    assert.deepEqual(asked, ["GET /v3/admin/core/raft/status", "GET /v3/admin/core/raft/status"]);
  });

  test("gives orders, and says what was done", async (context) => {
    const changed = {
      member: { address: C },
      voters: [{ address: A }, { address: B }],
      learners: [],
      note: "so it is",
    };
    const { server, asked } = await scripted(context, {
      "/raft/transfer": { from: { address: A }, to: { address: B } },
      "/raft/snapshot": [
        { address: A, index: 9, term: 1, bytes: 2048, tookMs: 5 },
        { address: B, error: "the disk is full" },
      ],
      "/raft/add": changed,
      "/raft/remove": changed,
    });
    const run = (...argv: string[]) => nacre(["raft", ...argv, "--server", server]);
    assert.equal((await run("transfer")).out, `${A} handed the leadership over to ${B}.\n`);
    assert.deepEqual(await run("snapshot", "b"), {
      code: 1,
      out: `MEMBER         UP TO ENTRY  SIZE     TOOK  FAILED
10.0.0.1:8848  9            2.0 KiB  5 ms
10.0.0.2:8848                              the disk is full
`,
      err: "",
    });
    assert.equal((await run("add", "c")).out, `${C} is in the group; so it is.\nVoters: ${A}, ${B}. Learners: none.\n`);
    assert.match((await run("remove", "c")).out, /is out of the group/);
    assert.deepEqual(asked, [
      "POST /v3/admin/core/raft/transfer",
      "POST /v3/admin/core/raft/snapshot member=b",
      "POST /v3/admin/core/raft/add member=c",
      "POST /v3/admin/core/raft/remove member=c",
    ]);
  });

  test("says that nobody is in a group when that is so", async (context) => {
    const nobody = { ...GROUP, leader: undefined, voters: 0, following: 0, state: null };
    const { server } = await scripted(context, { "/raft/status": nobody });
    const { out } = await nacre(["raft", "status", "--server", server]);
    assert.match(out, /^no member that answered is in a group yet; cluster prod, epoch 1/m);
  });

  test("says why an order is refused, in the words of the server", async (context) => {
    const { server } = await scripted(context, { "/raft/remove": "b leads the group" }, { "/raft/remove": 400 });
    const { code, err } = await nacre(["raft", "remove", "b", "--server", server]);
    assert.equal(code, 1);
    assert.match(err, /refused the order to remove b \(400 b leads the group\)/);
  });
});
