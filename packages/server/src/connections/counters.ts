import type { PushOutcome } from "@nacre/core/connections";

export interface CallCount {
  readonly type: string;
  readonly success: boolean;
  readonly errorCode: number;
  count: number;
  /** Time from arrival to answer: of all calls, and of the longest. */
  seconds: number;
  maxSeconds: number;
}

/** What the metrics of the connections are made of. Types are those that are served, so the table stays small. */
export class Counters {
  readonly #calls = new Map<string, CallCount>();
  /** Registered connections by label `module`; blank when the client did not say. */
  readonly connections = new Map<string, number>();
  /** Sent pushes by type, one per connection. */
  readonly pushes = new Map<string, number>();
  readonly settled: Record<PushOutcome, number> = { acked: 0, refused: 0, timeout: 0, gone: 0, busy: 0 };
  /** Connections that were not let in, and those that this server ended. */
  refused = 0;
  ended = 0;

  call(type: string, errorCode: number, milliseconds: number): void {
    const key = `${type} ${errorCode}`;
    let held = this.#calls.get(key);
    if (held === undefined) {
      held = { type, success: errorCode === 0, errorCode, count: 0, seconds: 0, maxSeconds: 0 };
      this.#calls.set(key, held);
    }
    held.count++;
    held.seconds += milliseconds / 1000;
    held.maxSeconds = Math.max(held.maxSeconds, milliseconds / 1000);
  }

  get calls(): Iterable<Readonly<CallCount>> {
    return this.#calls.values();
  }

  connection(module: string, change: 1 | -1): void {
    // The label is the client's to choose; what no SDK sends shares one entry, so that the table stays small.
    const name = ["", "naming", "config", "lock", "ai"].includes(module) ? module : "other";
    this.connections.set(name, (this.connections.get(name) ?? 0) + change);
  }

  push(type: string, connections: number): void {
    this.pushes.set(type, (this.pushes.get(type) ?? 0) + connections);
  }
}
