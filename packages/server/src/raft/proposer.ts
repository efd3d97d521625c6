import { type MemberId, type Sessions, type Stamp, type Token, wasApplied } from "@nacre/core/raft";
import { RegistryError } from "@nacre/protocol";
import type { Timer } from "../clock.ts";
import type { CommandCodec } from "../storage/port.ts";
import { encodeCommand, type ProposalLimits } from "../storage/proposals.ts";
import { oncePerTurn } from "../storage/turn.ts";
import { Asked } from "./asked.ts";
import { endPayload, writePayload } from "./carried.ts";
import type { ForwardedProposal, NotTaken, Packet } from "./codec.ts";
import { Forwards } from "./forwards.ts";
import type { Group } from "./group.ts";
import type { Settled } from "./machine.ts";
import { DecidedFailure } from "./outcomes.ts";
import { Pending, type Proposal } from "./pending.ts";
import { ifRefused, noMajority, outcomeUnknown, resultLost, tooManyAtLeader } from "./reasons.ts";
import { OPENING, Session } from "./session.ts";

export interface ProposerOptions {
  /** A proposal has its outcome after this at the latest. */
  readonly deadlineMs: number;
  /** A leader that does not say that it has taken what it was sent is asked again. */
  readonly forwardMs: number;
  /** How often what waits is looked at. */
  readonly retryMs: number;
}

export const PROPOSER_OPTIONS: ProposerOptions = { deadlineMs: 10_000, forwardMs: 2_000, retryMs: 50 };

/** Whom it is told what came of what this member, while it leads, asked of its core. */
type Owner<R> = Proposal<R> | "opening" | "ending";

/**
 * Proposes for this member's features, here or through the leader, and tells them what came of it when this member has
 * applied it (Q4 to Q6).
 */
export class Proposer<C, R> {
  readonly #group: Group;
  readonly #options: ProposerOptions;
  readonly #codec: CommandCodec<C> | undefined;
  readonly #sessions: () => Sessions;
  readonly #pending: Pending<R>;
  readonly #session: Session;
  readonly #asked: Asked<Owner<R>>;
  readonly #forwards: Forwards;
  readonly #process: number;
  /** What is proposed in one turn goes together. */
  readonly #flushSoon = oncePerTurn(() => this.#flush());
  #isClosing = false;
  #stopped: RegistryError | undefined;
  #timer: Timer | undefined;
  #drained: (() => void) | undefined;
  /** Why the log takes nothing until a write succeeds, and why it did not take the last one. */
  refusing: () => string | undefined = () => undefined;
  diskFailure: () => string | undefined = () => undefined;
  /** Why nothing more is applied here until the store takes what was applied before. */
  waitsForStore: () => string | undefined = () => undefined;

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
    this.#forwards = new Forwards(group.send);
    this.#process = parts.life;
    this.#codec = parts.codec;
    this.#sessions = parts.sessions;
    this.#pending = new Pending(parts.limits);
    this.#options = { ...PROPOSER_OPTIONS, ...parts.options };
    this.#session = new Session(group, parts.life, this.#options.forwardMs, (payload) =>
      this.#asked.propose([{ owner: "opening", payload }]),
    );
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Not `async`: a refusal and the order of proposals are decided before this returns. */
  propose(command: C): Promise<R> {
    if (this.#isClosing)
      return refusal("unavailable", "the log takes no more commands, because the server is stopping");
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    const full = this.#pending.full();
    if (full !== undefined) return Promise.reject(full);
    let bytes: Buffer;
    try {
      bytes = encodeCommand({ codec: this.#codec }, command);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    const tooMuch = this.#pending.tooMuch(bytes.length);
    if (tooMuch !== undefined) return Promise.reject(tooMuch);
    const failure = this.#ownDisk();
    if (failure !== undefined) return refusal("dataAccess", failure);
    const lacks = this.#noMajority();
    if (lacks !== undefined) return refusal("notApplied", lacks);
    const giveUpAt = this.#group.clock.now() + this.#options.deadlineMs;
    const answer = new Promise<R>((resolve, reject) => {
      this.#pending.add({ command: bytes, giveUpAt, resolve, reject });
    });
    this.#flushSoon();
    this.#arm();
    return answer;
  }

  /** Another leader, or none: what the one before had been sent goes to the next one. */
  leaderChanged(): void {
    const { core } = this.#group;
    if (core.leader === undefined) return;
    for (const proposal of this.#pending.all()) if (proposal.sentIn !== core.term) this.#sendAgain(proposal);
    this.#flushSoon();
    this.#arm();
  }

  /** The link to the leader is back: what it was sent and has not said to have may be lost. */
  leaderBack(): void {
    for (const proposal of this.#pending.all())
      if (proposal.resendAt !== Number.POSITIVE_INFINITY) this.#sendAgain(proposal);
    this.#session.askAgain();
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
      if (owner === "opening") this.#session.notTaken();
      else if (owner !== "ending") this.#notTaken(owner, reason);
    }
  }

  /** A member left the group. Tried once, by its leader: a session that nobody uses ends by itself in a day. */
  left(member: MemberId): void {
    this.#asked.propose([{ owner: "ending", payload: endPayload(member) }]);
  }

  /** @returns why the link is to be closed, if it is: no member sends such a thing. */
  forwarded(from: MemberId, senderLife: number, proposals: readonly ForwardedProposal[]): string | undefined {
    return this.#asked.proposeFor(from, senderLife, proposals, this.#codec);
  }

  /** What a leader says of proposals that it was sent. */
  answered(from: MemberId, packet: Extract<Packet, { type: "taken" | "notTaken" | "notACommand" }>): void {
    if (packet.life !== this.#process) return;
    if (packet.type === "notACommand") return this.#notACommand(packet);
    // What one of before has may never be done: the leader of now was sent it too, and has not said that it has it.
    if (packet.type === "taken" && from !== this.#group.core.leader) return;
    for (const number of packet.numbers) {
      if (number === OPENING) {
        if (packet.type === "notTaken") this.#session.notTaken();
        else this.#session.taken();
        continue;
      }
      this.#forwards.settled(number);
      const proposal = this.#pending.get(number);
      if (proposal === undefined) continue;
      if (packet.type === "notTaken") this.#notTaken(proposal, packet.reason);
      else proposal.resendAt = Number.POSITIVE_INFINITY;
    }
    // There may be room for what waited.
    this.#flushSoon();
  }

  /** An entry was applied here. */
  settled(settled: Settled<R>): void {
    const { self } = this.#group;
    if (settled.type === "opened") {
      if (settled.member === self && settled.life === this.#session.life) this.#opened();
      return;
    }
    if (settled.type !== "write" || settled.stamp.member !== self || settled.stamp.life !== this.#session.life) return;
    const proposal = this.#pending.get(settled.stamp.number);
    if (proposal === undefined) return;
    const { admission, applied } = settled;
    if (applied !== undefined) {
      if (applied.ok) this.#end(proposal, () => proposal.resolve(applied.result));
      else this.#fail(proposal, new DecidedFailure(applied.failure, applied.message));
    } else if (admission === "repeat") this.#fail(proposal, resultLost());
    else if (admission === "tooFar") this.#notTaken(proposal, "overThreshold");
    else if (proposal.isOvertaken) this.#fail(proposal, outcomeUnknown());
    else this.#beginAgain(proposal);
  }

  /** The state of another member took the place of this one's, and of entries that were not applied here. */
  installed(): void {
    const sessions = this.#sessions();
    const { self } = this.#group;
    if (sessions.newest.get(self)?.life === this.#session.life && !this.#session.isOpen) this.#opened();
    for (const proposal of this.#pending.all()) {
      if (proposal.sentIn < 0) continue;
      const known = wasApplied(sessions, this.#stamp(proposal.number));
      if (known === true) this.#fail(proposal, resultLost());
      else if (known === undefined) proposal.isOvertaken = true;
    }
  }

  /** The log has stopped for good. What may be in a log may be done, by others or by the next start. @param why as a sentence. */
  stop(why: RegistryError): void {
    this.#stopped ??= why;
    const unknown = new RegistryError("outcomeUnknown", `it is not known whether the write was done: ${why.message}`, {
      cause: why,
    });
    for (const proposal of this.#pending.all()) this.#fail(proposal, proposal.copies > 0 ? unknown : why);
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
    for (const proposal of this.#pending.all()) this.#giveUp(proposal, "the server is stopping");
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #stamp(number: number): Stamp {
    return { member: this.#group.self, life: this.#session.life, number, low: Math.min(number, this.#pending.low) };
  }

  #flush(): void {
    const { core, self, clock, peers } = this.#group;
    const { leader, term } = core;
    if (leader === undefined || this.#stopped !== undefined) return;
    // What is not sent is not unknown, should nobody take it.
    if (leader !== self && peers.outOfReachSince(leader) !== undefined) return;
    if (!this.#session.isOpen) return this.#session.open(leader);
    const proposals = this.#pending.takeWaiting(({ number, command }) => {
      if (leader === self) return true;
      if (!this.#forwards.hasRoom(command.length)) return false;
      this.#forwards.add(number, command.length);
      return true;
    });
    if (proposals.length === 0) return;
    const answerMs = leader === self ? Number.POSITIVE_INFINITY : this.#options.forwardMs + this.#forwards.extraMs;
    const resendAt = clock.now() + answerMs;
    const sent: (ForwardedProposal & { readonly owner: Proposal<R> })[] = [];
    for (const proposal of proposals) {
      const payload = proposal.payload ?? writePayload(this.#stamp(proposal.number), proposal.command);
      proposal.payload = payload;
      proposal.copies++;
      proposal.sentIn = term;
      proposal.resendAt = resendAt;
      sent.push({ owner: proposal, payload, number: proposal.number });
    }
    if (leader === self) this.#asked.propose(sent);
    else this.#forwards.send(leader, sent);
  }

  /** What the leader was sent does not count any more. */
  #sendAgain(proposal: Proposal<R>): void {
    this.#forwards.settled(proposal.number);
    this.#pending.wait(proposal);
  }

  #opened(): void {
    this.#session.opened();
    this.#flushSoon();
  }

  /** The group had ended this session, as if this member had been away for good: it begins another life. */
  #beginAgain(proposal: Proposal<R>): void {
    if (this.#session.isOpen) {
      this.#session.beginAgain();
      for (const other of this.#pending.all()) this.#renumber(other);
    } else this.#renumber(proposal);
    this.#flushSoon();
  }

  /** What went out under the old number can never be applied any more. */
  #renumber(proposal: Proposal<R>): void {
    if (proposal.isOvertaken) return this.#fail(proposal, outcomeUnknown());
    this.#forwards.settled(proposal.number);
    this.#pending.renumber(proposal);
  }

  #notTaken(proposal: Proposal<R>, reason: NotTaken): void {
    if (this.#pending.get(proposal.number) === undefined) return;
    proposal.copies = Math.max(0, proposal.copies - 1);
    proposal.reason = reason;
    if (proposal.copies > 0) return;
    const failure = this.#isAlone() && (reason === "lost" || reason === "diskRefuses") ? this.diskFailure() : undefined;
    if (failure !== undefined) return this.#fail(proposal, new RegistryError("dataAccess", failure));
    if (reason === "overThreshold")
      return this.#fail(proposal, new RegistryError(reason, tooManyAtLeader(this.#leaderName())));
    proposal.resendAt = this.#group.clock.now() + this.#options.retryMs;
  }

  #notACommand({ number, why }: Extract<Packet, { type: "notACommand" }>): void {
    this.#forwards.settled(number);
    const proposal = this.#pending.get(number);
    if (proposal === undefined) return;
    proposal.copies = Math.max(0, proposal.copies - 1);
    const message = `${this.#leaderName()} leads the group and does not take the write: ${why}`;
    if (proposal.copies === 0) this.#fail(proposal, new RegistryError("invalidParameter", message));
  }

  /** Who cannot write cannot apply either, and so not answer, whoever leads (Q4). */
  #ownDisk(): string | undefined {
    return this.#isAlone() ? undefined : (this.refusing() ?? this.waitsForStore());
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
    const isOpening = !this.#session.isOpen && this.#group.core.leader !== undefined;
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
    for (const proposal of this.#pending.all()) {
      if (now >= proposal.giveUpAt) this.#giveUp(proposal, `${this.#options.deadlineMs / 1000} s have passed`);
      else if (proposal.copies === 0 && failure !== undefined)
        this.#fail(proposal, new RegistryError("dataAccess", failure));
      else if (proposal.copies === 0 && lacks !== undefined)
        this.#fail(proposal, new RegistryError("notApplied", lacks));
      else if (now >= proposal.resendAt) this.#sendAgain(proposal);
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
    this.#forwards.settled(proposal.number);
    if (!this.#pending.delete(proposal)) return;
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
