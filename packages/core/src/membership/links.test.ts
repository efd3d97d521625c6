import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seconds } from "../lib/units.ts";
import { Bench } from "./bench.fixture.ts";

const LINKS_MAX = 800;
/** Numbers of links that the bench does not use. */
const STRANGERS = 10_000;

/** This member and as many links as it takes, whose makers say nothing. */
function crowded(): Bench {
  const bench = new Bench("10.0.0.1\n10.0.0.2");
  for (let link = STRANGERS; bench.core.links.size < LINKS_MAX; link++)
    bench.feed({ type: "linkOpened", link, address: undefined });
  return bench;
}

describe("links of strangers", () => {
  test("keep no member out, however many there are: the oldest goes", () => {
    const bench = crowded();
    const b = bench.peer("b", "10.0.0.2");
    bench.probe(b);
    assert.equal(bench.state("b"), "STARTING");
    assert.deepEqual([bench.core.links.has(STRANGERS), bench.core.links.has(STRANGERS + 1)], [false, true]);
    bench.run(seconds(2));
    assert.equal(bench.state("b"), "UP");
    assert.equal(bench.core.links.size, LINKS_MAX);
  });

  test("do not take the place of those of members", () => {
    const bench = new Bench("10.0.0.1\n10.0.0.2");
    bench.peer("b", "10.0.0.2");
    bench.run(seconds(2));
    for (let link = STRANGERS; link < STRANGERS + 2 * LINKS_MAX; link++)
      bench.feed({ type: "linkOpened", link, address: undefined });
    assert.equal(bench.core.links.size, LINKS_MAX);
    bench.run(seconds(5));
    assert.equal(bench.state("b"), "UP");
  });
});
