import assert from "node:assert/strict";
import { test } from "node:test";
import type { Connection } from "@nacre/core/connections";
import { FakeClock } from "@nacre/testkit/fake-clock";
import type { ConnectionListener, Connections, Push } from "../connections/connections.ts";
import { Naming } from "./naming.ts";

const silent = () => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };

test("naming that stops does not show shrinking lists while the connections go one after the other", () => {
  let listener: ConnectionListener | undefined;
  const pushes: Push[] = [];
  const connections = {
    listen: (heard: ConnectionListener) => {
      listener = heard;
    },
    push: (push: Push) => pushes.push(push),
  } as unknown as Connections;
  const clock = new FakeClock();
  const naming = new Naming({
    clock,
    log,
    connections,
    options: {},
    pushTimeoutMs: 5000,
    self: { memberId: "m", incarnation: 1 },
  });
  const service = { namespace: "public", group: "DEFAULT_GROUP", name: "cart" };
  const caller = { ip: "10.0.0.1", app: "", agent: "" };
  const rest = { weight: 1, healthy: true, enabled: true, clusterName: "", metadata: {}, instanceId: "" };
  for (const clientId of ["provider", "consumer"])
    naming.submit({ type: "connected", clientId, ip: "10.0.0.1", port: 1, caller });
  naming.submit({
    type: "publish",
    clientId: "provider",
    service,
    instances: [{ ip: "10.0.0.1", port: 80, ...rest }],
    caller,
  });
  naming.submit({ type: "subscribe", clientId: "consumer", service, clusters: "", caller });
  assert.equal(pushes.length, 1);

  naming.stop();
  listener?.unregistered?.({ id: "provider" } as Connection, "the server stops");
  assert.equal(naming.view(service, { clusters: "", healthyOnly: false, consumerIp: undefined }).count, 1);
  assert.equal(pushes.length, 1);
});
