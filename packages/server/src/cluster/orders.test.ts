import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { turn } from "../storage/turn.ts";
import { type OrdersSetup, ordersOf } from "./orders.ts";

/** Orders of voter `b`, which reaches those of `inReach`. */
function ordersAt(voters: string[], inReach: string[]) {
  const clock = new FakeClock();
  const stopped: boolean[] = [];
  const log = { group: { configuration: { voters, learners: [] } }, order: async () => {} };
  const links = {
    outOfReachSince: (id: string) => (inReach.includes(id) ? undefined : 0),
    addressOf: (id: string) => id,
  };
  const orders = ordersOf({
    clock,
    cluster: { members: { state: { start: { id: "b" } } } },
    group: { log, links },
    stop: (forever: boolean) => void stopped.push(forever),
  } as unknown as OrdersSetup);
  /** Its outcome, however long it takes. */
  const leave = async () => {
    let isOver = false;
    const left = orders.stop(true).finally(() => {
      isOver = true;
    });
    left.catch(() => {});
    while (!isOver) {
      await turn();
      clock.advance(100);
    }
    return left;
  };
  return { clock, log, orders, inReach, stopped, leave };
}

describe("a member that is told to leave for good", () => {
  test("goes when those that stay are a majority, or there are none", async () => {
    for (const { leave, stopped } of [
      ordersAt(["a", "b", "c"], ["a", "c"]),
      ordersAt(["b"], []),
      ordersAt(["a", "c"], []),
    ]) {
      await leave();
      assert.deepEqual(stopped, [true]);
    }
  });

  test("waits a moment for those that have just joined, and are not in reach yet", async () => {
    const { clock, inReach, leave, stopped } = ordersAt(["a", "b", "c"], []);
    clock.schedule(1000, () => inReach.push("a"));
    clock.schedule(2000, () => inReach.push("c"));
    await leave();
    assert.deepEqual(stopped, [true]);
  });

  test("waits a moment to hear that one that is not in reach has left the group", async () => {
    const { clock, log, leave, stopped } = ordersAt(["a", "b", "c"], ["a"]);
    clock.schedule(500, () => {
      log.group.configuration.voters = ["a", "b"];
    });
    await leave();
    assert.deepEqual(stopped, [true]);
  });

  test("stays, with the reason, while too few would be left in reach, and may always end its process", async () => {
    const lacking = ordersAt(["a", "b", "c"], ["a"]);
    await assert.rejects(lacking.leave(), { failure: "notApplied", message: /^without this member 2 of 2 / });
    const alone = ordersAt(["a", "b", "c"], []);
    await assert.rejects(alone.leave(), {
      failure: "notApplied",
      message: /^2 of 3 members are needed .*nacre stop$/,
    });
    assert.deepEqual([...lacking.stopped, ...alone.stopped], []);
    await alone.orders.stop(false);
    assert.deepEqual(alone.stopped, [false]);
  });
});
