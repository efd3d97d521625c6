import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { instance, NamingBench, newsOf, pushedTo, service } from "@nacre/testkit/naming-bench";
import { seconds } from "../lib/units.ts";
import { contentsOf } from "./index.ts";
import type { Entry } from "./model.ts";

const orders = service();
const stock = service("stock");
const a = instance("10.0.0.1:80");
const b = instance("10.0.0.2:80");

/** A client that was connected to a member that is lost and is connected here now, where it has published nothing yet. */
function moved(isKnownToBeLost = true): NamingBench {
  const bench = new NamingBench();
  bench.share();
  bench.copy("x", 7, [
    [orders, a, b],
    [stock, a],
  ]);
  if (isKnownToBeLost) bench.mark("unconfirmed", "x");
  bench.connect("reader", "y");
  bench.read("reader", orders);
  return bench;
}

describe("a deregistration over a connection that does not publish the instance", () => {
  test("takes back what the client published for the service over a connection to a member that is lost", () => {
    const bench = moved();
    const effects = bench.withdraw("y", orders, a);
    assert.deepEqual(pushedTo(effects), ["reader"]);
    assert.deepEqual(bench.addresses(orders), []);
    assert.deepEqual(bench.causes(), [
      "10.0.0.1:80:DEFAULT removed: deregistered",
      "10.0.0.2:80:DEFAULT removed: deregistered",
    ]);
  });

  test("tells peers, as the owner of what else is left, which goes when it is published again", () => {
    const bench = moved();
    assert.deepEqual(newsOf(bench.withdraw("y", orders, a)), ["changed x 9"]);
    assert.deepEqual(bench.addresses(stock), ["10.0.0.1:80"]);
    assert.deepEqual(newsOf(bench.publish("y", stock, a)), ["changed y 1"]);
    // Not before every peer had time to hear of the newer one.
    assert.deepEqual(newsOf(bench.forward(seconds(1))), ["removed x expired"]);
    assert.equal(bench.state.clients.has("x"), false);
    assert.deepEqual(bench.addresses(stock), ["10.0.0.1:80"]);
  });

  test("keeps what else is left for the grace", () => {
    const bench = moved();
    bench.withdraw("y", orders, a);
    bench.forward(seconds(14.5));
    assert.deepEqual(bench.addresses(stock), ["10.0.0.1:80"]);
    assert.deepEqual(newsOf(bench.forward(seconds(1))), ["removed x expired"]);
    assert.deepEqual(bench.addresses(stock), []);
  });

  test("tells peers that the client is gone when that was all", () => {
    const bench = moved();
    bench.withdraw("y", orders, a);
    assert.deepEqual(newsOf(bench.withdraw("y", stock, a)), ["removed x asked"]);
    assert.equal(bench.state.clients.has("x"), false);
  });

  test("waits until the member of the copy is known to be lost", () => {
    const bench = moved(false);
    assert.deepEqual(bench.withdraw("y", orders, a), []);
    bench.forward(seconds(3));
    assert.equal(bench.addresses(orders).length, 2);
    assert.deepEqual(newsOf(bench.mark("unconfirmed", "x")), ["changed x 9"]);
    assert.deepEqual(bench.addresses(orders), []);
  });

  test("means nothing for what is lost much later", () => {
    const bench = moved(false);
    bench.withdraw("y", orders, a);
    bench.forward(seconds(16));
    bench.mark("unconfirmed", "x");
    assert.equal(bench.addresses(orders).length, 2);
  });

  test("leaves alone what another client publishes over a connection that stands, here or elsewhere", () => {
    const bench = new NamingBench();
    bench.share();
    bench.copy("there", 7, [[orders, a]], { createdAt: -1000 });
    bench.connect("here", "y");
    bench.publish("here", orders, a);
    assert.deepEqual(bench.withdraw("y", orders, a), []);
    bench.forward(seconds(20));
    assert.deepEqual(bench.addresses(orders), ["10.0.0.1:80"]);
    assert.deepEqual([...bench.state.clients.keys()], ["there", "here", "y"]);
  });

  test("leaves alone what a newer client left behind", () => {
    const bench = new NamingBench();
    bench.connect("y");
    bench.copy("x", 7, [[orders, a]], { createdAt: 60_000 });
    bench.mark("unconfirmed", "x");
    bench.withdraw("y", orders, a);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.1:80"]);
  });

  test("remembers no more than it may of what is not lost yet", () => {
    const bench = moved(false);
    const others = Array.from({ length: 10_000 }, () => ({}) as Entry);
    for (const other of others) bench.state.asked.set(other, { from: "", until: bench.now + seconds(10) });
    bench.withdraw("y", orders, a);
    assert.equal(bench.state.asked.size, 10_000);
    assert.equal(bench.state.asked.has(others[0] as Entry), false, "the oldest is forgotten");
    for (const other of others) bench.state.asked.delete(other);
    bench.mark("unconfirmed", "x");
    assert.deepEqual(bench.addresses(orders), []);
    assert.equal(bench.state.asked.size, 0);
  });
});

describe("what this member owns of a connection that is open nowhere", () => {
  test("is given back to whoever has something newer of it", () => {
    const bench = moved();
    bench.withdraw("y", orders, a);
    assert.deepEqual(newsOf(bench.copy("x", 10, [[orders, b]])), []);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.2:80"]);
    assert.equal(contentsOf(bench.state, "x")?.publications.length, 1);
    bench.forward(seconds(20));
    assert.deepEqual(bench.addresses(orders), ["10.0.0.2:80"]);
  });

  test("goes when its removal is heard of", () => {
    const bench = moved();
    bench.withdraw("y", orders, a);
    bench.forget("x");
    assert.deepEqual(bench.addresses(stock), []);
    assert.equal(bench.state.clients.has("x"), false);
  });
});
