import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nacre } from "../run.fixture.ts";
import { scripted } from "../run-server.fixture.ts";

const [A, B, C] = ["10.0.0.1:8848", "10.0.0.2:8848", "10.0.0.3:8848"];
const HEARD = new Date(2026, 0, 1, 12, 0, 3).getTime();

const member = (address: string | undefined, state: string, more: object = {}) => ({
  address,
  state,
  failAccessCnt: 0,
  extendInfo: { version: "0.2.0", lastRefreshTime: HEARD },
  ...more,
});

const row = (id: string, address: string | undefined, more: object = {}) => ({
  id,
  address,
  state: "UP",
  cause: "both directions work",
  version: "0.2.0",
  listHash: "x",
  clockOffsetMs: 3,
  rttMs: 0.4,
  heardMs: 120,
  ...more,
});
const sight = (address: string | undefined, state = "UP", out = true, into = true) => ({
  address,
  state,
  out,
  in: into,
});
const MATRIX = {
  by: { id: "a", address: A },
  clusterId: "prod",
  reached: 2,
  expected: 3,
  members: [
    row("a", A),
    row("b", B, { listHash: "y", version: "" }),
    row("c", C, { state: "DOWN", cause: "nobody has heard it for 3 s", clockOffsetMs: undefined, heardMs: 9000 }),
  ],
  rows: [
    { address: A, ageMs: 0, sees: [sight(B), sight(C, "DOWN", false, false)] },
    { address: B, ageMs: 200, sees: [sight(A, "SUSPICIOUS", false, true), sight(C, "DOWN", false, false)] },
    { address: C, ageMs: 9400, sees: [sight(A)] },
  ],
};

describe("nacre cluster", () => {
  test("lists members", async (context) => {
    const down = member(C, "DOWN", { failAccessCnt: 7, extendInfo: { version: "", lastRefreshTime: 0 } });
    const { server } = await scripted(context, { "/node/list": [member(A, "UP"), down] });
    assert.deepEqual(await nacre(["cluster", "list", "--server", server]), {
      code: 0,
      out: `MEMBER         STATE  VERSION  FAILED PROBES  LAST HEARD
10.0.0.1:8848  UP     0.2.0    0              2026-01-01 12:00:03
10.0.0.3:8848  DOWN            7
`,
      err: "",
    });
    const { out } = await nacre(["cluster", "list", "--server", server, "--json"]);
    assert.deepEqual(JSON.parse(out).items[0], {
      address: A,
      state: "UP",
      version: "0.2.0",
      failures: 0,
      heardAt: HEARD,
    });
  });

  test("shows who sees whom", async (context) => {
    const { server } = await scripted(context, { "/matrix": MATRIX });
    assert.equal(
      (await nacre(["cluster", "matrix", "--server", server])).out,
      `MEMBER                 STATE  VERSION  LIST    CLOCK  ROUND TRIP  HEARD        WHY
10.0.0.1:8848 (asked)  UP     0.2.0    list 1
10.0.0.2:8848          UP              list 2  3 ms   0.4 ms      120 ms ago   both directions work
10.0.0.3:8848          DOWN   0.2.0    list 1         0.4 ms      9000 ms ago  nobody has heard it for 3 s

SEES           10.0.0.1:8848  10.0.0.2:8848  10.0.0.3:8848
10.0.0.1:8848  itself         UP <->         DOWN --
10.0.0.2:8848  SUSPICIOUS <-  itself         DOWN --
10.0.0.3:8848  UP <->         unknown        itself         9 s old

<->: both hear each other; ->: only its answers come; <-: only its probes come; --: nothing does
2 of 3 members in reach, cluster prod
`,
    );
  });

  test("shows which connections move", async (context) => {
    const members = [
      { address: A, ready: true, sdk: 60, share: 0.6 },
      { address: B, ready: false, sdk: 40, share: 0.4 },
    ];
    const { server } = await scripted(context, { "/plan": { members, sentence: "Nothing moves." } });
    assert.equal(
      (await nacre(["cluster", "plan", "--server", server])).out,
      `MEMBER         READY  CONNECTIONS  SHARE
10.0.0.1:8848  yes    60           60 %
10.0.0.2:8848  no     40           40 %
Nothing moves.
`,
    );
  });

  test("gives orders to join, to leave, to stop and to forget", async (context) => {
    const about = { id: "c", address: C, clusterId: "prod" };
    const { server, asked } = await scripted(context, { "/join": about, "/leave": true, "/forget": about });
    const done = async (...argv: string[]) => (await nacre([...argv, "--server", server])).out;
    assert.equal(await done("cluster", "join", `${C}`), "It is now a member of cluster prod.\n");
    const stops = "It stops: readiness is off, and clients are moved first.\n";
    assert.equal(await done("cluster", "leave", "--forever"), stops);
    assert.equal(await done("stop"), stops);
    assert.equal(await done("cluster", "forget", "c"), "Forgot 10.0.0.3:8848.\n");
    assert.deepEqual(asked, [
      "POST /v3/admin/core/cluster/join address=10.0.0.3%3A8848",
      "POST /v3/admin/core/cluster/leave forever=true",
      "POST /v3/admin/core/cluster/leave forever=false",
      "POST /v3/admin/core/cluster/forget id=c",
    ]);
  });

  test("takes back an order to join", async (context) => {
    const { server, asked } = await scripted(context, { "/join": { addresses: [B, C] } });
    const { out } = await nacre(["cluster", "join", "--cancel", "--server", server]);
    assert.equal(out, "It no longer tries to join 10.0.0.2:8848 and 10.0.0.3:8848.\n");
    assert.deepEqual(asked, ["DELETE /v3/admin/core/cluster/join"]);
    const named = await nacre(["cluster", "join", B, "--cancel", "--server", server]);
    assert.deepEqual([named.code, named.out], [2, ""]);
    assert.match(named.err, /name no address/);
    const unnamed = await nacre(["cluster", "join", "--server", server]);
    assert.match(unnamed.err, /Name the address of a member/);
  });

  test("has no server join itself", async (context) => {
    const { server, asked } = await scripted(context, {});
    const port = server.split(":")[1];
    for (const own of [server, "localhost", `localhost:${port}`, `[::1]:${port}`]) {
      const { code, err } = await nacre(["cluster", "join", own, "--server", server]);
      assert.equal(code, 2);
      assert.match(err, /is the address of the server that is told to join: give it that of a member/);
    }
    assert.deepEqual(asked, []);
  });

  test("says why an order is refused, in the words of the server", async (context) => {
    const refused = {
      "/leave": "this order is taken from the member's own machine only",
      "/forget": "c is UP: stop it first",
    };
    const { server } = await scripted(context, refused, { "/leave": 403, "/forget": 400 });
    assert.deepEqual(await nacre(["stop", "--server", server]), {
      code: 1,
      out: "",
      err: `http://${server}/nacos: this order is taken from the member's own machine only.\n`,
    });
    assert.match((await nacre(["cluster", "forget", "c", "--server", server])).err, /\(400 c is UP: stop it first\)/);
    const bound = await scripted(context, { "/leave": "without this member too few are left" }, { "/leave": 503 });
    const { err } = await nacre(["cluster", "leave", "--forever", "--server", bound.server]);
    assert.match(err, /refused the order to leave \(503 without this member too few are left\)\.\n$/);
  });
});

describe("an instance that its member does not vouch for", () => {
  const instance = (ip: string, more: object = {}) => ({
    ip,
    port: 80,
    clusterName: "DEFAULT",
    weight: 1,
    healthy: true,
    enabled: true,
    ephemeral: true,
    metadata: {},
    ...more,
  });
  const answers = {
    "/ns/service": { clusterMap: { DEFAULT: {} } },
    "/instance/list": [instance("10.1.0.1"), instance("10.1.0.2", { shown: "unconfirmed", owner: B })],
    "/journal": { totalCount: 1, pageItems: [{ at: HEARD, sentence: "It was registered." }] },
  };

  test("is marked in the list of instances", async (context) => {
    const { server } = await scripted(context, answers);
    assert.equal(
      (await nacre(["service", "instances", "orders", "--server", server])).out,
      `ADDRESS      CLUSTER  WEIGHT  HEALTHY            ENABLED  EPHEMERAL  METADATA
10.1.0.1:80  DEFAULT  1       true               true     true
10.1.0.2:80  DEFAULT  1       true, unconfirmed  true     true
`,
    );
  });

  test("is told of below the journal", async (context) => {
    const { server } = await scripted(context, answers);
    const why = async (...more: string[]) =>
      (await nacre(["service", "why", "orders", "--server", server, ...more])).out;
    assert.equal(
      await why(),
      `TIME                 WHAT HAPPENED
2026-01-01 12:00:03  It was registered.
Now: 10.1.0.2:80 is shown as unconfirmed: its member 10.0.0.2:8848 does not vouch for it.
`,
    );
    assert.ok(!(await why("--ip", "10.1.0.1")).includes("Now:"));
  });
});
