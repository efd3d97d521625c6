import {
  type MemberId,
  SESSION_BOUNDS,
  type Sessions,
  type Stamp,
  type Term,
  type Token,
  wasApplied,
} from "@nacre/core/raft";
import { RegistryError } from "@nacre/protocol";
import type { Timer } from "../clock.ts";
import type { CommandCodec } from "../storage/port.ts";
import { encodeCommand, type ProposalLimits } from "../storage/proposals.ts";
import { PAYLOAD_BYTES_MAX } from "../storage/records.ts";
import { oncePerTurn } from "../storage/turn.ts";
import { Asked } from "./asked.ts";
import { endPayload, openPayload, writePayload } from "./carried.ts";
import type { ForwardedProposal, NotTaken, Packet } from "./codec.ts";
import type { Group } from "./group.ts";
import type { Settled } from "./machine.ts";
import { ifRefused, noMajority, outcomeUnknown, resultLost } from "./reasons.ts";

export interface ProposerOptions {
  /** A proposal has its outcome after this at the latest. */
  readonly deadlineMs: number;
  /** A leader that does not say that it has taken what it was sent is asked again. */
  readonly forwardMs: number;
  /** How often what waits is looked at. */
  readonly retryMs: number;
}

export const PROPOSER_OPTIONS: ProposerOptions = { deadlineMs: 10_000, forwardMs: 2_000, retryMs: 50 };

/** Bytes of proposals that go to the leader together. */
const FORWARD_BYTES_MAX = 768 * 1024;
/** What is left for lives that a session has to be begun again in. */
const LIVES = 1024;
/** The number under which a session is opened. */
const OPENING = 0;
/** What the head of a proposal may have. */
const HEAD_BYTES_MAX = 1024;

/** A command on its way. */
interface Proposal<R> {
  number: number;
  readonly command: Buffer;
  payload: Buffer | undefined;
  readonly giveUpAt: number;
  /** How often it may be in some log, or on its way to one. */
  copies: number;
  /** When it was last sent, and when it is sent again. */
  sentIn: Term;
  resendAt: number;
  isWaiting: boolean;
  /** A snapshot took the place of what would have told what came of it. */
  isOvertaken: boolean;
  reason: NotTaken | undefined;
  resolve(result: R): void;
  reject(error: RegistryError): void;
}

/** Whom it is told what came of what this member, while it leads, asked of its core. */
type Owner<R> = Proposal<R> | "opening" | "ending";

/**
 * Proposes for this member's features, here or through the leader, and tells them what came of it when this member has
 * applied it (Q4 to Q6).
 */
export class Proposer<C, R> {
  readonly #group: Group;
  readonly #options: ProposerOptions;
  readonly #limits: ProposalLimits;
  readonly #codec: CommandCodec<C> | undefined;
  readonly #sessions: () => Sessions;
  /** By number, in its order. */
  readonly #pending = new Map<number, Proposal<R>>();
  #waiting: Proposal<R>[] = [];
  readonly #asked: Asked<Owner<R>>;
  #pendingBytes = 0;
  #nextNumber = 1;
  readonly #process: number;
  /** Of the session: of this process, or a later one if the group had ended it. */
  #life: number;
  #session: "closed" | "opening" | "open" = "closed";
  #openingSentIn: Term = -1;
  #openingResendAt = 0;
  /** What is proposed in one turn goes together. */
  readonly #flushSoon = oncePerTurn(() => this.#flush());
  #isClosing = false;
  #stopped: RegistryError | undefined;
  #timer: Timer | undefined;
  #drained: (() => void) | undefined;
  /** Why the log takes nothing until a write succeeds, and why it did not take the last one. */
  refusing: () => string | undefined = () => undefined;
  diskFailure: () => string | undefined = () => undefined;

  constructor(
    group: Group,
    parts: {
      readonly life: number;
      readonly codec: CommandCodec<C> | undefined;
      readonly sessions: () => Sessions;
      readonly limits: ProposalLimits;
      readonly options: Partial<ProposerOptions>;
    },
  ) {
    this.#group = group;
    this.#asked = new Asked(group);
    this.#process = parts.life;
    this.#life = parts.life * LIVES;
    this.#codec = parts.codec;
    this.#sessions = parts.sessions;
    this.#limits = parts.limits;
    this.#options = { ...PROPOSER_OPTIONS, ...parts.options };
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Not `async`: a refusal and the order of proposals are decided before this returns. */
  propose(command: C): Promise<R> {
    if (this.#isClosing)
      return refusal("unavailable", "the log takes no more commands, because the server is stopping");
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    const { pendingMax, pendingBytesMax } = this.#limits;
    if (this.pending >= pendingMax)
      return refusal("overThreshold", `${pendingMax} writes are waiting, which is the limit: try again later`);
    let bytes: Buffer;
    try {
      bytes = encodeCommand({ codec: this.#codec }, command);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    const bytesMax = PAYLOAD_BYTES_MAX - HEAD_BYTES_MAX;
    if (bytes.length > bytesMax)
      return refusal("invalidParameter", `a command may have ${bytesMax} bytes, this one has ${bytes.length}`);
    if (this.#pendingBytes + bytes.length > pendingBytesMax && this.pending > 0)
      return refusal(
        "overThreshold",
        `${pendingBytesMax} bytes of writes are waiting, which is the limit: try again later`,
      );
    // The table of sessions remembers so many numbers above the oldest that is not settled.
    if (this.#nextNumber - this.#low() >= SESSION_BOUNDS.numbersMax)
      return refusal("overThreshold", "a write waits since many others: try again later");
    const failure = this.#ownDisk();
    if (failure !== undefined) return refusal("dataAccess", failure);
    const lacks = this.#noMajority();
    if (lacks !== undefined) return refusal("notApplied", lacks);
    this.#pendingBytes += bytes.length;
    const answer = new Promise<R>((resolve, reject) => {
      const proposal: Proposal<R> = {
        number: this.#nextNumber++,
        command: bytes,
        payload: undefined,
        giveUpAt: this.#group.clock.now() + this.#options.deadlineMs,
        copies: 0,
        sentIn: -1,
        resendAt: Number.POSITIVE_INFINITY,
        isWaiting: true,
        isOvertaken: false,
        reason: undefined,
        resolve,
        reject,
      };
      this.#pending.set(proposal.number, proposal);
      this.#waiting.push(proposal);
    });
    this.#flushSoon();
    this.#arm();
    return answer;
  }

  /** Another leader, or none: what the one before had been sent goes to the next one. */
  leaderChanged(): void {
    const { core } = this.#group;
    if (core.leader === undefined) return;
    for (const proposal of this.#pending.values()) if (proposal.sentIn !== core.term) this.#wait(proposal);
    this.#flushSoon();
    this.#arm();
  }

  /** The link to the leader is back: what it was sent and has not said to have may be lost. */
  leaderBack(): void {
    for (const proposal of this.#pending.values())
      if (proposal.resendAt !== Number.POSITIVE_INFINITY) this.#wait(proposal);
    this.#openingResendAt = Math.min(this.#openingResendAt, 0);
    this.#flushSoon();
  }

  /** Of an entry that is to be made. */
  payloadOf(token: Token): Buffer | undefined {
    return this.#asked.payloadOf(token);
  }

  accepted(first: number, tokens: readonly Token[]): void {
    this.#asked.accepted(first, tokens);
  }

  /** Everything up to here is applied. */
  applied(index: number): void {
    this.#asked.applied(index);
  }

  /** A snapshot took the places of these. What it says of them was looked at before (`installed`). */
  overtaken(tokens: readonly Token[]): void {
    for (const owner of this.#asked.forget(tokens))
      if (typeof owner === "object" && !owner.isOvertaken) this.#notTaken(owner, "lost");
  }

  /** They are in no log, and will be in none. */
  notTaken(tokens: readonly Token[], reason: NotTaken): void {
    for (const owner of this.#asked.notTaken(tokens, reason)) {
      if (owner === "opening") this.#openingNotTaken();
      else if (owner !== "ending") this.#notTaken(owner, reason);
    }
  }

  /** A member left the group. Tried once, by its leader: a session that nobody uses ends by itself in a day. */
  left(member: MemberId): void {
    this.#asked.propose([{ owner: "ending", payload: endPayload(member) }]);
  }

  received(
    from: MemberId,
    senderLife: number,
    packet: Extract<Packet, { type: "forward" | "taken" | "notTaken" }>,
  ): void {
    if (packet.type === "forward") return this.#asked.proposeFor(from, senderLife, packet.proposals);
    if (packet.life !== this.#process) return;
    for (const number of packet.numbers) {
      if (number === OPENING) {
        if (packet.type === "notTaken") this.#openingNotTaken();
        else this.#openingResendAt = Number.POSITIVE_INFINITY;
        continue;
      }
      const proposal = this.#pending.get(number);
      if (proposal === undefined) continue;
      if (packet.type === "notTaken") this.#notTaken(proposal, packet.reason);
      else proposal.resendAt = Number.POSITIVE_INFINITY;
    }
  }

  /** An entry was applied here. */
  settled(settled: Settled<R>): void {
    const { self } = this.#group;
    if (settled.type === "opened") {
      if (settled.member === self && settled.life === this.#life) this.#opened();
      return;
    }
    if (settled.type !== "write" || settled.stamp.member !== self || settled.stamp.life !== this.#life) return;
    const proposal = this.#pending.get(settled.stamp.number);
    if (proposal === undefined) return;
    const { admission, applied } = settled;
    if (applied !== undefined) {
      if (applied.ok) this.#end(proposal, () => proposal.resolve(applied.result));
      else this.#fail(proposal, new RegistryError(applied.failure, applied.message));
    } else if (admission === "repeat") this.#fail(proposal, resultLost());
    else if (admission === "tooFar") this.#notTaken(proposal, "overThreshold");
    else if (proposal.isOvertaken) this.#fail(proposal, outcomeUnknown());
    else this.#beginAgain(proposal);
  }

  /** The state of another member took the place of this one's, and of entries that were not applied here. */
  installed(): void {
    const sessions = this.#sessions();
    const { self } = this.#group;
    if (sessions.newest.get(self)?.life === this.#life && this.#session !== "open") this.#opened();
    for (const proposal of [...this.#pending.values()]) {
      if (proposal.sentIn < 0) continue;
      const known = wasApplied(sessions, this.#stamp(proposal.number));
      if (known === true) this.#fail(proposal, resultLost());
      else if (known === undefined) proposal.isOvertaken = true;
    }
  }

  /** The log has stopped for good: @param later what is told from now on. */
  stop(error: RegistryError, later: RegistryError): void {
    this.#stopped ??= later;
    for (const proposal of [...this.#pending.values()]) this.#fail(proposal, error);
  }

  /** Takes no more; resolves when the rest has its outcome, which is given at the latest when `giveUp` resolves. */
  async close(giveUp: Promise<void>): Promise<void> {
    this.#isClosing = true;
    if (this.#pending.size > 0) {
      const drained = new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
      await Promise.race([drained, giveUp]);
    }
    for (const proposal of [...this.#pending.values()]) this.#giveUp(proposal, "the server is stopping");
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #low(): number {
    for (const number of this.#pending.keys()) return number;
    return this.#nextNumber;
  }

  #stamp(number: number): Stamp {
    return { member: this.#group.self, life: this.#life, number, low: Math.min(number, this.#low()) };
  }

  #wait(proposal: Proposal<R>): void {
    if (proposal.isWaiting) return;
    proposal.isWaiting = true;
    this.#waiting.push(proposal);
  }

  #flush(): void {
    const { core, self, clock, peers } = this.#group;
    const { leader, term } = core;
    if (leader === undefined || this.#stopped !== undefined) return;
    // What is not sent is not unknown, should nobody take it.
    if (leader !== self && peers.outOfReachSince(leader) !== undefined) return;
    if (this.#session !== "open") return this.#open(leader);
    if (this.#waiting.length === 0) return;
    const proposals = this.#waiting.filter(({ number, isWaiting }) => isWaiting && this.#pending.has(number));
    this.#waiting = [];
    const resendAt = leader === self ? Number.POSITIVE_INFINITY : clock.now() + this.#options.forwardMs;
    const sent: (ForwardedProposal & { readonly owner: Proposal<R> })[] = [];
    for (const proposal of proposals) {
      proposal.isWaiting = false;
      const payload = proposal.payload ?? writePayload(this.#stamp(proposal.number), proposal.command);
      proposal.payload = payload;
      proposal.copies++;
      proposal.sentIn = term;
      proposal.resendAt = resendAt;
      sent.push({ owner: proposal, payload, number: proposal.number });
    }
    if (leader === self) this.#asked.propose(sent);
    else this.#forward(leader, sent);
  }

  #forward(leader: MemberId, proposals: readonly ForwardedProposal[]): void {
    let batch: ForwardedProposal[] = [];
    let bytes = 0;
    for (const { number, payload } of proposals) {
      if (batch.length > 0 && bytes + payload.length > FORWARD_BYTES_MAX) {
        this.#group.send(leader, { type: "forward", proposals: batch });
        batch = [];
        bytes = 0;
      }
      batch.push({ number, payload });
      bytes += payload.length;
    }
    if (batch.length > 0) this.#group.send(leader, { type: "forward", proposals: batch });
  }

  /** The first entry of a life (R10); what is proposed waits until it is applied here. */
  #open(leader: MemberId): void {
    const { core, self, clock } = this.#group;
    const now = clock.now();
    if (this.#session === "opening" && this.#openingSentIn === core.term && now < this.#openingResendAt) return;
    this.#session = "opening";
    this.#openingSentIn = core.term;
    this.#openingResendAt = leader === self ? Number.POSITIVE_INFINITY : now + this.#options.forwardMs;
    const payload = openPayload(self, this.#life);
    if (leader !== self)
      return this.#group.send(leader, { type: "forward", proposals: [{ number: OPENING, payload }] });
    this.#asked.propose([{ owner: "opening", payload }]);
  }

  #openingNotTaken(): void {
    if (this.#session === "opening") this.#session = "closed";
  }

  #opened(): void {
    this.#session = "open";
    this.#flushSoon();
  }

  /** The group had ended this session, as if this member had been away for good: it begins another life. */
  #beginAgain(proposal: Proposal<R>): void {
    if (this.#session === "open") {
      this.#life++;
      this.#session = "closed";
      for (const other of [...this.#pending.values()]) this.#renumber(other);
    } else this.#renumber(proposal);
    this.#flushSoon();
  }

  /** What went out under the old number can never be applied any more. */
  #renumber(proposal: Proposal<R>): void {
    if (proposal.isOvertaken) return this.#fail(proposal, outcomeUnknown());
    this.#pending.delete(proposal.number);
    proposal.number = this.#nextNumber++;
    proposal.payload = undefined;
    proposal.copies = 0;
    this.#pending.set(proposal.number, proposal);
    this.#wait(proposal);
  }

  #notTaken(proposal: Proposal<R>, reason: NotTaken): void {
    if (!this.#pending.has(proposal.number)) return;
    proposal.copies = Math.max(0, proposal.copies - 1);
    proposal.reason = reason;
    if (proposal.copies > 0) return;
    const failure = this.#isAlone() && (reason === "lost" || reason === "diskRefuses") ? this.diskFailure() : undefined;
    if (failure !== undefined) return this.#fail(proposal, new RegistryError("dataAccess", failure));
    if (reason === "overThreshold")
      return this.#fail(proposal, new RegistryError("overThreshold", ifRefused(reason, this.#leaderName())));
    proposal.resendAt = this.#group.clock.now() + this.#options.retryMs;
  }

  /** Who cannot write cannot apply either, and so not answer, whoever leads (Q4). */
  #ownDisk(): string | undefined {
    return this.#isAlone() ? undefined : this.refusing();
  }

  #isAlone(): boolean {
    const { voters } = this.#group.core.configuration;
    return voters.length === 1 && voters[0] === this.#group.self;
  }

  #leaderName(): string {
    const { core, peers, self } = this.#group;
    return core.leader === undefined
      ? "no member"
      : core.leader === self
        ? "this member"
        : peers.addressOf(core.leader);
  }

  #noMajority(): string | undefined {
    const { core, peers, self } = this.#group;
    return core.leader === undefined ? noMajority(core.configuration.voters, self, peers) : undefined;
  }

  /** One timer while something waits. */
  #arm(): void {
    const isOpening = this.#session !== "open" && this.#group.core.leader !== undefined;
    if (this.#timer !== undefined || this.#stopped !== undefined || (this.#pending.size === 0 && !isOpening)) return;
    this.#timer = this.#group.clock.schedule(this.#options.retryMs, () => {
      this.#timer = undefined;
      this.#look();
      this.#arm();
    });
  }

  #look(): void {
    const now = this.#group.clock.now();
    const lacks = this.#noMajority();
    const failure = this.#ownDisk();
    for (const proposal of [...this.#pending.values()]) {
      if (now >= proposal.giveUpAt) this.#giveUp(proposal, `${this.#options.deadlineMs / 1000} s have passed`);
      else if (proposal.copies === 0 && failure !== undefined)
        this.#fail(proposal, new RegistryError("dataAccess", failure));
      else if (proposal.copies === 0 && lacks !== undefined)
        this.#fail(proposal, new RegistryError("notApplied", lacks));
      else if (now >= proposal.resendAt) this.#wait(proposal);
    }
    this.#flush();
  }

  #giveUp(proposal: Proposal<R>, why: string): void {
    if (proposal.copies > 0) return this.#fail(proposal, outcomeUnknown(why));
    const { reason } = proposal;
    const who = reason === undefined || reason === "lost" ? "no leader took it" : ifRefused(reason, this.#leaderName());
    this.#fail(
      proposal,
      new RegistryError("notApplied", `the write was not done, because ${who} and ${why}: try again`),
    );
  }

  #fail(proposal: Proposal<R>, error: RegistryError): void {
    this.#end(proposal, () => proposal.reject(error));
  }

  /** Makes room first: whoever is answered may propose again. */
  #end(proposal: Proposal<R>, tell: () => void): void {
    if (!this.#pending.delete(proposal.number)) return;
    this.#pendingBytes -= proposal.command.length;
    tell();
    if (this.#pending.size > 0) return;
    this.#drained?.();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#arm();
  }
}

function refusal(...[failure, message]: ConstructorParameters<typeof RegistryError>): Promise<never> {
  return Promise.reject(new RegistryError(failure, message));
}
