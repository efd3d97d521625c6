import type { Configuration, Event, Index, MemberId, Order, Token } from "@nacre/core/raft";
import { isClose } from "@nacre/core/raft";
import { FAILURES, type FailureName, RegistryError } from "@nacre/protocol";
import type { Timer } from "../clock.ts";
import type { NotTaken, Packet } from "./codec.ts";
import type { Group } from "./group.ts";
import type { GroupOrder } from "./port.ts";
import { ifRefused, noMajority } from "./reasons.ts";

/** Orders that wait. */
const ORDERS_MAX = 100;
/** How often a change is tried that waits for the one before it. */
const RETRY_MS = 50;

interface Waiting {
  /** Of a change that has its place. */
  index: Index | undefined;
  readonly isTransfer: boolean;
  timer: Timer | undefined;
  /** Of a change that is tried again when the one before it is committed. */
  again: (() => void) | undefined;
  retry: Timer | undefined;
  resolve(): void;
  reject(error: RegistryError): void;
}

type OrderAnswer =
  | { readonly ok: true }
  | { readonly ok: false; readonly failure: FailureName; readonly message: string };

/** Changes of voters and of leadership that somebody asked for, carried out by the leader. */
export class Orders {
  readonly #group: Group;
  readonly #deadlineMs: number;
  readonly #feed: (event: Event) => void;
  readonly #waiting = new Map<Token, Waiting>();
  #isClosed = false;

  constructor(group: Group, deadlineMs: number, feed: (event: Event) => void) {
    this.#group = group;
    this.#deadlineMs = deadlineMs;
    this.#feed = feed;
  }

  /**
   * Resolves when the change is committed, or the other member was told to lead.
   * @throws RegistryError `notApplied` with the reason; `outcomeUnknown` when its end was not heard of in time.
   */
  async order(order: GroupOrder): Promise<void> {
    const { core, self, peers } = this.#group;
    if (this.#isClosed) throw new RegistryError("unavailable", "the server is stopping");
    if (this.#waiting.size >= ORDERS_MAX) throw new RegistryError("overThreshold", `${ORDERS_MAX} orders wait already`);
    const { leader } = core;
    if (leader === undefined)
      throw new RegistryError(
        "notApplied",
        noMajority(core.configuration.voters, self, peers) ?? "no member leads the group: try again",
      );
    return leader === self ? this.#carryOut(order) : this.#forward(leader, order);
  }

  received(from: MemberId, packet: Extract<Packet, { type: "order" | "orderEnded" }>): void {
    const { id, text } = packet;
    if (packet.type === "orderEnded") return this.#ended(id, answerOf(text));
    const order = orderOf(text);
    const answered =
      order === undefined
        ? Promise.reject(new RegistryError("invalidParameter", "this order is of no known kind"))
        : this.#ofPeer(order);
    answered.then(
      () => this.#answer(from, id, { ok: true }),
      (thrown: unknown) => {
        const { failure, message } = RegistryError.from(thrown);
        this.#answer(from, id, { ok: false, failure, message });
      },
    );
  }

  /** Not passed on: two that take each other for the leader would go on with that for ever. */
  async #ofPeer(order: GroupOrder): Promise<void> {
    const { core, self } = this.#group;
    if (core.leader === self) return this.order(order);
    throw new RegistryError(
      "notApplied",
      `the order was not carried out, because ${ifRefused("notLeader", "the member that was asked")}: try again`,
    );
  }

  notTaken(tokens: readonly Token[], reason: NotTaken): void {
    for (const token of tokens) {
      const waiting = this.#waiting.get(token);
      if (waiting === undefined) continue;
      // Changes are made one at a time: this one waits for its turn.
      if (reason === "changePending" && waiting.again !== undefined) {
        waiting.index = undefined;
        waiting.retry = this.#group.clock.schedule(RETRY_MS, waiting.again);
        continue;
      }
      this.#fail(
        token,
        new RegistryError("notApplied", `the order was not carried out, because ${ifRefused(reason, "this member")}`),
      );
    }
  }

  /** A snapshot took the places of these, and of what would have told what came of them. */
  overtaken(tokens: readonly Token[]): void {
    const late =
      "it is not known whether the order was carried out, because this member was brought up to date by a snapshot " +
      "meanwhile: look at the group's status";
    for (const token of tokens) this.#fail(token, new RegistryError("outcomeUnknown", late));
  }

  committed(index: Index): void {
    for (const [token, waiting] of this.#waiting)
      if (waiting.index !== undefined && waiting.index <= index) this.#end(token, () => waiting.resolve());
  }

  transferEnded(isDone: boolean): void {
    for (const [token, waiting] of this.#waiting) {
      if (!waiting.isTransfer) continue;
      if (isDone) this.#end(token, () => waiting.resolve());
      else
        this.#fail(
          token,
          new RegistryError("notApplied", "no other voter that is in reach and up to date took the leadership"),
        );
    }
  }

  /** What the leader does by itself: who lost its votes is demoted, a learner that has caught up is promoted. */
  manage(): void {
    const { core, clock } = this.#group;
    const { leading, configuration, configurationIndex, commit } = core;
    if (leading === undefined || commit < leading.first || commit < configurationIndex) return;
    for (const { id, trust } of leading.peers.values())
      if (trust === "allLost" && configuration.voters.includes(id)) return this.#change({ type: "demote", id });
    for (const id of configuration.learners)
      if (isClose(core, id, clock.now())) return this.#change({ type: "promote", id });
  }

  close(): void {
    this.#isClosed = true;
    for (const token of [...this.#waiting.keys()])
      this.#fail(token, new RegistryError("outcomeUnknown", "the server is stopping while the order is carried out"));
  }

  #change(order: Order): void {
    this.#feed({ type: "change", token: this.#group.token(), order });
  }

  async #carryOut(order: GroupOrder): Promise<void> {
    // Whoever asks may be in the middle of a step, and what comes of this one is read off the core.
    await undefined;
    const token = this.#group.token();
    if (order.type === "transfer") {
      const underWay = this.#group.core.leading?.transfer;
      if (underWay !== undefined && order.id !== undefined && order.id !== underWay.to)
        throw new RegistryError("notApplied", "the leadership is being handed over to another member already");
      const answer = this.#wait(token, true);
      // Who asks for the same has the outcome of the one that is under way.
      if (underWay !== undefined) return answer;
      this.#feed({ type: "transfer", to: order.id });
      return answer;
    }
    const { core } = this.#group;
    const answer = this.#wait(token, false);
    const attempt = (): void => {
      const before = core.configurationIndex;
      this.#feed({ type: "change", token, order });
      const waiting = this.#waiting.get(token);
      if (waiting !== undefined && core.configurationIndex !== before) waiting.index = core.configurationIndex;
    };
    const waiting = this.#waiting.get(token);
    if (waiting !== undefined) waiting.again = attempt;
    attempt();
    return answer;
  }

  #forward(leader: MemberId, order: GroupOrder): Promise<void> {
    const token = this.#group.token();
    const answer = this.#wait(token, false);
    this.#group.send(leader, { type: "order", id: token, text: JSON.stringify(order) });
    return answer;
  }

  #answer(to: MemberId, id: number, answer: OrderAnswer): void {
    if (!this.#isClosed) this.#group.send(to, { type: "orderEnded", id, text: JSON.stringify(answer) });
  }

  #ended(token: Token, answer: OrderAnswer | undefined): void {
    const waiting = this.#waiting.get(token);
    if (waiting === undefined || answer === undefined) return;
    if (answer.ok) this.#end(token, () => waiting.resolve());
    else this.#fail(token, new RegistryError(answer.failure, answer.message));
  }

  #wait(token: Token, isTransfer: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const seconds = this.#deadlineMs / 1000;
      const late = `it is not known whether the order was carried out, because ${seconds} s have passed: look at the group's status`;
      const timer = this.#group.clock.schedule(this.#deadlineMs, () =>
        this.#fail(token, new RegistryError("outcomeUnknown", late)),
      );
      this.#waiting.set(token, {
        index: undefined,
        isTransfer,
        timer,
        again: undefined,
        retry: undefined,
        resolve,
        reject,
      });
    });
  }

  #fail(token: Token, error: RegistryError): void {
    const waiting = this.#waiting.get(token);
    this.#end(token, () => waiting?.reject(error));
  }

  #end(token: Token, tell: () => void): void {
    const waiting = this.#waiting.get(token);
    waiting?.timer?.cancel();
    waiting?.retry?.cancel();
    this.#waiting.delete(token);
    tell();
  }
}

/** Of a member. */
const ID_CHARS_MAX = 200;
const TYPES: readonly string[] = ["addLearner", "demote", "remove", "transfer"] satisfies GroupOrder["type"][];

function orderOf(text: string): GroupOrder | undefined {
  const order = parsed(text) as Partial<GroupOrder> | undefined;
  if (order?.type === undefined || !TYPES.includes(order.type)) return undefined;
  if (typeof order.id === "string" && order.id.length <= ID_CHARS_MAX) return { type: order.type, id: order.id };
  return order.type === "transfer" && order.id === undefined ? { type: order.type, id: undefined } : undefined;
}

function answerOf(text: string): OrderAnswer | undefined {
  const answer = parsed(text) as Partial<Record<"ok" | "failure" | "message", unknown>> | undefined;
  if (answer?.ok === true) return { ok: true };
  const { failure, message } = answer ?? {};
  if (typeof failure !== "string" || !Object.hasOwn(FAILURES, failure) || typeof message !== "string") return undefined;
  return { ok: false, failure: failure as FailureName, message };
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a configuration names a member at all. */
export function roleIn({ voters, learners }: Configuration, id: MemberId): "voter" | "learner" | "leaving" {
  if (voters.includes(id)) return "voter";
  return learners.includes(id) ? "learner" : "leaving";
}
