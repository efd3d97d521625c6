import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Connection } from "@nacre/core/connections";
import { FakeClock } from "@nacre/testkit/fake-clock";
import type { ConnectionListener, Connections, Push } from "../connections/connections.ts";
import { Naming } from "./naming.ts";

const silent = () => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };
const service = { namespace: "public", group: "DEFAULT_GROUP", name: "cart" };
const caller = { ip: "10.0.0.1", app: "", agent: "" };

/** A provider that publishes one instance, and a consumer that was pushed it. */
function published() {
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
  for (const clientId of ["provider", "consumer"])
    naming.submit({ type: "connected", clientId, ip: "10.0.0.1", port: 1, caller });
  publish(naming, "provider");
  naming.submit({ type: "subscribe", clientId: "consumer", service, clusters: "", caller });
  assert.equal(pushes.length, 1);
  const view = () => naming.view(service, { clusters: "", healthyOnly: false, consumerIp: undefined });
  const shown = (): number => view().count;
  const end = (phase: Connection["phase"], cause: string, clientVersion = "Nacos-Java-Client:v3.1.0"): void =>
    listener?.unregistered?.({ id: "provider", phase, clientVersion } as Connection, cause);
  const weights = (): number[] => JSON.parse(view().hosts).map(({ weight }: { weight: number }) => weight);
  return { clock, naming, pushes, shown, weights, end };
}

function publish(naming: Naming, clientId: string, weight = 1): void {
  const rest = { weight, healthy: true, enabled: true, clusterName: "", metadata: {}, instanceId: "" };
  const instances = [{ ip: "10.0.0.1", port: 80, ...rest }];
  naming.submit({ type: "publish", clientId, service, instances, caller });
}

test("naming that stops does not show shrinking lists while the connections go one after the other", () => {
  const { naming, pushes, shown, end } = published();
  naming.stop();
  end("live", "the server stops");
  assert.equal(shown(), 1);
  assert.equal(pushes.length, 1);
});

test("naming that has stopped says of no change that it is done, which nobody else would be told of", () => {
  const { naming, shown } = published();
  naming.stop();
  const refused = { failure: "unavailable", message: /this member stops, and would tell nobody of it/ };
  const [ip, port] = ["10.0.0.1", 80];
  assert.throws(() => publish(naming, "provider", 2), refused);
  assert.throws(() => naming.submit({ type: "withdraw", clientId: "provider", service, caller }), refused);
  assert.throws(() => naming.submit({ type: "withdrawAddress", service, ip, port, caller }), refused);
  assert.throws(() => naming.submit({ type: "beat", service, ip, port, instance: undefined, caller }), refused);
  assert.equal(shown(), 1);
});

describe("a connection that was told to go elsewhere", () => {
  test("leaves what it published in the lists until its client says it there", () => {
    const { clock, naming, pushes, shown, end } = published();
    end("leaving", "it was told to leave");
    clock.advance(14_000);
    assert.equal(shown(), 1, "clients take up to 10 s to connect, and say it in rounds of 3 s");
    naming.submit({ type: "connected", clientId: "provider again", ip: "10.0.0.1", port: 2, caller });
    publish(naming, "provider again");
    clock.advance(60_000);
    assert.equal(shown(), 1);
    assert.equal(pushes.length, 1, "and nobody is pushed anything");
  });

  test("takes it away when nobody does: its client may have died meanwhile", () => {
    const { clock, shown, end } = published();
    end("leaving", "it was told to leave");
    clock.advance(14_999);
    assert.equal(shown(), 1);
    clock.advance(1);
    assert.equal(shown(), 0);
  });

  test("leaves it there for as long as a round of the Python SDK takes when it was one of these", () => {
    const { clock, shown, end } = published();
    end("leaving", "it was told to leave", "Nacos-Python-Client:v3.2.0");
    clock.advance(31_000);
    assert.equal(shown(), 1);
    clock.advance(3_000);
    assert.equal(shown(), 0);
  });

  test("shows what its client says elsewhere as soon as it does", () => {
    const { clock, naming, weights, end } = published();
    end("leaving", "it was told to leave");
    clock.advance(1);
    naming.submit({ type: "connected", clientId: "provider again", ip: "10.0.0.1", port: 2, caller });
    publish(naming, "provider again", 5);
    assert.deepEqual(weights(), [5]);
  });

  test("is no reason to keep anything when it ended by itself", () => {
    const { shown, end } = published();
    end("live", "the connection was reset");
    assert.equal(shown(), 0);
  });
});
