import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, test } from "node:test";
import { DEFAULT_CLUSTER_CHECK, newHealth, type Target } from "@nacre/core/health";
import { FakeClock } from "@nacre/testkit/fake-clock";
import type { Clock } from "../../clock.ts";
import { ALWAYS_RESPONSIBLE } from "../../responsibility.ts";
import { newChecks, type SetHealth, startHealthChecks } from "./runner.ts";

const TARGET: Target = {
  service: "public@@DEFAULT_GROUP@@orders",
  clientId: "127.0.0.1:80#false",
  ip: "127.0.0.1",
  port: 80,
  cluster: "DEFAULT",
  check: DEFAULT_CLUSTER_CHECK,
  skipped: false,
};

/** A clock that jumps to whatever is scheduled as soon as the loop is idle. */
function jumpingClock(): Clock {
  let now = 0;
  return {
    now: () => now,
    wall: () => now,
    schedule(delayMs, run) {
      const at = now + delayMs;
      const immediate = setImmediate(() => {
        now = Math.max(now, at);
        run();
      });
      return { cancel: () => clearImmediate(immediate) };
    },
  };
}

describe("the health shell", () => {
  test("checks while this member is responsible and while the switches say so", async (t) => {
    const clock = new FakeClock();
    let isResponsible = false;
    let changed = (_: boolean): void => {};
    let asked = 0;
    const check = async () => {
      asked++;
      return { outcome: "ok", rtMs: 1, reason: "" } as const;
    };
    const health = newHealth();
    const shell = startHealthChecks({
      clock,
      health,
      checks: { TCP: check, HTTP: check, MYSQL: check },
      setHealth: async () => {},
      responsibility: {
        isResponsible: () => isResponsible,
        onChange(listener) {
          changed = listener;
        },
      },
    });
    t.after(() => shell.close());
    const { params } = newHealth();
    const becomes = (responsible: boolean): void => {
      isResponsible = responsible;
      changed(responsible);
    };
    /** Whether anything was asked since the last time. */
    const asks = async (): Promise<boolean> => {
      clock.advance(10_000);
      await new Promise((resolve) => setImmediate(resolve));
      const before = asked;
      asked = 0;
      return before > 0;
    };
    shell.send({ type: "track", target: TARGET, healthy: true, random: 0 });
    assert.equal(await asks(), false, "others check");
    becomes(true);
    assert.equal(await asks(), true);
    shell.send({ type: "paramsChanged", params: { ...params, enabled: false } });
    becomes(false);
    becomes(true);
    assert.equal(await asks(), false, "switched off, also for who is responsible");
    shell.send({ type: "paramsChanged", params });
    assert.equal(await asks(), true);
    becomes(false);
    shell.send({ type: "paramsChanged", params });
    assert.equal(await asks(), false);
  });

  test("proposes unhealthy when a target goes away and healthy when it is back; a refusal is repeated", async (t) => {
    const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const target: Target = { ...TARGET, clientId: `127.0.0.1:${port}#false`, port };
    const health = newHealth();
    const proposed: boolean[] = [];
    let decide: (change: SetHealth) => Promise<void> = async () => {};
    const shell = startHealthChecks({
      clock: jumpingClock(),
      health,
      checks: newChecks(),
      responsibility: ALWAYS_RESPONSIBLE,
      setHealth(change) {
        proposed.push(change.healthy);
        return decide(change);
      },
    });
    t.after(() => shell.close());
    /** The next proposed health; `answer` is what the log says to it. */
    const next = (answer: () => void = () => {}) =>
      new Promise<boolean>((resolve) => {
        decide = async (change) => {
          resolve(change.healthy);
          answer();
        };
      });

    shell.send({ type: "track", target, healthy: false, random: 0 });
    const refuse = () => {
      throw new Error("the log is full");
    };
    assert.equal(await next(refuse), true);
    assert.equal(await next(), true, "proposed again after the refusal");

    server.close();
    assert.equal(await next(), false);
    shell.close();
    const count = proposed.length;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(proposed.length, count, "nothing after the end");
  });
});
