import type { Configuration, Effect, Index, MemberId, Raft } from "@nacre/core/raft";
import type { StorageLogger } from "../storage/logger.ts";
import type { NewRecord } from "../storage/records.ts";
import type { ApplyLoop } from "./apply-loop.ts";
import { configurationText } from "./codec.ts";
import type { RaftPacket } from "./feeder.ts";
import type { Orders } from "./orders.ts";
import type { Outbox } from "./outbox.ts";
import type { RaftEvents } from "./port.ts";
import type { Proposer } from "./proposer.ts";
import type { Reads } from "./reads.ts";
import type { Receiver } from "./receiver.ts";
import type { Writes } from "./writes.ts";

const NOTHING = Buffer.alloc(0);

export interface PerformerParts<C, R> {
  readonly core: Raft;
  readonly logger: StorageLogger;
  readonly events: RaftEvents | undefined;
  readonly writes: Writes;
  readonly outbox: Outbox;
  readonly receiver: Receiver;
  readonly applying: ApplyLoop<R>;
  readonly proposer: Proposer<C, R>;
  readonly reads: Reads;
  readonly orders: Orders;
  /** Epoch milliseconds, of an entry that this member makes. */
  at(): number;
  leaderChanged(): void;
  roleChanged(): void;
  /** This member leads no more, or tried to hand over. */
  handedOver(): void;
}

/** Carries out what the core says, in order. */
export class Performer<C, R> {
  readonly #parts: PerformerParts<C, R>;
  #elections = 0;
  #leaders = 0;
  /** What the entries hold that this step appends. */
  #fresh: NewRecord[] = [];
  #isLeading = false;
  /** Of the newest configuration that is committed. */
  #members: ReadonlySet<MemberId>;

  constructor(parts: PerformerParts<C, R>) {
    this.#parts = parts;
    const { voters, learners } = parts.core.configuration;
    this.#members = new Set([...voters, ...learners]);
  }

  /** Times that this member asked for votes, and leaders that it came to know. */
  get counts(): { readonly elections: number; readonly leaders: number } {
    return { elections: this.#elections, leaders: this.#leaders };
  }

  /** @param packet  the message that led to it. */
  perform(effects: readonly Effect[], packet: RaftPacket | undefined): void {
    this.#fresh = [];
    for (const effect of effects) this.#perform(effect, packet);
  }

  #perform(effect: Effect, packet: RaftPacket | undefined): void {
    const { events } = this.#parts;
    switch (effect.type) {
      case "persist":
        return this.#parts.writes.write(effect, this.#fresh, packet);
      case "send": {
        const { to, message, after } = effect;
        return this.#parts.writes.when(after, () => this.#parts.outbox.post(to, message));
      }
      case "accepted": {
        const tokens = effect.proposals.map(({ token }) => token);
        for (const token of tokens) {
          const payload = this.#parts.proposer.payloadOf(token) ?? NOTHING;
          this.#fresh.push({ term: effect.term, kind: "command", at: this.#parts.at(), payload });
        }
        return this.#parts.proposer.accepted(effect.first, tokens);
      }
      case "made": {
        const { term, configuration } = effect;
        const payload = configuration === undefined ? NOTHING : Buffer.from(configurationText(configuration));
        const kind = configuration === undefined ? "noop" : "configuration";
        this.#fresh.push({ term, kind, at: this.#parts.at(), payload });
        return;
      }
      case "refused":
        this.#parts.proposer.notTaken(effect.tokens, effect.reason);
        return this.#parts.orders.notTaken(effect.tokens, effect.reason);
      case "lost":
        this.#parts.proposer.notTaken(effect.tokens, "lost");
        return this.#parts.orders.notTaken(effect.tokens, "lost");
      case "overtaken":
        this.#parts.proposer.overtaken(effect.tokens);
        return this.#parts.orders.overtaken(effect.tokens);
      case "commit":
        return this.#parts.applying.upTo(effect.index);
      case "readReady":
        return this.#parts.reads.answered(effect.tokens, effect.index);
      case "readFailed":
        return this.#parts.reads.answered(effect.tokens, undefined);
      case "leaderChanged":
        this.#parts.proposer.leaderChanged();
        this.#parts.reads.leaderChanged();
        if (effect.leader !== undefined) this.#leaders++;
        this.#parts.leaderChanged();
        events?.leaderChanged?.(effect.leader, effect.term);
        return;
      case "roleChanged":
        this.#parts.roleChanged();
        if (effect.role === "candidate") this.#elections++;
        if (effect.role !== "leader") this.#parts.handedOver();
        if (this.#isLeading === (effect.role === "leader")) return;
        this.#isLeading = !this.#isLeading;
        events?.leading?.(this.#isLeading);
        return;
      case "configurationChanged":
        if (effect.committed) this.#onMembers(effect.index, effect.configuration);
        events?.configurationChanged?.(effect.configuration, effect.committed);
        return;
      case "removedFromGroup":
        events?.removed?.();
        return;
      case "transferEnded":
        this.#parts.orders.transferEnded(effect.done);
        this.#parts.handedOver();
        return;
      case "writeChunk": {
        if (packet?.message.type !== "chunk") return;
        const { index, snapshotTerm: term, total } = packet.message;
        return this.#parts.receiver.write({ index, term, total }, effect.offset, packet.chunk);
      }
      case "peerDamaged":
        this.#parts.logger.warn(
          { member: effect.id, trust: effect.trust },
          "a member lacks entries of the log that it had acknowledged, and is sent them again",
        );
        events?.peerDamaged?.(effect.id, effect.trust);
        // At the next tick a leader of two has no majority any more, and could not order it.
        return this.#parts.orders.manage();
      case "trusted":
        return this.#parts.writes.trusts("whole");
      case "distrusted":
        return this.#parts.writes.trusts("stateLost");
    }
  }

  #onMembers(index: Index, { voters, learners }: Configuration): void {
    this.#parts.orders.committed(index);
    const members = new Set([...voters, ...learners]);
    if (this.#parts.core.leading !== undefined)
      for (const id of this.#members) if (!members.has(id)) this.#parts.proposer.left(id);
    this.#members = members;
  }
}
