import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seconds } from "../lib/units.ts";
import { Bench } from "./bench.fixture.ts";
import { listedOthers } from "./missing.ts";

const TWO = "10.0.0.1\n10.0.0.2";

/** What is known of 10.0.0.2, the only other one of the list. */
function other(bench: Bench) {
  const others = listedOthers(bench.core, bench.now);
  assert.equal(others.length, 1, "this member is not among them");
  return others[0]?.absence;
}

describe("an address of the list", () => {
  test("is out of reach when nobody was found there for 4 s, and not before", () => {
    const bench = new Bench(TWO);
    const since = bench.now;
    bench.peer("b", "10.0.0.2").door = "refuses";
    for (const peer of bench.peers) peer.probes = false;
    bench.run(seconds(3.9));
    assert.equal(other(bench), undefined, "who is started together is not there at once");
    bench.run(seconds(0.1));
    assert.deepEqual(other(bench), { type: "unreachable", since });
  });

  test("may be somebody's while it has not answered the first call", () => {
    const bench = new Bench(TWO);
    bench.peer("b", "10.0.0.2").door = "silent";
    for (const peer of bench.peers) peer.probes = false;
    bench.run(seconds(0.5));
    assert.equal(other(bench), undefined);
  });

  test("is in reach as soon as a link stands, although who is there was not found yet", () => {
    const bench = new Bench(TWO, { clusterId: "a-new", settled: false });
    const b = bench.peer("b", "10.0.0.2", { clusterId: "b-new", settled: false });
    bench.kill(b);
    bench.run(seconds(5));
    assert.equal(other(bench)?.type, "unreachable");
    b.door = "open";
    bench.run(seconds(1));
    assert.equal(other(bench), undefined);
  });

  test("is out of reach from when its member went down", () => {
    const bench = new Bench(TWO);
    const b = bench.peer("b", "10.0.0.2");
    bench.run(seconds(8));
    assert.deepEqual([other(bench), listedOthers(bench.core, bench.now)[0]?.id], [undefined, "b"]);
    bench.kill(b);
    bench.run(seconds(4));
    assert.deepEqual(other(bench), { type: "unreachable", since: bench.core.members.get("b")?.since });
    assert.equal(bench.state("b"), "DOWN");
  });

  test("is refused as long as whoever answers there is no member, and out of reach when it has gone", () => {
    const bench = new Bench(TWO);
    const b = bench.peer("b", "10.0.0.2", { fingerprint: "another" });
    bench.run(seconds(1));
    const absence = other(bench);
    assert.equal(absence?.type, "refused");
    assert.match(absence?.type === "refused" ? absence.sentence : "", /set the same token on all members/);
    bench.kill(b);
    bench.run(seconds(5));
    assert.equal(other(bench)?.type, "unreachable");
    b.card = { ...b.card, fingerprint: "f", incarnation: 2 };
    bench.heal(b);
    bench.run(seconds(5));
    assert.equal(other(bench), undefined);
  });

  test("is not refused on the word of somebody who only says that it has it", () => {
    const bench = new Bench(TWO);
    bench.peer("b", "10.0.0.2");
    const liar = bench.peer("x", "10.0.0.2", { fingerprint: "another" });
    liar.address = "10.0.0.66:8848";
    bench.run(seconds(2));
    assert.ok(bench.core.refused.has("x"));
    assert.equal(other(bench), undefined);
  });
});
