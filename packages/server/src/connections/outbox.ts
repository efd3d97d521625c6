import type { ConnectionId } from "@nacre/core/connections";
import type { Clock } from "../clock.ts";

/** Sends of one turn. A fan-out of 20 kB to 19,000 streams at once would hold the event loop for half a second. */
const SENDS_PER_TURN = 512;

interface Sending {
  readonly payload: Uint8Array;
  readonly to: readonly ConnectionId[];
  next: number;
}

/**
 * Sends one payload to many connections in slices, other work between them. What comes later queues behind, so every
 * connection receives in the order of `add`. Bounded by the pushes that may be pending.
 */
export class Outbox {
  readonly #clock: Clock;
  readonly #send: (id: ConnectionId, payload: Uint8Array) => void;
  readonly #queue: Sending[] = [];
  #left = SENDS_PER_TURN;
  #waiting = false;

  constructor(clock: Clock, send: (id: ConnectionId, payload: Uint8Array) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  add(payload: Uint8Array, to: readonly ConnectionId[]): void {
    this.#queue.push({ payload, to, next: 0 });
    if (!this.#waiting) this.#turn();
  }

  #turn(): void {
    this.#left = SENDS_PER_TURN;
    while (this.#queue.length > 0) {
      const first = this.#queue[0] as Sending;
      while (first.next < first.to.length && this.#left > 0) {
        this.#left--;
        this.#send(first.to[first.next++] as ConnectionId, first.payload);
      }
      if (first.next < first.to.length) break;
      this.#queue.shift();
    }
    if (this.#queue.length === 0) return;
    this.#waiting = true;
    this.#clock.schedule(0, () => {
      this.#waiting = false;
      this.#turn();
    });
  }
}
