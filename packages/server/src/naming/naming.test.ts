import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeClock } from "@nacre/testkit/fake-clock";
import type { Connections, Push } from "../connections/connections.ts";
import { Naming } from "./naming.ts";

const caller = { ip: "10.0.0.1", app: "", agent: "" };
const orders = { namespace: "public", group: "DEFAULT_GROUP", name: "orders" };
const silent = { debug() {}, info() {}, warn() {} };

describe("a fault in doing what naming has decided", () => {
  test("is logged, keeps nothing else from happening, and is tried again", () => {
    const clock = new FakeClock();
    const pushed: Push[] = [];
    const logged: string[] = [];
    let faulty = true;
    const connections = {
      listen() {},
      push(push: Push) {
        if (faulty && push.to.includes("one")) throw new Error("broken");
        pushed.push(push);
      },
    } as unknown as Connections;
    const log = { ...silent, error: (_details: object, text: string) => void logged.push(text) };
    const naming = new Naming({
      clock,
      log,
      connections,
      options: {},
      pushTimeoutMs: 5000,
      self: { memberId: "m", incarnation: 1 },
    });

    for (const clientId of ["one", "two"]) {
      naming.submit({ type: "connected", clientId, ip: "10.0.0.1", port: 1, caller });
      naming.submit({ type: "subscribe", clientId, service: orders, clusters: "", caller });
      clock.advance(10);
    }
    assert.deepEqual(logged, ["naming failed to do what it had decided"]);
    assert.deepEqual(
      pushed.map(({ to }) => to),
      [["two"]],
    );

    faulty = false;
    clock.advance(2000);
    assert.deepEqual(
      pushed.map(({ to }) => to),
      [["two"], ["one"]],
    );
    naming.stop();
  });
});

test("a record that outlived its instance is dropped by the member that is responsible", () => {
  const clock = new FakeClock();
  const connections = { listen() {} } as unknown as Connections;
  const log = { ...silent, error() {} };
  const self = { memberId: "m", incarnation: 1 };
  const naming = new Naming({ clock, log, connections, options: {}, pushTimeoutMs: 5000, self });
  const proposed: string[] = [];
  let isResponsible = false;
  naming.attach({
    durable: { propose: async ({ type }) => void proposed.push(type), readIndex: async () => 0 },
    responsibility: { isResponsible: () => isResponsible, onChange: () => {} },
  });
  const edit = { how: "patch", enabled: false } as const;
  const instances = ["10.0.0.1:80:DEFAULT"];
  naming.machine.apply({
    index: 1,
    at: 1,
    command: { type: "setOverrides", service: orders, instances, edit, caller },
  });
  clock.advance(3_600_000);
  assert.deepEqual(proposed, []);
  isResponsible = true;
  clock.advance(600_000);
  assert.deepEqual(proposed, ["setOverrides"]);
  naming.stop();
});
