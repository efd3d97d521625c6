import {
  type Change,
  type ClientId,
  type ContentsOf,
  type DistroOptions,
  type DistroState,
  type Effect,
  type Event,
  fill,
  frames,
  newDistro,
  nextAt,
  step,
} from "@nacre/core/distro";
import type { Clock, Timer } from "../clock.ts";
import type { Log } from "../connections/connections.ts";
import { EffectQueue } from "../effect-queue.ts";
import { escalate } from "../faults.ts";

/** A tick that is due sooner waits for the end of the current turn of the event loop at least. */
const WAKE_MS_MIN = 1;
/**
 * The whole of a client with so many instances is followed by a rest of so many times what it took to write: one that has
 * to be sent as a whole all the time must not take the processor from everybody.
 */
const HUGE_INSTANCES = 2_000;
const REST_FACTOR = 9;
const REST_MAX_MS = 2_000;
/** Slices of a huge client are given to naming for so long in one turn of the event loop. */
const SLICE_MS = 5;

/** What Distro needs of naming. */
export interface DistroNaming {
  readonly contentsOf: ContentsOf;
  heardAt(clientId: ClientId): number | undefined;
  isLeft(clientId: ClientId): boolean;
  patienceOf(clientId: ClientId): { readonly timeoutMs: number; readonly deleteMs: number } | undefined;
  isSuperseded(clientId: ClientId): boolean;
  /** @returns what is left to do of it, when that is much: nothing else is performed before it is done. */
  perform(effect: NamingEffect): Iterator<unknown> | undefined;
}

export type NamingEffect = Extract<
  Effect,
  { type: "apply" | "forget" | "renumber" | "mark" | "takeOver" | "handOver" }
>;

export interface DistroRunnerSetup {
  readonly clock: Clock;
  readonly log: Log;
  readonly memberId: string;
  readonly incarnation: number;
  readonly options: Partial<DistroOptions>;
  readonly naming: DistroNaming;
  /** Frames of one message, in order; for a member without a link they are lost, which digests repair. */
  readonly send: (to: string, message: readonly Uint8Array[]) => void;
  /** Calls `answered` with clients of which an instance answers, any number of times within the time. */
  readonly probe: (
    clientIds: readonly ClientId[],
    withinMs: number,
    answered: (clientIds: readonly ClientId[]) => void,
  ) => void;
  readonly ready: (how: Extract<Effect, { type: "ready" }>["how"], reason: string) => void;
  readonly notReady: (reason: string) => void;
}

/** Feeds the core of Distro and performs what it decides. */
export class DistroRunner {
  readonly state: DistroState;
  /** Lives whose removals are held back, by owner and incarnation: how many clients, and until when. */
  readonly held = new Map<string, Extract<Effect, { type: "hold" }>>();
  readonly #setup: DistroRunnerSetup;
  readonly #effects = new EffectQueue<Effect>(
    (effect) => this.#do(effect),
    (effect, err) => this.#setup.log.error({ err, effect: effect.type }, "Distro failed to do what it had decided"),
  );
  /** Of peers to which a link stands. */
  readonly #credits = new Map<string, number>();
  /** Peers to which a huge client was just sent. */
  readonly #resting = new Map<string, Timer>();
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(setup: DistroRunnerSetup) {
    this.#setup = setup;
    const { memberId, incarnation, naming, options } = setup;
    this.state = newDistro(memberId, incarnation, naming, options);
  }

  feed(event: Event): void {
    if (this.#stopped) return;
    if (this.#effects.add(step(this.state, event, this.#setup.clock.now()))) this.#wake();
  }

  /** How many batches the link to a peer takes now; undefined when none stands, or the peer is forgotten. */
  credit(peer: string, batches: number | undefined): void {
    if (batches === undefined) this.#credits.delete(peer);
    else this.#credits.set(peer, batches);
    if (batches === undefined || !this.#resting.has(peer)) this.feed({ type: "credit", peer, batches });
  }

  /** Naming is being given a huge client: it is behind what is decided here. */
  get isApplying(): boolean {
    return this.#effects.isHeld;
  }

  /** Nothing is told or judged from here on: what connections leave behind is no removal. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const timer of this.#resting.values()) timer.cancel();
  }

  #do(effect: Effect): void {
    const { naming, probe, ready, notReady } = this.#setup;
    switch (effect.type) {
      case "send":
        return this.#send(effect);
      case "apply":
      case "forget":
      case "renumber":
      case "mark":
      case "takeOver":
      case "handOver": {
        const rest = naming.perform(effect);
        if (rest === undefined) return;
        this.#effects.hold();
        return this.#goOn(rest);
      }
      case "probe":
        return probe(effect.clientIds, effect.withinMs, (answering) => this.feed({ type: "probed", answering }));
      case "hold":
        this.held.set(`${effect.owner}/${effect.incarnation}`, effect);
        return;
      case "release":
        this.held.delete(`${effect.owner}/${effect.incarnation}`);
        return;
      case "ready":
        return ready(effect.how, effect.reason);
      case "notReady":
        return notReady(effect.reason);
    }
  }

  /** A turn for others between the slices. What members say meanwhile is decided on, and waits to be performed. */
  #goOn(rest: Iterator<unknown>): void {
    const { clock, log } = this.#setup;
    const until = clock.now() + SLICE_MS;
    try {
      while (rest.next().done !== true) {
        if (clock.now() < until) continue;
        clock.schedule(0, () => !this.#stopped && this.#goOn(rest));
        return;
      }
    } catch (thrown) {
      escalate(thrown);
      log.error({ err: thrown }, "Distro failed to give naming all of a client");
    }
    if (this.#effects.resume()) this.#wake();
  }

  #send({ to, message }: Extract<Effect, { type: "send" }>): void {
    const { clock, naming, send } = this.#setup;
    const beganAt = clock.now();
    let isHuge = false;
    for (const part of fill(message, naming.contentsOf)) {
      send(to, frames(part));
      isHuge ||= part.type === "sync" && part.changes.some(isHugeWhole);
    }
    if (isHuge) this.#rest(to, Math.min(REST_MAX_MS, REST_FACTOR * (clock.now() - beganAt)));
  }

  /** Ids of what changes meanwhile wait, one entry per client. */
  #rest(peer: string, forMs: number): void {
    const rest = this.#resting.get(peer);
    rest?.cancel();
    this.#resting.set(
      peer,
      this.#setup.clock.schedule(forMs, () => {
        this.#resting.delete(peer);
        this.feed({ type: "credit", peer, batches: this.#credits.get(peer) });
      }),
    );
    this.feed({ type: "credit", peer, batches: 0 });
  }

  #wake(): void {
    const now = this.#setup.clock.now();
    const at = nextAt(this.state);
    if (this.#stopped || at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    // Timers of Node hold 24 days at most, and nothing waits for ever.
    if (at === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#setup.clock.schedule(Math.max(WAKE_MS_MIN, at - now), () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.feed({ type: "tick" });
    });
  }
}

function isHugeWhole({ base, contents }: Change): boolean {
  if (base !== undefined) return false;
  let left = HUGE_INSTANCES;
  return contents.publications.some(({ instances }) => {
    left -= instances.length;
    return left < 0;
  });
}
