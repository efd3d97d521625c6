import type { Clock, Timer } from "../../clock.ts";
import type { Log } from "../../connections/connections.ts";

/** What a start waits for at most. */
const WAIT_MS = 10_000;
/** The others have had so long to be found; who knows then that no majority is in reach waits no more. */
const FOUND_MS = 4_000;
const RETRY_MS = 200;

export interface CatchingUpParts {
  readonly clock: Clock;
  readonly log: Log;
  /** @throws RegistryError while it cannot be made sure of. */
  readonly readIndex: () => Promise<number>;
  /** It is over. */
  readonly ended: () => void;
}

/**
 * A member serves durable data when it has applied what was committed before it began: what it shows is then not older than
 * what its clients saw elsewhere. After a bound it serves what it has, and says so.
 */
export class CatchingUp {
  readonly #parts: CatchingUpParts;
  #isOver = false;
  #isStopped = false;
  #bound: Timer | undefined;
  #reason = "it waits for the group that keeps durable data";

  constructor(parts: CatchingUpParts) {
    this.#parts = parts;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** What is waited for, as a clause. */
  get reason(): string {
    return this.#reason;
  }

  start(): void {
    const startedAt = this.#parts.clock.now();
    this.#bound = this.#parts.clock.schedule(WAIT_MS, () => this.#giveUp(this.#reason));
    void this.#run(startedAt);
  }

  stop(): void {
    this.#isStopped = true;
    this.#bound?.cancel();
  }

  async #run(startedAt: number): Promise<void> {
    const { clock, readIndex } = this.#parts;
    while (!this.#isOver && !this.#isStopped) {
      try {
        await readIndex();
        return this.#end();
      } catch (thrown) {
        this.#reason = (thrown as Error).message;
        if (clock.now() - startedAt >= FOUND_MS) return this.#giveUp(this.#reason);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      clock.schedule(RETRY_MS, resolve);
      await promise;
    }
  }

  #giveUp(reason: string): void {
    if (this.#isOver || this.#isStopped) return;
    this.#parts.log.warn({ reason }, "this member serves the durable data that it has, which may not be the newest");
    this.#end();
  }

  #end(): void {
    if (this.#isOver || this.#isStopped) return;
    this.#isOver = true;
    this.#bound?.cancel();
    this.#parts.ended();
  }
}
