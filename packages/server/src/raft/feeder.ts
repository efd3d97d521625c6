import { type Effect, type Event, nextAt, type Raft, step } from "@nacre/core/raft";
import type { Clock, Timer } from "../clock.ts";
import type { Packet } from "./codec.ts";

export type RaftPacket = Extract<Packet, { readonly type: "raft" }>;

interface Fed {
  readonly event: Event;
  readonly packet: RaftPacket | undefined;
}

export interface FeederParts {
  readonly core: Raft;
  readonly clock: Clock;
  /** @param packet  the message that the event tells of. */
  perform(effects: readonly Effect[], packet: RaftPacket | undefined): void;
  /** It was time for something. */
  ticked(): void;
  /** The core, or what it ordered, threw: nothing is fed any more. */
  broken(thrown: unknown): void;
}

/** Feeds the core one event at a time, wakes it when it is due, and has what it says performed in order (Q1). */
export class Feeder {
  readonly #parts: FeederParts;
  #events: Fed[] = [];
  #isFeeding = false;
  #isEnded = false;
  #timer: Timer | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;

  constructor(parts: FeederParts) {
    this.#parts = parts;
  }

  feed(event: Event, packet?: RaftPacket): void {
    if (this.#isEnded) return;
    this.#events.push({ event, packet });
    if (this.#isFeeding) return;
    this.#isFeeding = true;
    const { core, clock } = this.#parts;
    try {
      for (let fed = this.#events.shift(); fed !== undefined; fed = this.#events.shift())
        this.#parts.perform(step(core, fed.event, clock.now()), fed.packet);
    } catch (thrown) {
      this.end();
      this.#parts.broken(thrown);
    } finally {
      this.#isFeeding = false;
    }
    this.arm();
  }

  /** For what the core is to do next by itself. */
  arm(): void {
    const { core, clock } = this.#parts;
    const at = nextAt(core);
    if (this.#isEnded || at >= this.#wakeAt) return;
    this.#timer?.cancel();
    this.#wakeAt = at;
    this.#timer = clock.schedule(Math.max(0, Math.ceil(at - clock.now())), () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.feed({ type: "tick" });
      this.#parts.ticked();
    });
  }

  /** Nothing is fed any more. */
  end(): void {
    this.#isEnded = true;
    this.#events = [];
    this.#timer?.cancel();
  }
}
