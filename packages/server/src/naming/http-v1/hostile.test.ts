import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { methodsOf } from "../../transport/http/route.ts";
import { TestHttp } from "../http.fixture.ts";

const NAMES = [
  ..."namespaceId serviceName groupName ip port clusterName cluster clusters weight healthy enabled ephemeral".split(
    " ",
  ),
  ..."metadata beat instances consistencyType key pageNo pageSize expr clientIP udpPort healthyOnly entry value".split(
    " ",
  ),
  ..."protectThreshold selector checkPort useInstancePort4Check healthChecker valid logName logLevel instance".split(
    " ",
  ),
];

const VALUES = [
  ..."orders g@@orders @@ # ## 10.1.1.5 8080 -1 99999999999999999999 true false NaN 1e400 __proto__ constructor".split(
    " ",
  ),
  "public##g@@orders",
  "",
  " ",
  "{",
  "[]",
  "null",
  '{"__proto__":{"a":"b"}}',
  '{"type":"NONE"}',
  '{"type":"label","expression":"x"}',
  '{"ip":null,"port":"x"}',
  '[{"ip":"10.1.1.5","port":8080},null]',
  "\\u0000",
  "x".repeat(2000),
];

test("every call of v1 naming is answered or refused, and none fails, whatever the parameters hold", async () => {
  const http = new TestHttp();
  const routes = http.server.routes.filter(({ path }) => path.startsWith("/v1/ns/"));
  const pair = fc.tuple(
    fc.constantFrom(...NAMES),
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...VALUES) },
      { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
    ),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...routes),
      fc.nat(),
      fc.array(pair, { maxLength: 12 }),
      async (route, at, pairs) => {
        const methods = methodsOf(route);
        const query = new URLSearchParams(pairs.map(([name, value]) => [name, value.toWellFormed()]));
        const answer = await http.call(`${methods[at % methods.length]} ${route.path}?${query}`);
        assert.ok(answer.status < 500, `${route.path} answered ${answer.status} ${answer.text}`);
      },
    ),
    { numRuns: 500 },
  );
  assert.deepEqual(http.log.errors, []);
  await http.close();
});
