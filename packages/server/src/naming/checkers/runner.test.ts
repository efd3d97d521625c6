import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, test } from "node:test";
import { DEFAULT_CLUSTER_CHECK, newHealth, type Target } from "@nacre/core/health";
import type { Clock } from "../../clock.ts";
import { newChecks, type SetHealth, startHealthChecks } from "./runner.ts";

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
  test("proposes unhealthy when a target goes away and healthy when it is back; a refusal is repeated", async (t) => {
    const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const target: Target = {
      service: "public@@DEFAULT_GROUP@@orders",
      clientId: `127.0.0.1:${port}#false`,
      ip: "127.0.0.1",
      port,
      cluster: "DEFAULT",
      check: DEFAULT_CLUSTER_CHECK,
      skipped: false,
    };
    const health = newHealth();
    const proposed: boolean[] = [];
    let decide: (change: SetHealth) => Promise<void> = async () => {};
    const shell = startHealthChecks({
      clock: jumpingClock(),
      health,
      checks: newChecks(),
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
