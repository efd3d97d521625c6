import type { Millis } from "../lib/units.ts";
import type { CheckType } from "./checker.ts";

/** How the interval of one kind of check follows the response time. */
export interface IntervalParams {
  readonly minMs: Millis;
  readonly maxMs: Millis;
  /** Share of the old interval in the new one, 0 to 1. */
  readonly factor: number;
}

/** The operator's switches that this core obeys. */
export interface HealthParams {
  /** False: nothing new is checked and no result counts. */
  readonly enabled: boolean;
  /** Equal results in a row that change the health; at least 1. */
  readonly checkTimes: number;
  readonly intervals: Readonly<Record<CheckType, IntervalParams>>;
}

export const DEFAULT_HEALTH_PARAMS: HealthParams = {
  enabled: true,
  checkTimes: 3,
  intervals: {
    TCP: { minMs: 1000, maxMs: 5000, factor: 0.75 },
    HTTP: { minMs: 500, maxMs: 5000, factor: 0.85 },
    MYSQL: { minMs: 2000, maxMs: 3000, factor: 0.65 },
  },
};

/** No check before this much time after its target appeared. */
export const FIRST_CHECK_MS: Millis = 2000;

/** Delay of the first check. `random` in [0, 1) spreads the targets of a starting member over the TCP maximum. */
export function firstInterval(params: HealthParams, random: number): Millis {
  return FIRST_CHECK_MS + random * params.intervals.TCP.maxMs;
}

/** The next interval: mostly the old one, partly the response time, within the bounds of the kind of check. */
export function nextInterval(params: IntervalParams, intervalMs: Millis, rtMs: Millis): Millis {
  const mixed = params.factor * intervalMs + (1 - params.factor) * rtMs;
  return Math.min(Math.max(mixed, params.minMs), params.maxMs);
}
