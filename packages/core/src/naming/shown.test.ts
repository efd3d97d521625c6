import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { instance, NamingBench, service } from "@nacre/testkit/naming-bench";
import { compareServices, findService, servicesAfter, shownDigest, shownInstances } from "./index.ts";

const orders = service();
const a = instance("10.0.0.1:80");
const b = instance("10.0.0.2:80");

function serviceIn(bench: NamingBench) {
  const found = findService(bench.state, orders);
  assert.ok(found !== undefined);
  return found;
}

/** One member owns a client with these instances, and the other has its copy. */
function twoMembers(...instances: readonly ReturnType<typeof instance>[]) {
  const [owner, other] = [new NamingBench(), new NamingBench()];
  owner.connect("c");
  owner.publish("c", orders, ...instances);
  const client = owner.state.clients.get("c");
  assert.ok(client !== undefined);
  const copy = (counter: number, ...published: readonly ReturnType<typeof instance>[]) =>
    other.send({
      type: "copy",
      clientId: "c",
      kind: "connection",
      version: { owner: owner.state.self.memberId, incarnation: owner.state.self.incarnation + 1, counter },
      contents: {
        ip: client.ip,
        port: client.port,
        app: client.app,
        agent: client.agent,
        createdAt: client.createdAt,
        publications: [
          {
            service: orders,
            instances: published.map(({ ip, port, weight, healthy, enabled, clusterName, metadata }) => ({
              ip,
              port,
              weight,
              healthy,
              enabled,
              cluster: clusterName || "DEFAULT",
              metadata,
              instanceId: undefined,
            })),
          },
        ],
      },
    });
  return { owner, other, copy };
}

describe("what a member shows of a service", () => {
  test("has one digest, whatever the order in which it came", () => {
    const [one, two] = [twoMembers(a, b), twoMembers(b, a)];
    one.copy(3, a, b);
    two.copy(3, b, a);
    assert.equal(shownDigest(serviceIn(one.other)), shownDigest(serviceIn(two.other)));
  });

  test("has another digest when content, version or showing differ", () => {
    const digests = new Set<string>();
    const { other, copy } = twoMembers(a, b);
    const look = () => digests.add(shownDigest(serviceIn(other)));
    copy(3, a, b);
    look();
    copy(4, a, b);
    look();
    copy(4, a);
    look();
    copy(4, { ...a, weight: 7 });
    look();
    other.send({ type: "mark", clientIds: ["c"], as: "unconfirmed" });
    look();
    assert.equal(digests.size, 5);
  });

  test("is listed by key, with whose word it is", () => {
    const { other, copy } = twoMembers(a, b);
    copy(3, b, { ...a, metadata: { z: "1", a: "2" } });
    const [first, second] = shownInstances(serviceIn(other));
    assert.deepEqual([first?.key, second?.key], ["10.0.0.1:80:DEFAULT", "10.0.0.2:80:DEFAULT"]);
    assert.deepEqual(
      [first?.metadata, first?.clientId, first?.counter, first?.shown, first?.ephemeral],
      ['{"a":"2","z":"1"}', "c", 3, "asPublished", true],
    );
  });
});

describe("services in order", () => {
  test("go on after any of them, also after one that is gone", () => {
    const bench = new NamingBench();
    bench.connect("c");
    const names = [
      { namespace: "a", group: "g", name: "x" },
      { namespace: "a", group: "g-b", name: "x" },
      { namespace: "a-b", group: "g", name: "y" },
      { namespace: "a-b", group: "g", name: "z" },
    ];
    for (const name of [...names].reverse()) bench.publish("c", name, a);
    const after = (name?: (typeof names)[number]) => [...servicesAfter(bench.state, name)].map((one) => one.name);
    assert.deepEqual(after(), names);
    for (const [at, name] of names.entries()) assert.deepEqual(after(name), names.slice(at + 1));
    assert.deepEqual(after({ namespace: "a", group: "g", name: "xx" }), names.slice(1));
    assert.deepEqual([...names].reverse().sort(compareServices), names);
  });
});
