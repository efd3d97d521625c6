import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  beginReplacement,
  type Command,
  contentsOf,
  type Effect,
  type Instance,
  instanceKey,
  load,
  type NamingState,
  newNaming,
  ROW,
  readRow,
  replacements,
  step,
} from "@nacre/core/naming";
import { namingCommand } from "./durable-commands.ts";
import { namingNoise } from "./durable-noise.ts";
import { NAMING_START, NamingBench, pushesOf } from "./naming-bench.ts";
import { Random } from "./random.ts";

const SEEDS = 200;
const ENTRIES = 40;
/** Epoch milliseconds of the first entry. */
const AT = Date.UTC(2026, 1, 1);

interface Row {
  readonly kind: string;
  readonly key: string;
  readonly value: string;
}

/** What the log of a cluster has come to. */
class Cluster {
  readonly #state = newNaming({}, 1, 0);
  readonly rows = new Map<string, Row>();
  index = 0;

  apply(command: Command): { index: number; at: number; command: Command } {
    const entry = { index: ++this.index, at: AT + this.index, command };
    for (const effect of step(this.#state, { type: "apply", ...entry }, NAMING_START)) {
      if (effect.type !== "store") continue;
      const { kind, key, value } = effect;
      if (value === undefined) this.rows.delete(`${kind} ${key}`);
      else this.rows.set(`${kind} ${key}`, { kind, key, value });
    }
    return entry;
  }

  texts(): string[] {
    return [...this.rows.values()]
      .filter(({ kind }) => kind !== ROW.switch)
      .map(({ kind, key, value }) => `${kind} ${key} ${value}`)
      .sort();
  }

  /** What a start makes of it. */
  started() {
    const state = newNaming({}, 1, 0);
    const targets = new Targets();
    for (const row of this.rows.values()) targets.note(load(state, row, NAMING_START));
    return { state, targets };
  }
}

/** What health checking knows. */
class Targets {
  readonly held = new Map<string, string>();

  note(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === "track") {
        const { target, healthy } = effect;
        this.held.set(`${target.clientId} ${target.service}`, JSON.stringify({ target, healthy }));
      } else if (effect.type === "untrack") this.held.delete(effect.key);
      else if (effect.type === "healthChanged") {
        const held = this.held.get(effect.key) ?? assert.fail(`${effect.key} is known`);
        this.held.set(effect.key, JSON.stringify({ ...JSON.parse(held), healthy: effect.healthy }));
      }
    }
  }
}

/** The rows that naming would have written for what it holds. */
function rowsHeld({ services }: NamingState): string[] {
  const rows: string[] = [];
  for (const { key, metadata, overrides, publications } of services.values()) {
    if (metadata !== undefined) rows.push(`${ROW.service} ${key} ${JSON.stringify(metadata)}`);
    for (const [instance, override] of overrides ?? [])
      rows.push(`${ROW.override} ${key}\n${instance} ${JSON.stringify(override)}`);
    for (const [{ kind, id }, { entries }] of publications)
      for (const { instance } of kind === "persistent" ? entries : []) {
        const { hash: _, ephemeral: __, cluster, instanceId, ...rest } = instance;
        const row = { ...rest, clusterName: cluster, instanceId: instanceId ?? "" };
        rows.push(`${ROW.persistent} ${key}\n${id} ${JSON.stringify(row)}`);
      }
  }
  return rows.sort();
}

function ephemeralOf(state: NamingState): unknown {
  const clients = [...state.clients.values()].filter(({ kind }) => kind !== "persistent");
  return clients.map(({ id, subscriptions }) => [id, contentsOf(state, id), subscriptions?.size]);
}

function shownIn(state: NamingState): Map<string, Instance> {
  const shown = new Map<string, Instance>();
  for (const { key, hosts } of state.services.values())
    for (const { instance } of hosts.values()) shown.set(`${key} ${instanceKey(instance)}`, instance);
  return shown;
}

function listedIn(state: NamingState): Set<string> {
  return new Set([...state.services.values()].filter(({ listed }) => listed).map(({ key }) => key));
}

describe("a member of naming that is given the state of its cluster (N22)", () => {
  test(`holds what a start would make of it, and all its clients end with the newest lists, ${SEEDS} times`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        runSeed(seed);
      } catch (cause) {
        throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause });
      }
    }
  });
});

function runSeed(seed: number): void {
  const random = new Random(seed);
  const bench = new NamingBench({ pushPauseMaxMs: random.pick([0, 100]) });
  const targets = new Targets();
  const unanswered: { clientId: string; requestId: number }[] = [];
  const told: string[] = [];
  const receive = (effects: readonly Effect[]): void => {
    targets.note(effects);
    for (const { requestId, to, service } of pushesOf(effects))
      for (const clientId of to) {
        unanswered.push({ clientId, requestId });
        told.push(`${service} to ${clientId}`);
      }
  };
  const settle = (): void => {
    for (const push of unanswered.splice(0)) receive(bench.settle(push.clientId, push, "acked"));
  };
  let cluster = new Cluster();
  for (let left = random.below(ENTRIES); left > 0; left--) {
    for (let noise = random.below(3); noise > 0; noise--) receive(namingNoise(random, bench));
    if (random.chance(0.5)) settle();
    receive(bench.send({ type: "apply", ...cluster.apply(namingCommand(random)) }));
  }

  if (random.chance(0.3)) cluster = new Cluster();
  for (let left = random.below(ENTRIES); left > 0; left--) cluster.apply(namingCommand(random));
  const quiet = random.chance(0.5);
  if (quiet) {
    settle();
    receive(bench.forward(100));
  }
  const { state } = bench;
  const before = {
    ephemeral: ephemeralOf(state),
    shown: shownIn(state),
    listed: listedIn(state),
    rows: rowsHeld(state),
  };
  const revisions = new Map([...bench.state.services.values()].map(({ key, revision }) => [key, revision]));
  const journal = bench.state.journal.size;
  const seen: { listed: Set<string>; shown: ReturnType<typeof shownIn> }[] = [];
  told.length = 0;
  const replacement = beginReplacement();
  for (const row of cluster.rows.values()) {
    if (!quiet && random.chance(0.3)) receive(namingNoise(random, bench));
    readRow(bench.state, replacement, row);
  }
  if (quiet) assert.deepEqual(rowsHeld(bench.state), before.rows, "nothing shows before");
  for (const event of replacements(bench.state, replacement, random.pick([1, 2, 100]))) {
    if (event !== undefined) receive(bench.send(event));
    if (!quiet && random.chance(0.5)) receive(namingNoise(random, bench));
    if (random.chance(0.5)) settle();
    seen.push({ listed: listedIn(bench.state), shown: shownIn(bench.state) });
  }

  const started = cluster.started();
  assert.deepEqual(rowsHeld(bench.state), cluster.texts(), "rows");
  assert.deepEqual(bench.state.switches, started.state.switches, "switches");
  assert.deepEqual(sorted(targets.held), sorted(started.targets.held), "what is health checked");
  for (const { key, overrides, hosts, vanished } of bench.state.services.values())
    for (const instance of overrides?.keys() ?? [])
      assert.ok(hosts.has(instance) || vanished?.has(instance), `N15 ${instance} of ${key} will expire`);
  for (const { key, listed } of started.state.services.values())
    if (listed) assert.ok(bench.state.services.get(key)?.listed, `${key} is listed`);
  if (quiet) {
    assert.deepEqual(ephemeralOf(bench.state), before.ephemeral, "what is ephemeral");
    assert.equal(new Set(told).size, told.length, `once per service and subscriber: ${told}`);
    const rows = differing(before.rows, cluster.texts());
    for (const [key, revision] of revisions) {
      const kinds = rows.filter((row) => serviceOf(row) === key).map((row) => row.split(" ")[0]);
      const now = bench.state.services.get(key)?.revision;
      if (kinds.length === 0) assert.equal(now, revision, `${key} stays as it was`);
      else if (kinds.some((kind) => kind !== ROW.persistent)) assert.notEqual(now, revision, `${key} is another`);
    }
    const now = shownIn(bench.state);
    const written = bench.state.journal.find(() => true, bench.state.journal.size - journal);
    const causes = written.map(({ what, service, instance, cause }) => `${what} ${service} ${instance} ${cause}`);
    for (const [at, { healthy, ephemeral }] of before.shown) {
      const then = now.get(at);
      if (then === undefined)
        assert.ok(
          causes.includes(`removed ${at} caughtUp`) || causes.includes(`removed ${at} replaced`),
          `N9 why ${at} is gone`,
        );
      else if (then.ephemeral === ephemeral && then.healthy !== healthy)
        assert.ok(causes.includes(`${then.healthy ? "healthy" : "unhealthy"} ${at} caughtUp`), `N9 health of ${at}`);
    }
    const listedNow = listedIn(bench.state);
    for (const { listed, shown } of seen) {
      for (const key of before.listed) if (listedNow.has(key)) assert.ok(listed.has(key), `${key} stays listed`);
      for (const at of before.shown.keys()) if (now.has(at)) assert.ok(shown.has(at), `${at} stays`);
    }
  }
  settle();
  // Heartbeats that stopped take 30 s, and a service that became empty 60 s.
  for (let round = 0; round < 30; round++) {
    receive(bench.forward(round < 10 ? 1_000 : 5_000));
    settle();
  }
  for (const { key, listed, subscribers, overrides } of bench.state.services.values())
    assert.ok(listed || subscribers?.size || overrides, `${key} is of use`);
  if (bench.state.switches.pushEnabled)
    for (const { key, revision, subscribers } of bench.state.services.values())
      for (const { client, sentRevision, expiresAt } of subscribers?.values() ?? [])
        if (!Number.isFinite(expiresAt)) assert.equal(sentRevision, revision, `N6 ${client.id} knows ${key}`);
}

function differing(a: readonly string[], b: readonly string[]): string[] {
  return [...a.filter((row) => !b.includes(row)), ...b.filter((row) => !a.includes(row))];
}

function serviceOf(row: string): string {
  return /^\w+ ([^ \n]+)/.exec(row)?.[1] ?? assert.fail(row);
}

function sorted(map: ReadonlyMap<string, string>): string[] {
  return [...map].map(([key, value]) => `${key} ${value}`).sort();
}
