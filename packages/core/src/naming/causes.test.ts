import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CALLER, instance, NamingBench, service } from "@nacre/testkit/naming-bench";
import { seconds } from "../lib/units.ts";
import { type Cause, CauseJournal, type CauseRecord, causeSentence, memberIn } from "./causes.ts";
import { type CauseQuery, causesOf } from "./listing.ts";
import { rowsOf } from "./rows.ts";

const orders = service();
const a = instance("10.0.0.1:80");
const b = instance("10.0.0.2:80");
const register = { type: "registerPersistent", service: orders, instance: a, caller: CALLER } as const;

function health(healthy: boolean, cause: Cause) {
  const change = { service: orders, instance: "10.0.0.1:80:DEFAULT", healthy, cause, detail: "connection refused" };
  return { type: "setHealth", changes: [change] } as const;
}

function override(enabled: boolean | undefined) {
  const edit = { how: "replace", override: { weight: undefined, enabled, metadata: {} } } as const;
  return { type: "setOverrides", service: orders, instances: ["10.0.0.1:80:DEFAULT"], edit, caller: CALLER } as const;
}

/** What has to happen for a cause to be written, and the records that then are. */
const CAUSES: Record<Exclude<Cause, "serviceDeleted">, [(bench: NamingBench) => void, string[]]> = {
  deregistered: [
    (bench) => {
      bench.publish("one", orders, a);
      bench.withdraw("one", orders);
    },
    ["removed: deregistered"],
  ],
  replaced: [
    (bench) => {
      bench.publish("one", orders, a);
      bench.publish("one", orders, b);
    },
    ["removed: replaced"],
  ],
  superseded: [
    (bench) => {
      bench.publishAddress(orders, a);
      bench.publish("one", orders, a);
      bench.withdraw("one", orders);
    },
    ["removed: superseded", "removed: deregistered"],
  ],
  connectionClosed: [
    (bench) => {
      bench.publish("one", orders, a);
      bench.disconnect("one");
    },
    ["removed: connectionClosed"],
  ],
  heartbeatExpired: [
    (bench) => {
      bench.publishAddress(orders, a);
      bench.forward(seconds(31));
    },
    ["unhealthy: heartbeatExpired", "removed: heartbeatExpired"],
  ],
  heartbeatBack: [
    (bench) => {
      bench.publishAddress(orders, { ...a, healthy: false });
      bench.beat(orders, a);
    },
    ["healthy: heartbeatBack"],
  ],
  healthCheck: [
    (bench) => {
      bench.apply(register);
      bench.apply(health(false, "healthCheck"));
      bench.apply(health(false, "healthCheck"));
      bench.apply(health(true, "healthCheck"));
    },
    ["unhealthy: healthCheck", "healthy: healthCheck"],
  ],
  operator: [
    (bench) => {
      bench.apply(register);
      bench.apply(health(false, "operator"));
      bench.apply(override(false));
      bench.apply(override(undefined));
      bench.apply(override(true));
    },
    ["unhealthy: operator", "disabled: operator", "enabled: operator"],
  ],
  toldByMember: [
    (bench) => {
      bench.copy("x", 1, [[orders, a]]);
      bench.copy("x", 2, [[orders, { ...a, healthy: false }]]);
      bench.forget("x");
    },
    ["unhealthy: toldByMember", "removed: toldByMember"],
  ],
  memberLost: [
    (bench) => {
      bench.copy("x", 1, [[orders, a]]);
      bench.mark("unhealthy", "x");
      bench.forget("x", "lost");
    },
    ["unhealthy: memberLost", "removed: memberLost"],
  ],
  memberBack: [
    (bench) => {
      bench.copy("x", 1, [[orders, a]]);
      bench.mark("unhealthy", "x");
      bench.mark("trusted", "x");
    },
    ["unhealthy: memberLost", "healthy: memberBack"],
  ],
  caughtUp: [
    (bench) => {
      const registered = rowsOf(bench.apply(register)).flatMap(({ kind, key, value = "" }) => ({ kind, key, value }));
      bench.apply(health(false, "healthCheck"));
      bench.replace(registered);
      bench.replace([]);
    },
    ["unhealthy: healthCheck", "healthy: caughtUp", "removed: caughtUp"],
  ],
};

describe("the journal of causes (N9)", () => {
  for (const [cause, [happen, expected]] of Object.entries(CAUSES))
    test(`knows "${cause}"`, () => {
      const bench = new NamingBench();
      bench.connect("one");
      happen(bench);
      assert.deepEqual(
        bench.causes(),
        expected.map((text) => `10.0.0.1:80:DEFAULT ${text}`),
      );
    });

  test("says nothing of a copy that nobody saw", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publishAddress(orders, a);
    bench.publish("one", orders, a);
    bench.forward(seconds(31));
    assert.deepEqual(bench.causes(), []);
  });

  test("is as long as its bound, and loses its oldest records", () => {
    const journal = new CauseJournal(3);
    for (let at = 1; at <= 5; at++) journal.add({ ...RECORD, at });
    assert.deepEqual(
      journal.find(() => true, 10).map(({ at }) => at),
      [5, 4, 3],
    );
    assert.deepEqual(
      journal.find(({ at }) => at !== 4, 10).map(({ at }) => at),
      [5, 3],
    );
    assert.deepEqual(
      journal.find(() => true, 1).map(({ at }) => at),
      [5],
    );
    assert.equal(journal.size, 3);
  });

  test("may be switched off", () => {
    const journal = new CauseJournal(0);
    journal.add(RECORD);
    assert.deepEqual(
      journal.find(() => true, 10),
      [],
    );
  });

  test("is asked by namespace, group, name and address", () => {
    const bench = new NamingBench();
    bench.connect("one");
    for (const name of [
      orders,
      service("stock"),
      service("orders", "OTHER"),
      service("orders", "DEFAULT_GROUP", "dev"),
    ]) {
      bench.publish("one", name, a, b, instance("10.0.0.1:8080"));
      bench.withdraw("one", name);
    }
    const all: CauseQuery = { namespace: "public", group: undefined, name: undefined, ip: undefined, port: undefined };
    const count = (query: Partial<CauseQuery>) => causesOf(bench.state, { ...all, ...query }, 100).length;
    assert.equal(count({}), 9);
    assert.equal(count({ namespace: "dev" }), 3);
    assert.equal(count({ group: "OTHER" }), 3);
    assert.equal(count({ name: "orders" }), 6);
    assert.equal(count({ ip: "10.0.0.1" }), 6);
    assert.equal(count({ ip: "10.0.0.1", port: 80 }), 3, "not port 8080");
    assert.equal(count({ ip: "10.0.0" }), 0);
  });
});

const RECORD: CauseRecord = {
  at: 1,
  what: "removed",
  service: "public@@DEFAULT_GROUP@@orders",
  instance: "10.0.0.1:80:DEFAULT",
  clientId: "10.0.0.1:80#true",
  from: "",
  cause: "heartbeatExpired",
  detail: "no heartbeat for 30.0 s",
};

describe("a cause as a sentence", () => {
  test("says what happened to which instance, why, and who asked", () => {
    assert.equal(
      causeSentence(RECORD),
      "10.0.0.1:80:DEFAULT of public@@DEFAULT_GROUP@@orders was removed because its heartbeats stopped (no heartbeat for 30.0 s); client 10.0.0.1:80#true.",
    );
    assert.equal(
      causeSentence({ ...RECORD, what: "disabled", cause: "operator", from: "10.9.0.1", detail: "" }),
      "10.0.0.1:80:DEFAULT of public@@DEFAULT_GROUP@@orders was taken offline because an operator asked for it; client 10.0.0.1:80#true, asked from 10.9.0.1.",
    );
  });

  test("puts an address of IP version 6 in brackets", () => {
    for (const [instance, shown] of [
      ["::1:8080:DEFAULT", "[::1]:8080:DEFAULT"],
      ["fd00::a:80:west", "[fd00::a]:80:west"],
    ] as const)
      assert.ok(causeSentence({ ...RECORD, instance }).startsWith(`${shown} of public@@`), instance);
  });

  test("names another member as people know it", () => {
    const told = { ...RECORD, cause: "toldByMember", detail: "member b" } as const;
    assert.equal(memberIn(told), "b");
    assert.match(
      causeSentence(told, (id) => `10.0.0.2:8848 for ${id}`),
      /said so \(10\.0\.0\.2:8848 for b\); client/,
    );
    assert.equal(memberIn({ ...told, detail: "this member, before it started again" }), undefined);
  });
});
