import type { ConnectionId } from "@nacre/core/connections";
import type { Clock, Timer } from "../clock.ts";

/** How long a call waits for the setup of its connection. */
const WAIT_MS = 500;
const PER_CONNECTION_MAX = 64;
const TOTAL_MAX = 10_000;

/**
 * Calls that arrived on a connection whose stream is open but whose setup has not been read yet: answering them with
 * "unregistered" would make the SDK reconnect, although the setup is on its way. They go on, in order, when it comes.
 */
export class WaitingCalls {
  readonly #clock: Clock;
  readonly #byId = new Map<ConnectionId, { readonly timer: Timer; readonly goOn: (() => void)[] }>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns false when too many wait already: the call is then to be answered at once. */
  add(id: ConnectionId, goOn: () => void): boolean {
    let held = this.#byId.get(id);
    if (this.#count >= TOTAL_MAX || (held !== undefined && held.goOn.length >= PER_CONNECTION_MAX)) return false;
    if (held === undefined) {
      held = { timer: this.#clock.schedule(WAIT_MS, () => this.release(id)), goOn: [] };
      this.#byId.set(id, held);
    }
    held.goOn.push(goOn);
    this.#count++;
    return true;
  }

  /** The setup came, the connection ended, or the time is up: each call looks for itself. */
  release(id: ConnectionId): void {
    const held = this.#byId.get(id);
    if (held === undefined) return;
    this.#byId.delete(id);
    this.#count -= held.goOn.length;
    held.timer.cancel();
    for (const goOn of held.goOn) goOn();
  }
}
