import type { Clock, Timer } from "../clock.ts";
import type { Log } from "../connections/connections.ts";
import type { Responsibility } from "../responsibility.ts";
import type { Imports } from "./importing.ts";
import { dropOldHistory, type RetentionSetup } from "./retention.ts";

const INTERVAL_MS = 600_000;

export interface HousekeepingSetup extends RetentionSetup {
  readonly clock: Clock;
  readonly log: Log;
  readonly imports: Pick<Imports, "dropLeft" | "dropStalled">;
  readonly responsibility: Responsibility;
}

/** Work on durable configurations that nobody asks for, every ten minutes: for all members, where this one is to do it. */
export class Housekeeping {
  readonly #setup: HousekeepingSetup;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(setup: HousekeepingSetup) {
    this.#setup = setup;
    this.#plan();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #round(): Promise<void> {
    const { imports, responsibility } = this.#setup;
    const goesOn = () => !this.#stopped && responsibility.isResponsible();
    if (goesOn()) await dropOldHistory(this.#setup, goesOn);
    if (!this.#stopped) await imports.dropLeft();
    if (goesOn()) await imports.dropStalled();
  }

  #plan(): void {
    this.#timer = this.#setup.clock.schedule(INTERVAL_MS, () => {
      this.#round()
        .catch((err: unknown) =>
          this.#setup.log.warn({ err }, "old history or unfinished imports of configurations could not be dropped"),
        )
        .finally(() => this.#stopped || this.#plan());
    });
  }
}
