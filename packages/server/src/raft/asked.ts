import type { Index, MemberId, Raft, Token } from "@nacre/core/raft";
import type { CommandCodec } from "../storage/port.ts";
import { whyNotCarried } from "./carried.ts";
import type { ForwardedProposal, NotTaken, Packet } from "./codec.ts";

/** Of this member: what the log is to hold, and whom it is told what came of it. */
interface Own<O> {
  readonly owner: O;
  readonly payload: Buffer;
}

interface OfPeer {
  readonly from: MemberId;
  /** Of the process that asked. */
  readonly life: number;
  readonly proposal: ForwardedProposal;
}

export interface AskedParts {
  readonly core: Pick<Raft, "leading">;
  token(): Token;
  propose(proposals: readonly { readonly token: Token; readonly bytes: number }[]): void;
  send(to: MemberId, packet: Packet): void;
}

/** What the core of this member was asked to put into the log, by whom, until it is settled. */
export class Asked<O> {
  readonly #parts: AskedParts;
  readonly #own = new Map<Token, Own<O>>();
  readonly #ofPeers = new Map<Token, OfPeer>();
  /** Where tokens have their places, so that they are forgotten once those are applied. */
  readonly #places: { readonly last: Index; readonly tokens: readonly Token[] }[] = [];

  constructor(parts: AskedParts) {
    this.#parts = parts;
  }

  propose(proposals: readonly Own<O>[]): void {
    this.#parts.propose(
      proposals.map((own) => {
        const token = this.#parts.token();
        this.#own.set(token, own);
        return { token, bytes: own.payload.length };
      }),
    );
  }

  /**
   * What another member wants in the log, if this member leads.
   *
   * @param codec  of its commands.
   * @returns why the link is to be closed, if it is: no member sends such a thing.
   */
  proposeFor(
    from: MemberId,
    life: number,
    proposals: readonly ForwardedProposal[],
    codec: CommandCodec<unknown> | undefined,
  ): string | undefined {
    const { core, send } = this.#parts;
    const usable: ForwardedProposal[] = [];
    for (const proposal of proposals) {
      const { number, payload } = proposal;
      const refused = whyNotCarried(codec, from, number, payload);
      if (refused?.how === "nonsense") return `${refused.why}, in a proposal`;
      // Who does not lead says so: the leader may be of a version that knows it.
      if (refused === undefined || core.leading === undefined) usable.push(proposal);
      else send(from, { type: "notACommand", life, number, why: refused.why });
    }
    if (usable.length > 0) this.#proposeFor(from, life, usable);
    return undefined;
  }

  #proposeFor(from: MemberId, life: number, proposals: readonly ForwardedProposal[]): void {
    this.#parts.propose(
      proposals.map((proposal) => {
        const token = this.#parts.token();
        this.#ofPeers.set(token, { from, life, proposal });
        return { token, bytes: proposal.payload.length };
      }),
    );
  }

  /** Of an entry that is to be made. */
  payloadOf(token: Token): Buffer | undefined {
    return this.#own.get(token)?.payload ?? this.#ofPeers.get(token)?.proposal.payload;
  }

  accepted(first: Index, tokens: readonly Token[]): void {
    this.#places.push({ last: first + tokens.length - 1, tokens });
    for (const { from, life, numbers } of this.#peersOf(tokens))
      this.#parts.send(from, { type: "taken", life, numbers });
  }

  /** They are in no log, and will be in none. @returns whose of this member they are. */
  notTaken(tokens: readonly Token[], reason: NotTaken): O[] {
    for (const { from, life, numbers } of this.#peersOf(tokens))
      this.#parts.send(from, { type: "notTaken", life, reason, numbers });
    return this.forget(tokens);
  }

  /** @returns whose of this member they are. */
  forget(tokens: readonly Token[]): O[] {
    return tokens.flatMap((token) => {
      const own = this.#own.get(token);
      this.#own.delete(token);
      this.#ofPeers.delete(token);
      return own === undefined ? [] : [own.owner];
    });
  }

  /** Everything up to here is applied: what has its place there is settled. */
  applied(index: Index): void {
    let done = 0;
    for (const { last, tokens } of this.#places) {
      if (last > index) break;
      this.forget(tokens);
      done++;
    }
    if (done > 0) this.#places.splice(0, done);
  }

  #peersOf(tokens: readonly Token[]): Iterable<{ from: MemberId; life: number; numbers: number[] }> {
    const peers = new Map<string, { from: MemberId; life: number; numbers: number[] }>();
    if (this.#ofPeers.size === 0) return [];
    for (const token of tokens) {
      const asked = this.#ofPeers.get(token);
      if (asked === undefined) continue;
      const { from, life, proposal } = asked;
      const key = `${life} ${from}`;
      const peer = peers.get(key);
      if (peer === undefined) peers.set(key, { from, life, numbers: [proposal.number] });
      else peer.numbers.push(proposal.number);
    }
    return peers.values();
  }
}
