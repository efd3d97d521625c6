import type { ServiceKey } from "@nacre/protocol";
import { Deadlines } from "../lib/deadlines.ts";
import type { Millis } from "../lib/units.ts";
import type { Checker, CheckType } from "./checker.ts";
import { DEFAULT_HEALTH_PARAMS, type HealthParams } from "./params.ts";

/** `<client id> <service key>`: a persistent client publishes at most one instance per service. */
export type TargetKey = string;

export function targetKey(service: ServiceKey, clientId: string): TargetKey {
  return `${clientId} ${service}`;
}

/** What the cluster of an instance says about checking. */
export interface ClusterCheck {
  readonly checker: Checker;
  /** Asked instead of the instance's port unless `useInstancePort`. */
  readonly port: number;
  readonly useInstancePort: boolean;
}

export const DEFAULT_CLUSTER_CHECK: ClusterCheck = { checker: { type: "TCP" }, port: 80, useInstancePort: true };

/** A persistent instance, and how it is checked. */
export interface Target {
  readonly service: ServiceKey;
  /** `ip:port#false` */
  readonly clientId: string;
  readonly ip: string;
  readonly port: number;
  readonly cluster: string;
  readonly check: ClusterCheck;
  /** Taken out of checking by metadata; see `checkSkipped`. */
  readonly skipped: boolean;
}

/** A target with what this core knows about it. */
export interface Tracked {
  readonly key: TargetKey;
  target: Target;
  /** As the durable state says; only `healthChanged` and `track` change it. */
  healthy: boolean;
  /** The health that was proposed and is not yet applied or refused. */
  proposed: boolean | undefined;
  okRun: number;
  failRun: number;
  /** The period of checking from which the runs are. */
  period: number;
  intervalMs: Millis;
  /** The entry in `deadlines` or `waiting` that counts; one with another number is stale. 0: not scheduled. */
  turn: number;
  /** The check in flight, 0 when there is none. */
  run: number;
}

export interface Turn {
  readonly tracked: Tracked;
  readonly turn: number;
}

export interface HealthState {
  params: HealthParams;
  /** Grows each time checking is switched on: what was counted before is not in a row with what comes. */
  period: number;
  readonly inFlightMax: number;
  readonly targets: Map<TargetKey, Tracked>;
  /** For a change of a cluster's checker: only the targets of one service are looked at. */
  readonly byService: Map<ServiceKey, Set<Tracked>>;
  readonly deadlines: Deadlines<Turn>;
  /** Due, in order, until a place among the checks in flight is free; read from `waitingFrom` on. */
  waiting: Turn[];
  waitingFrom: number;
  /** Every check that was ordered and has not reported, also of targets that are gone. */
  readonly inFlight: Map<number, TargetKey>;
  /** Last number given to a turn or a run. */
  lastNumber: number;
  /** Checks ordered since the start, for the metrics. */
  readonly started: Record<CheckType, number>;
}

/** Checks on the wire at one time. 256 connects of 500 ms that all time out are still 512 targets a second. */
export const CHECKS_IN_FLIGHT_MAX = 256;

/** Checks are due up to this much late, which lets many of them share one deadline. */
export const SLOT_MS: Millis = 50;

export function newHealth(
  params: HealthParams = DEFAULT_HEALTH_PARAMS,
  inFlightMax = CHECKS_IN_FLIGHT_MAX,
): HealthState {
  return {
    params,
    period: 0,
    inFlightMax,
    targets: new Map(),
    byService: new Map(),
    deadlines: new Deadlines(SLOT_MS),
    waiting: [],
    waitingFrom: 0,
    inFlight: new Map(),
    lastNumber: 0,
    started: { TCP: 0, HTTP: 0, MYSQL: 0 },
  };
}

/** When the shell should send the next tick; undefined when only a result or another event can start a check. */
export function nextTickAt(health: HealthState): Millis | undefined {
  return health.params.enabled ? health.deadlines.nextAt() : undefined;
}

/** Checks that are due and wait for a place, for the metrics. */
export function waitingCount(health: HealthState): number {
  return health.waiting.length - health.waitingFrom;
}
