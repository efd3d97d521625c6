import { RegistryError } from "@nacre/protocol";
import type { Clock, Timer } from "../../clock.ts";
import type { DurableLog } from "../../storage/port.ts";

/** A write that waits for a group has its outcome after this, like any other. */
const DEADLINE_MS = 10_000;
/** Writes that wait; each may be as large as a configuration. */
const WAITING_MAX = 100;

interface Waiting {
  readonly timer: Timer;
  look(): void;
  fail(error: RegistryError): void;
}

export interface EarlyWritesParts<C, R> {
  /** That takes them now; undefined while there is none. */
  readonly log: () => Pick<DurableLog<C, R>, "propose"> | undefined;
  /** As a sentence. */
  readonly whyNot: () => string | undefined;
}

/** Writes of features that come before their group: they wait for it, with a bound, and go on in their order. */
export class EarlyWrites<C, R> {
  readonly #clock: Clock;
  readonly #parts: EarlyWritesParts<C, R>;
  readonly #waiting = new Set<Waiting>();
  #isClosed = false;

  constructor(clock: Clock, parts: EarlyWritesParts<C, R>) {
    this.#clock = clock;
    this.#parts = parts;
  }

  /** @throws RegistryError `notApplied` with the reason when no group took it in time. */
  propose(command: C): Promise<R> {
    if (this.#isClosed) return Promise.reject(stopping());
    if (this.#waiting.size >= WAITING_MAX)
      return Promise.reject(
        new RegistryError("overThreshold", `${WAITING_MAX} writes wait for the group of this cluster: try again later`),
      );
    return new Promise<R>((resolve, reject) => {
      const end = (): void => {
        waiting.timer.cancel();
        this.#waiting.delete(waiting);
      };
      const late = (): RegistryError =>
        new RegistryError("notApplied", this.#parts.whyNot() ?? "no group took it in time: try again");
      const waiting: Waiting = {
        look: () => {
          const log = this.#parts.log();
          if (log === undefined) return;
          end();
          log.propose(command).then(resolve, reject);
        },
        fail: (error) => {
          end();
          reject(error);
        },
        timer: this.#clock.schedule(DEADLINE_MS, () => waiting.fail(late())),
      };
      this.#waiting.add(waiting);
    });
  }

  /** Something changed that may let them go on. */
  look(): void {
    for (const waiting of [...this.#waiting]) waiting.look();
  }

  close(): void {
    this.#isClosed = true;
    for (const waiting of [...this.#waiting]) waiting.fail(stopping());
  }
}

function stopping(): RegistryError {
  return new RegistryError("unavailable", "the log takes no more commands, because the server is stopping");
}
