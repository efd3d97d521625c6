import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { instance, NamingBench, service } from "@nacre/testkit/naming-bench";

describe("lives of members", () => {
  test("are remembered in a bounded number, however often members start again, and clients keep theirs", () => {
    const bench = new NamingBench();
    bench.share();
    const orders = service();
    bench.copy("first", 1, [[orders, instance("10.0.0.1:80")]]);
    for (let incarnation = 2; incarnation < 3_000; incarnation++)
      bench.copy("other", incarnation, [[orders, instance("10.0.0.2:80")]], { incarnation });
    assert.ok(bench.state.lives.size <= 1_000, `${bench.state.lives.size}`);
    assert.equal(bench.state.clients.get("first")?.life.incarnation, 1);
    assert.equal(bench.state.clients.get("other")?.life.incarnation, 2_999);
  });
});
