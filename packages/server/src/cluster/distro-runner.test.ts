import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change } from "@nacre/core/distro";
import { DistroRunner } from "./distro-runner.ts";

function change(id: string): Change {
  const contents = { ip: "10.0.0.1", port: 1, app: "", agent: "", createdAt: 0, publications: [] };
  const version = { owner: "b", incarnation: 1, counter: 1 };
  const head = { id, kind: "connection", version, contentHash: 1, gone: undefined, answers: false } as const;
  return { ...head, after: 0, ageMs: 0, contents };
}

test("gives naming a huge client in several turns, and does what follows after that", () => {
  const did: string[] = [];
  const turns: (() => void)[] = [];
  let now = 0;
  const silent = () => undefined;
  const runner = new DistroRunner({
    clock: {
      // Everything takes its time.
      now: () => (now += 4),
      wall: () => now,
      schedule: (ms, run) => {
        if (ms === 0) turns.push(run);
        return { cancel: silent };
      },
    },
    log: { debug: silent, info: silent, warn: silent, error: (_, message) => assert.fail(message) },
    memberId: "a",
    incarnation: 1,
    options: {},
    naming: {
      contentsOf: silent,
      heardAt: silent,
      isLeft: () => false,
      patienceOf: () => undefined,
      isSuperseded: () => false,
      perform: (effect) => {
        assert.equal(effect.type, "apply");
        if (effect.type !== "apply") return undefined;
        const { clientId } = effect;
        return (function* slices() {
          for (let slice = 1; slice <= (clientId === "huge" ? 5 : 1); slice++) yield did.push(`${clientId} ${slice}`);
        })();
      },
    },
    send: (to) => did.push(`sent to ${to}`),
    probe: silent,
    ready: silent,
    notReady: silent,
  });
  runner.feed({ type: "start", journal: [] });
  runner.feed({ type: "peer", id: "b", state: "up", incarnation: 1 });
  runner.feed({ type: "tick" });
  did.length = 0;
  const message = { type: "sync", seq: 1, changes: [change("huge"), change("small")], removals: [] } as const;
  runner.feed({ type: "received", from: "b", message });
  assert.ok(did.length < 5 && did.every((each) => each.startsWith("huge")), did.join());
  assert.ok(runner.isApplying);
  runner.feed({ type: "received", from: "b", message: { ...message, seq: 2, changes: [change("later")] } });
  for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) turn();
  assert.deepEqual(did, [
    ...[1, 2, 3, 4, 5].map((slice) => `huge ${slice}`),
    "small 1",
    "sent to b",
    "later 1",
    "sent to b",
  ]);
  assert.equal(runner.isApplying, false);
});
