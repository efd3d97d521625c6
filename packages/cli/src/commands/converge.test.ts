import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nacre } from "../run.fixture.ts";
import { scripted } from "../run-server.fixture.ts";

const [A, B] = ["10.0.0.1:8848", "10.0.0.2:8848"];
const SINCE = new Date(2026, 0, 1, 12, 0, 3).getTime();
const member = (address: string | undefined, more: object = {}) => ({
  address,
  answered: true,
  services: 2,
  clients: 5,
  ...more,
});
const EQUAL = {
  by: { address: A },
  equal: true,
  incomplete: "",
  tookMs: 12,
  settled: 0,
  members: [member(A), member(B)],
  differences: [],
  clients: [],
};
const instance = {
  namespaceId: "public",
  groupName: "DEFAULT_GROUP",
  serviceName: "orders",
  ip: "10.1.0.1",
  port: 80,
  clusterName: "DEFAULT",
  since: SINCE,
};
const values = (a: string, b: string) => [
  { member: A, value: a },
  { member: B, value: b },
];

describe("nacre converge", () => {
  test("ends with 0 when all members are equal", async (context) => {
    const { server } = await scripted(context, { "/converge": { ...EQUAL, settled: 1 } });
    assert.deepEqual(await nacre(["converge", "--server", server]), {
      code: 0,
      out: `MEMBER                 SERVICES  CLIENTS
10.0.0.1:8848 (asked)  2         5
10.0.0.2:8848          2         5

All members are equal. 1 services changed while they were compared, and are equal now. It took 12 ms.
`,
      err: "",
    });
  });

  test("lists what differs, and ends with 1", async (context) => {
    const why = "10.0.0.1:8848 published change 5 of life 4; 10.0.0.2:8848 holds change 3 of life 4";
    const differing = {
      ...EQUAL,
      equal: false,
      incomplete: "1000 differences or more",
      members: [member(A), member(B), { address: "10.0.0.3:8848", answered: false, error: "no answer within 2 s" }],
      differences: [
        { ...instance, field: "presence", values: values("there", "not there"), why },
        {
          ...instance,
          namespaceId: "dev",
          clusterName: "west",
          field: "weight",
          values: values("1", "5"),
          why,
          since: null,
        },
      ],
      clients: [{ clientId: "x", owner: A, values: values("change 5 of life 4", "not known"), since: SINCE, why }],
    };
    const { server } = await scripted(context, { "/converge": differing });
    const { code, out } = await nacre(["converge", "--server", server]);
    assert.equal(code, 1);
    assert.equal(
      out,
      `MEMBER                 SERVICES  CLIENTS
10.0.0.1:8848 (asked)  2         5
10.0.0.2:8848          2         5
10.0.0.3:8848                             no answer: no answer within 2 s

10.1.0.1:80 of DEFAULT_GROUP@@orders: presence
  10.0.0.1:8848  there
  10.0.0.2:8848  not there
  since 2026-01-01 12:00:03: ${why}

10.1.0.1:80 of DEFAULT_GROUP@@orders, cluster west, namespace dev: weight
  10.0.0.1:8848  1
  10.0.0.2:8848  5
  ${why}

client x of 10.0.0.1:8848
  10.0.0.1:8848  change 5 of life 4
  10.0.0.2:8848  not known
  since 2026-01-01 12:00:03: ${why}

3 differences. 1 of 3 members could not be compared. Not all was compared: 1000 differences or more. It took 12 ms.
`,
    );
    const json = await nacre(["converge", "--server", server, "--json"]);
    assert.deepEqual([json.code, JSON.parse(json.out)], [1, differing]);
  });

  test("ends with 1 when nobody could be asked, or answers something else", async (context) => {
    assert.equal((await nacre(["converge", "--server", "127.0.0.1:1"])).code, 1);
    const { server } = await scripted(context, { "/converge": "ok" });
    assert.match((await nacre(["converge", "--server", server])).err, /with something else/);
  });
});
