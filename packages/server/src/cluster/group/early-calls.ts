import { type FailureName, RegistryError } from "@nacre/protocol";
import type { Clock, Timer } from "../../clock.ts";

/** What waits for a group has its outcome after this, like any other call. */
const DEADLINE_MS = 10_000;

/** Why there is no group that takes a call. */
export interface WhyNot {
  readonly sentence: string;
  /** It is known that none can come together as things are: who waited would wait in vain. */
  readonly isCertain: boolean;
}

interface Waiting {
  readonly timer: Timer;
  look(): void;
  fail(error: RegistryError): void;
}

export interface EarlyCallsParts<L> {
  readonly clock: Clock;
  /** As people know them: "writes". */
  readonly name: string;
  /** That wait; each may be as large as a configuration. */
  readonly max: number;
  /** Of one that no group took. */
  readonly failure: FailureName;
  /** That takes them now; undefined while there is none. */
  readonly log: () => L | undefined;
  readonly whyNot: () => WhyNot | undefined;
}

/**
 * Calls of features that come before their group: they wait for it, with a bound, and go on in their order. When it is known
 * that no group can come together they are refused at once.
 */
export class EarlyCalls<L> {
  readonly #parts: EarlyCallsParts<L>;
  readonly #waiting = new Set<Waiting>();
  #isClosed = false;

  constructor(parts: EarlyCallsParts<L>) {
    this.#parts = parts;
  }

  /** @throws RegistryError `failure` of the parts with the reason; `overThreshold` when too many wait. */
  make<T>(call: (log: L) => Promise<T>): Promise<T> {
    const { clock, name, max } = this.#parts;
    if (this.#isClosed) return Promise.reject(stopping());
    const hopeless = this.#hopeless();
    if (hopeless !== undefined) return Promise.reject(hopeless);
    if (this.#waiting.size >= max)
      return Promise.reject(
        new RegistryError("overThreshold", `${max} ${name} wait for the group of this cluster: try again later`),
      );
    return new Promise<T>((resolve, reject) => {
      const end = (): void => {
        waiting.timer.cancel();
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        look: () => {
          const log = this.#parts.log();
          if (log !== undefined) {
            end();
            call(log).then(resolve, reject);
            return;
          }
          const none = this.#hopeless();
          if (none !== undefined) waiting.fail(none);
        },
        fail: (error) => {
          end();
          reject(error);
        },
        timer: clock.schedule(DEADLINE_MS, () => waiting.fail(this.#refusal(this.#parts.whyNot()))),
      };
      this.#waiting.add(waiting);
    });
  }

  /** Something changed that may let them go on, or end what they wait for. */
  look(): void {
    for (const waiting of [...this.#waiting]) waiting.look();
  }

  close(): void {
    this.#isClosed = true;
    for (const waiting of [...this.#waiting]) waiting.fail(stopping());
  }

  #hopeless(): RegistryError | undefined {
    const why = this.#parts.whyNot();
    return why?.isCertain === true ? this.#refusal(why) : undefined;
  }

  #refusal(why: WhyNot | undefined): RegistryError {
    return new RegistryError(this.#parts.failure, why?.sentence ?? "no group took it in time: try again");
  }
}

function stopping(): RegistryError {
  return new RegistryError("unavailable", "the log takes no more commands, because the server is stopping");
}
