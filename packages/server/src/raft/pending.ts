import { SESSION_BOUNDS, type Term } from "@nacre/core/raft";
import { RegistryError } from "@nacre/protocol";
import { type ProposalLimits, tooManyWait, tooMuchWaits } from "../storage/proposals.ts";
import { PAYLOAD_BYTES_MAX } from "../storage/records.ts";
import type { NotTaken } from "./codec.ts";

/** What the head of a proposal may have. */
const HEAD_BYTES_MAX = 1024;

/** A command on its way. */
export interface Proposal<R> {
  readonly number: number;
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

/** The proposals of this member that have no outcome yet, by number; and which of them wait to be sent. */
export class Pending<R> {
  readonly #limits: ProposalLimits;
  readonly #byNumber = new Map<number, Proposal<R>>();
  #waiting: Proposal<R>[] = [];
  #bytes = 0;
  #nextNumber = 1;

  constructor(limits: ProposalLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#byNumber.size;
  }

  /** Everything below has its outcome. */
  get low(): number {
    for (const number of this.#byNumber.keys()) return number;
    return this.#nextNumber;
  }

  /** Of now: whoever is told something may propose again, or be told something else. */
  all(): Proposal<R>[] {
    return [...this.#byNumber.values()];
  }

  get(number: number): Proposal<R> | undefined {
    return this.#byNumber.get(number);
  }

  /** Why none is taken, whatever it is. */
  full(): RegistryError | undefined {
    const { pendingMax } = this.#limits;
    if (this.size < pendingMax) return undefined;
    return new RegistryError("overThreshold", tooManyWait(pendingMax));
  }

  /** Why a command of so many bytes is not taken. */
  tooMuch(bytes: number): RegistryError | undefined {
    const bytesMax = PAYLOAD_BYTES_MAX - HEAD_BYTES_MAX;
    if (bytes > bytesMax)
      return new RegistryError("invalidParameter", `a command may have ${bytesMax} bytes, this one has ${bytes}`);
    const { pendingBytesMax } = this.#limits;
    if (this.#bytes + bytes > pendingBytesMax && this.size > 0)
      return new RegistryError("overThreshold", tooMuchWaits(bytes, this.#bytes, pendingBytesMax));
    // The table of sessions remembers so many numbers above the oldest that is not settled.
    if (this.#nextNumber - this.low >= SESSION_BOUNDS.numbersMax)
      return new RegistryError("overThreshold", "a write waits since many others: try again later");
    return undefined;
  }

  add({ command, giveUpAt, resolve, reject }: Pick<Proposal<R>, "command" | "giveUpAt" | "resolve" | "reject">): void {
    this.#bytes += command.length;
    const proposal: Proposal<R> = {
      number: this.#nextNumber++,
      command,
      payload: undefined,
      giveUpAt,
      copies: 0,
      sentIn: -1,
      resendAt: Number.POSITIVE_INFINITY,
      isWaiting: true,
      isOvertaken: false,
      reason: undefined,
      resolve,
      reject,
    };
    this.#byNumber.set(proposal.number, proposal);
    this.#waiting.push(proposal);
  }

  /** It is to be sent, or sent again. */
  wait(proposal: Proposal<R>): void {
    if (proposal.isWaiting) return;
    proposal.isWaiting = true;
    this.#waiting.push(proposal);
  }

  /** Those that wait, up to the first for which there is no room; they do not wait any more. */
  takeWaiting(hasRoom: (proposal: Proposal<R>) => boolean): Proposal<R>[] {
    const waiting = this.#waiting.filter(({ number, isWaiting }) => isWaiting && this.#byNumber.has(number));
    const end = waiting.findIndex((proposal) => !hasRoom(proposal));
    this.#waiting = end < 0 ? [] : waiting.splice(end);
    for (const proposal of waiting) proposal.isWaiting = false;
    return waiting;
  }

  /**
   * As if it had never been sent: nothing that went out under its old number can be applied any more. What is still told of
   * that is told of the one before.
   */
  renumber(before: Proposal<R>): void {
    this.#byNumber.delete(before.number);
    const proposal: Proposal<R> = {
      ...before,
      number: this.#nextNumber++,
      payload: undefined,
      copies: 0,
      isWaiting: false,
    };
    this.#byNumber.set(proposal.number, proposal);
    this.wait(proposal);
  }

  /** @returns whether it was there. */
  delete({ number, command }: Proposal<R>): boolean {
    if (!this.#byNumber.delete(number)) return false;
    this.#bytes -= command.length;
    return true;
  }
}
