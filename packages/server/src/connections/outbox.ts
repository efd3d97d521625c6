import type { ConnectionId } from "@nacre/core/connections";
import type { Clock } from "../clock.ts";

/** Sends of one turn. A fan-out of 20 kB to 19,000 streams at once would hold the event loop for half a second. */
const SENDS_PER_TURN = 512;
/** Bytes of one turn: what is sent is copied for every stream, and 100 MB of large lists took a quarter of a second. */
const BYTES_PER_TURN = 8 * 1024 * 1024;

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
    let sends = SENDS_PER_TURN;
    let bytes = BYTES_PER_TURN;
    while (this.#queue.length > 0) {
      const first = this.#queue[0] as Sending;
      while (first.next < first.to.length && sends > 0 && bytes > 0) {
        sends--;
        bytes -= first.payload.length;
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
