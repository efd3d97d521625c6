import {
  type BalanceFacts,
  type BalancePlan,
  balance,
  balancePlan,
  type MemberCount,
  newBalance,
} from "@nacre/core/connections";
import type { Clock, Timer } from "../clock.ts";
import type { Connections, Log } from "../connections/connections.ts";
import { type MemberLoad, redirectTo } from "../connections/loader.ts";
import type { PeerAnswer, Peers } from "./peer-calls.ts";

const DECIDE_MS = 1_000;
/** Counts of others are as old as this at most: what moves meanwhile is a few hundredths. */
const ASK_MS = 5_000;
const ANSWER_MS = 1_000;
/** A client that knows this member alone comes back at once, and is not to be sent away each second. */
const SETTLED_MS = 60_000;

export interface BalancerSetup {
  readonly clock: Clock;
  readonly log: Log;
  readonly connections: Connections;
  readonly peers: Peers;
  readonly self: () => MemberCount;
  /** Monotonic milliseconds. */
  readonly membersChangedAt: () => number;
}

/** Lets connections find an even share after members came, went or restarted, without anybody asking for it. */
export class Balancer {
  readonly #setup: BalancerSetup;
  readonly #state = newBalance();
  #others: BalanceFacts["others"] = [];
  #counts: { readonly id: string; readonly count: number }[] = [];
  #askedAt = Number.NEGATIVE_INFINITY;
  #movedAt = Number.NEGATIVE_INFINITY;
  #asking = false;
  #timer: Timer | undefined;

  constructor(setup: BalancerSetup) {
    this.#setup = setup;
  }

  start(): void {
    this.#timer = this.#setup.clock.schedule(DECIDE_MS, () => {
      this.#decide();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** SDK connections per member that told its count, this one first. */
  counts(selfId: string, sdk: number): { readonly id: string; readonly count: number }[] {
    return [{ id: selfId, count: sdk }, ...this.#counts];
  }

  /** Whether connections were sent away within the last few seconds. */
  get moving(): boolean {
    return this.#setup.clock.now() - this.#movedAt < 2 * ASK_MS;
  }

  /** What would happen from now on, with counts that are asked for at once. */
  async plan(): Promise<BalancePlan> {
    await this.#ask();
    return balancePlan(this.#state, this.#facts(), this.#setup.clock.now());
  }

  #decide(): void {
    const { clock, connections, log } = this.#setup;
    if (clock.now() - this.#askedAt >= ASK_MS) void this.#ask();
    const order = balance(this.#state, this.#facts(), clock.now());
    if (order === undefined) return;
    const moved = connections.reload(connections.count.sdk - order.count, redirectTo(order.to), 1, SETTLED_MS);
    if (moved === 0) return;
    // Until the others are asked again: the next ones go to whoever holds fewer with these.
    this.#others = this.#others.map((one) => (one?.address === order.to ? { ...one, sdk: one.sdk + moved } : one));
    this.#movedAt = clock.now();
    log.info({ moved, to: order.to }, "connections were sent to a member that holds fewer");
  }

  async #ask(): Promise<void> {
    const { clock, peers } = this.#setup;
    if (this.#asking) return;
    this.#asking = true;
    this.#askedAt = clock.now();
    try {
      const answers = await peers.askAll("loader.load", null, ANSWER_MS);
      this.#others = answers.map(countOf);
      this.#counts = answers.flatMap(({ memberId, answer }) =>
        answer === undefined ? [] : [{ id: memberId, count: answer.connections.sdk }],
      );
    } finally {
      this.#asking = false;
    }
  }

  #facts(): BalanceFacts {
    const { self, membersChangedAt } = this.#setup;
    return { self: self(), others: this.#others, membersChangedAt: membersChangedAt() };
  }
}

function countOf({ answer }: PeerAnswer<MemberLoad>): MemberCount | undefined {
  if (answer === undefined) return undefined;
  const { address, ready, connections } = answer;
  return { address, ready, sdk: connections.sdk };
}
