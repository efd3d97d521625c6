import type { ServiceKey } from "@nacre/protocol";
import { assert } from "../lib/assert.ts";
import type { Millis } from "../lib/units.ts";
import type { Checker, CheckType } from "./checker.ts";
import { firstInterval, type HealthParams, nextInterval } from "./params.ts";
import {
  type ClusterCheck,
  type HealthState,
  type Target,
  type TargetKey,
  type Tracked,
  type Turn,
  targetKey,
} from "./state.ts";

/** `failNow` is a failure that leaves no doubt, such as a refused connection: it does not wait to be repeated. */
export type Outcome = "ok" | "fail" | "failNow";

export type HealthEvent =
  /** A new target, or a changed one. `random` in [0, 1) places the first check; a known target keeps its schedule. */
  | { readonly type: "track"; readonly target: Target; readonly healthy: boolean; readonly random: number }
  | { readonly type: "untrack"; readonly key: TargetKey }
  | {
      readonly type: "checkerChanged";
      readonly service: ServiceKey;
      readonly cluster: string;
      readonly check: ClusterCheck;
      readonly random: number;
    }
  | { readonly type: "paramsChanged"; readonly params: HealthParams }
  /** The durable state holds this health now, whoever proposed it. */
  | { readonly type: "healthChanged"; readonly key: TargetKey; readonly healthy: boolean }
  /** A proposal was refused; the next equal result proposes it again. */
  | { readonly type: "refused"; readonly key: TargetKey }
  /** Exactly one for every `check`, a cancelled one too. */
  | {
      readonly type: "checked";
      readonly run: number;
      readonly outcome: Outcome;
      readonly rtMs: Millis;
      readonly reason: string;
    }
  | { readonly type: "tick" };

/** What a check needs to know. */
export interface CheckOrder {
  readonly ip: string;
  readonly port: number;
  readonly checker: Exclude<Checker, { type: "NONE" }>;
}

export type HealthEffect =
  | { readonly type: "check"; readonly run: number; readonly key: TargetKey; readonly order: CheckOrder }
  /** The result no longer matters; it must still be reported. */
  | { readonly type: "cancel"; readonly run: number }
  | {
      readonly type: "setHealth";
      readonly key: TargetKey;
      readonly target: Target;
      readonly healthy: boolean;
      readonly reason: string;
    };

/** The only way the health state changes. */
export function step(health: HealthState, event: HealthEvent, now: Millis): HealthEffect[] {
  switch (event.type) {
    case "track":
      return track(health, event.target, event.healthy, event.random, now);
    case "untrack":
      return untrack(health, event.key);
    case "checkerChanged": {
      const effects: HealthEffect[] = [];
      for (const tracked of health.byService.get(event.service) ?? [])
        if (tracked.target.cluster === event.cluster)
          effects.push(...retarget(health, tracked, { ...tracked.target, check: event.check }, event.random, now));
      return effects;
    }
    case "paramsChanged":
      assert(event.params.checkTimes >= 1, "H8: checkTimes is at least 1");
      if (event.params.enabled && !health.params.enabled) health.period++;
      health.params = event.params;
      return start(health, now);
    case "healthChanged": {
      const tracked = health.targets.get(event.key);
      if (tracked !== undefined) applyHealth(tracked, event.healthy);
      return [];
    }
    case "refused": {
      const tracked = health.targets.get(event.key);
      if (tracked !== undefined) tracked.proposed = undefined;
      return [];
    }
    case "checked":
      return checked(health, event, now);
    case "tick":
      return start(health, now);
  }
}

function track(health: HealthState, target: Target, healthy: boolean, random: number, now: Millis): HealthEffect[] {
  const key = targetKey(target.service, target.clientId);
  const known = health.targets.get(key);
  if (known !== undefined) {
    applyHealth(known, healthy);
    return retarget(health, known, target, random, now);
  }
  const tracked: Tracked = {
    key,
    target,
    healthy,
    proposed: undefined,
    okRun: 0,
    failRun: 0,
    period: health.period,
    intervalMs: 0,
    turn: 0,
    run: 0,
  };
  health.targets.set(key, tracked);
  const siblings = health.byService.get(target.service);
  if (siblings === undefined) health.byService.set(target.service, new Set([tracked]));
  else siblings.add(tracked);
  if (isChecked(target)) scheduleFirst(health, tracked, random, now);
  return [];
}

function untrack(health: HealthState, key: TargetKey): HealthEffect[] {
  const tracked = health.targets.get(key);
  if (tracked === undefined) return [];
  health.targets.delete(key);
  const siblings = health.byService.get(tracked.target.service);
  siblings?.delete(tracked);
  if (siblings?.size === 0) health.byService.delete(tracked.target.service);
  return stop(tracked);
}

/** Takes over a changed target. What was seen of it counts no longer if another question is asked from now on (H5). */
function retarget(health: HealthState, tracked: Tracked, target: Target, random: number, now: Millis): HealthEffect[] {
  const before = tracked.target;
  tracked.target = target;
  if (sameQuestion(before, target)) return [];
  tracked.okRun = 0;
  tracked.failRun = 0;
  const wasRunning = tracked.run !== 0;
  const effects = isChecked(target) && !wasRunning ? [] : stop(tracked);
  if (!isChecked(target)) return effects;
  if (!isChecked(before)) scheduleFirst(health, tracked, random, now);
  else if (wasRunning) schedule(health, tracked, now);
  return effects;
}

function stop(tracked: Tracked): HealthEffect[] {
  const run = tracked.run;
  tracked.turn = 0;
  tracked.run = 0;
  return run === 0 ? [] : [{ type: "cancel", run }];
}

function checked(
  health: HealthState,
  event: { run: number; outcome: Outcome; rtMs: Millis; reason: string },
  now: Millis,
): HealthEffect[] {
  const key = health.inFlight.get(event.run);
  assert(key !== undefined, "H3: a check reports exactly once");
  health.inFlight.delete(event.run);
  const tracked = health.targets.get(key);
  // H5: a result of an earlier question, or of an earlier target with the same key, frees its place and nothing else.
  if (tracked === undefined || tracked.run !== event.run) return start(health, now);
  tracked.run = 0;
  const type = tracked.target.check.checker.type as CheckType;
  tracked.intervalMs = nextInterval(health.params.intervals[type], tracked.intervalMs, event.rtMs);
  schedule(health, tracked, now);
  const effects = health.params.enabled ? count(health, tracked, event) : [];
  return [...effects, ...start(health, now)];
}

/** Counts a result and proposes a change of health where the rule asks for one (H1, H2). */
function count(
  { params: { checkTimes }, period }: HealthState,
  tracked: Tracked,
  result: { outcome: Outcome; reason: string },
): HealthEffect[] {
  const ok = result.outcome === "ok";
  if (tracked.period !== period) Object.assign(tracked, { okRun: 0, failRun: 0, period });
  tracked.okRun = ok ? tracked.okRun + 1 : 0;
  tracked.failRun = ok ? 0 : tracked.failRun + 1;
  if (tracked.healthy === ok || tracked.proposed === ok) return [];
  if (result.outcome !== "failNow" && tracked.okRun + tracked.failRun < checkTimes) return [];
  tracked.proposed = ok;
  return [{ type: "setHealth", key: tracked.key, target: tracked.target, healthy: ok, reason: result.reason }];
}

/** Runs are kept when the change is our own; after somebody else's they start anew. */
function applyHealth(tracked: Tracked, healthy: boolean): void {
  if (tracked.healthy !== healthy && tracked.proposed !== healthy) {
    tracked.okRun = 0;
    tracked.failRun = 0;
  }
  tracked.healthy = healthy;
  if (tracked.proposed === healthy) tracked.proposed = undefined;
}

/** Orders the checks whose time has come, earliest first, as far as places are free (H3, H4). */
function start(health: HealthState, now: Millis): HealthEffect[] {
  if (!health.params.enabled) return [];
  for (let due = health.deadlines.due(now); due !== undefined; due = health.deadlines.due(now))
    for (const turn of due) if (isLive(turn)) health.waiting.push(turn);
  const effects: HealthEffect[] = [];
  while (health.inFlight.size < health.inFlightMax) {
    const turn = nextWaiting(health);
    if (turn === undefined) break;
    if (isLive(turn)) effects.push(order(health, turn.tracked));
  }
  return effects;
}

function order(health: HealthState, tracked: Tracked): HealthEffect {
  const { check, ip, port } = tracked.target;
  const { checker } = check;
  assert(checker.type !== "NONE", "H6: a target that is not checked has no turn");
  tracked.turn = 0;
  tracked.run = ++health.lastNumber;
  health.inFlight.set(tracked.run, tracked.key);
  health.started[checker.type]++;
  const order: CheckOrder = { ip, port: check.useInstancePort ? port : check.port, checker };
  return { type: "check", run: tracked.run, key: tracked.key, order };
}

function nextWaiting(health: HealthState): Turn | undefined {
  const turn = health.waiting[health.waitingFrom];
  if (turn === undefined) {
    health.waiting = [];
    health.waitingFrom = 0;
    return undefined;
  }
  health.waitingFrom++;
  // Cutting off the used half keeps the queue as small as what waits, at a constant cost per turn.
  if (health.waitingFrom > 1024 && health.waitingFrom * 2 > health.waiting.length) {
    health.waiting = health.waiting.slice(health.waitingFrom);
    health.waitingFrom = 0;
  }
  return turn;
}

function scheduleFirst(health: HealthState, tracked: Tracked, random: number, now: Millis): void {
  tracked.intervalMs = firstInterval(health.params, random);
  schedule(health, tracked, now);
}

function schedule(health: HealthState, tracked: Tracked, now: Millis): void {
  tracked.turn = ++health.lastNumber;
  health.deadlines.add(now + tracked.intervalMs, { tracked, turn: tracked.turn });
}

function isLive(turn: Turn): boolean {
  return turn.tracked.turn === turn.turn;
}

function isChecked(target: Target): boolean {
  return !target.skipped && target.check.checker.type !== "NONE";
}

function sameQuestion(a: Target, b: Target): boolean {
  return isChecked(a) === isChecked(b) && questionText(a) === questionText(b);
}

function questionText({ ip, port, check }: Target): string {
  const { checker } = check;
  const asked = [ip, check.useInstancePort ? port : check.port, checker.type];
  if (checker.type === "HTTP") asked.push(checker.path, checker.headers, checker.expectedResponseCode);
  if (checker.type === "MYSQL") asked.push(checker.user, checker.pwd, checker.cmd);
  return JSON.stringify(asked);
}
