import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seconds } from "../lib/units.ts";
import { Bench } from "./bench.fixture.ts";
import { isolation, reach } from "./facts.ts";

describe("the majority that a member looks for", () => {
  test("is one of those that are left, when a member comes back with an empty data folder again and again", () => {
    const bench = new Bench("10.0.0.1\n10.0.0.2\n10.0.0.3");
    bench.peer("c", "10.0.0.3");
    let last = bench.peer("b", "10.0.0.2");
    bench.run(seconds(8));
    for (let start = 1; start <= 4; start++) {
      bench.kill(last);
      last.address = "";
      bench.run(seconds(5));
      last = bench.peer(`b${start}`, "10.0.0.2");
      bench.run(seconds(10));
    }
    assert.deepEqual(
      ["b", "b1", "b2", "b3", "b4", "c"].map((id) => bench.state(id)),
      ["DOWN", "DOWN", "DOWN", "DOWN", "UP", "UP"],
    );
    const { reached, expected } = reach(bench.core, bench.now);
    assert.deepEqual([reached, expected], [3, 3]);
    bench.run(seconds(15));
    assert.equal(isolation(bench.core, bench.now), undefined);
  });

  test("counts a member that is down and whose place nobody took", () => {
    const bench = new Bench("10.0.0.1\n10.0.0.2\n10.0.0.3");
    bench.peer("c", "10.0.0.3");
    const b = bench.peer("b", "10.0.0.2");
    bench.run(seconds(8));
    bench.kill(b);
    bench.run(seconds(8));
    const { reached, expected } = reach(bench.core, bench.now);
    assert.deepEqual([reached, expected], [2, 3]);
  });
});
