import type { ClusterSetup } from "./cluster.ts";
import type { Stage } from "./stage.ts";

/** A fault, what clients may notice of it, and the proof. */
export interface Scenario {
  /** As in the specification of cluster behaviour; tests of one fault have a letter more. */
  readonly id: string;
  readonly fault: string;
  readonly required: string;
  /** What clients of the reference notice. */
  readonly reference: string;
  /** Of one that takes longer than others may. */
  readonly maxMs?: number;
  /** @returns what was measured, in words. @throws when it is not what is required. */
  readonly run: (stage: Stage) => Promise<string>;
}

/** Scenarios that share a cluster, one after the other: each leaves it whole. */
export interface Act {
  readonly name: string;
  readonly setup?: ClusterSetup;
  /** Applications on the real SDKs take part. */
  readonly hasSdks?: boolean;
  readonly scenarios: readonly Scenario[];
}

/** Figures are held to as promised. */
export const isStrict = process.argv.includes("--report") || process.argv.includes("--strict");

/** What is promised, in a test that shares two busy cores with others: those need room that the promise does not have. */
export function bound(promisedMs: number): number {
  if (isStrict) return promisedMs;
  return promisedMs < 2000 ? promisedMs * 3 : promisedMs * 1.5;
}

/** Takes the full length of faults that are shortened otherwise. */
export const isLong = process.argv.includes("--report") || process.argv.includes("--long");

export function ms(value: number): string {
  return value < 10_000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}
