import type { CheckOrder, Outcome } from "@nacre/core/health";

export interface CheckResult {
  readonly outcome: Outcome;
  readonly rtMs: number;
  /** A short sentence for operators; never holds a password. */
  readonly reason: string;
}

/** Checks one target once. Never rejects; an aborted check ends at once as `fail`. */
export type Check = (order: CheckOrder, signal: AbortSignal) => Promise<CheckResult>;

export interface CheckLimits {
  /** For a connection, and for MySQL its handshake and login. */
  readonly connectMs: number;
  /** For the status line of an HTTP answer, from the connection on. */
  readonly answerMs: number;
  /** For the answer to a MySQL command. */
  readonly queryMs: number;
}

/** Connection and query as the wire's rules say; for an HTTP answer they name no time, so it is ours. */
export const CHECK_LIMITS: CheckLimits = { connectMs: 500, answerMs: 3000, queryMs: 1000 };

const REASON_LENGTH_MAX = 200;

type Done = (outcome: Outcome, reason: string) => void;

/**
 * Runs one attempt to its first result: `begin` starts it and may set time limits; what it gives back is called once at
 * the end to release everything. A failure to begin is no doubt one of the target's description: `failNow`.
 */
export function probe(
  signal: AbortSignal,
  begin: (done: Done, limit: (ms: number, reason: string) => void) => () => void,
): Promise<CheckResult> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    let release: (() => void) | undefined;
    let timer: NodeJS.Timeout | undefined;
    let settled = false;
    const done: Done = (outcome, reason) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", cancelled);
      release?.();
      resolve({ outcome, rtMs: performance.now() - startedAt, reason: reason.slice(0, REASON_LENGTH_MAX) });
    };
    const cancelled = () => done("fail", "the check was cancelled");
    const limit = (ms: number, reason: string) => {
      clearTimeout(timer);
      timer = setTimeout(() => done("fail", `${reason} within ${ms} ms`), ms);
    };
    if (signal.aborted) return cancelled();
    signal.addEventListener("abort", cancelled);
    try {
      release = begin(done, limit);
      // A result that came while beginning found nothing to release yet.
      if (settled) release();
    } catch (thrown) {
      done("failNow", `cannot be checked: ${messageOf(thrown)}`);
    }
  });
}

/** A refused connection leaves no doubt; every other failure on the way may pass. */
export function connectionFailure(thrown: unknown): { outcome: Outcome; reason: string } {
  if ((thrown as NodeJS.ErrnoException).code === "ECONNREFUSED")
    return { outcome: "failNow", reason: "the connection was refused" };
  return { outcome: "fail", reason: `the connection failed: ${messageOf(thrown)}` };
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
