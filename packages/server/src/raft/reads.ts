import type { Index, MemberId, Token } from "@nacre/core/raft";
import { RegistryError } from "@nacre/protocol";
import type { Timer } from "../clock.ts";
import { oncePerTurn } from "../storage/turn.ts";
import type { Packet } from "./codec.ts";
import type { Group } from "./group.ts";
import { noMajority } from "./reasons.ts";

/** Reads of this member that wait. */
const READS_MAX = 20_000;
const RETRY_MS = 50;

interface Read {
  readonly giveUpAt: number;
  resolve(index: Index): void;
  reject(error: RegistryError): void;
}

/** Those that were asked for together. */
interface Asked {
  readonly reads: readonly Read[];
  readonly resendAt: number;
}

/** Waits until this member has applied whatever was committed when it was asked (6.4 of the dissertation). */
export class Reads {
  readonly #group: Group;
  readonly #options: { readonly deadlineMs: number; readonly forwardMs: number };
  readonly #request: (token: Token) => void;
  #waiting: Read[] = [];
  readonly #asked = new Map<number, Asked>();
  readonly #askedFor = new Map<Token, { readonly from: MemberId; readonly id: number }>();
  #ready: { readonly read: Read; readonly index: Index }[] = [];
  #count = 0;
  #appliedIndex: Index;
  /** Reads of one turn share one question; it is asked after all of them began. */
  readonly #flushSoon = oncePerTurn(() => this.#flush());
  /** Why no read is answered any more. */
  #closed: RegistryError | undefined;
  #timer: Timer | undefined;

  constructor(
    group: Group,
    appliedIndex: Index,
    options: { readonly deadlineMs: number; readonly forwardMs: number },
    request: (token: Token) => void,
  ) {
    this.#group = group;
    this.#appliedIndex = appliedIndex;
    this.#options = options;
    this.#request = request;
  }

  read(): Promise<Index> {
    const { core, peers, self, clock } = this.#group;
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (this.#count >= READS_MAX)
      return Promise.reject(
        new RegistryError("overThreshold", `${READS_MAX} reads wait for the group's leader: try again later`),
      );
    const lacks = core.leader === undefined ? noMajority(core.configuration.voters, self, peers) : undefined;
    if (lacks !== undefined) return Promise.reject(new RegistryError("unavailable", lacks));
    this.#count++;
    const answer = new Promise<Index>((resolve, reject) => {
      this.#waiting.push({ giveUpAt: clock.now() + this.#options.deadlineMs, resolve, reject });
    });
    this.#flushSoon();
    this.#arm();
    return answer;
  }

  leaderChanged(): void {
    if (this.#group.core.leader === undefined) return;
    for (const [id, { reads }] of this.#asked) {
      this.#asked.delete(id);
      this.#waiting.push(...reads);
    }
    if (this.#waiting.length > 0) this.#flushSoon();
  }

  /** The core knows the index, or does not lead. */
  answered(tokens: readonly Token[], index: Index | undefined): void {
    for (const token of tokens) {
      const peer = this.#askedFor.get(token);
      this.#askedFor.delete(token);
      if (peer === undefined) this.#answered(token, index);
      else this.#group.send(peer.from, { type: "index", id: peer.id, index });
    }
  }

  received(from: MemberId, packet: Extract<Packet, { type: "askIndex" | "index" }>): void {
    if (packet.type === "index") return this.#answered(packet.id, packet.index);
    const token = this.#group.token();
    this.#askedFor.set(token, { from, id: packet.id });
    this.#request(token);
  }

  applied(index: Index): void {
    this.#appliedIndex = Math.max(this.#appliedIndex, index);
    if (this.#ready.length === 0) return;
    const due = this.#ready.filter((one) => one.index <= index);
    if (due.length === 0) return;
    this.#ready = this.#ready.filter((one) => one.index > index);
    for (const { read } of due) this.#end(read, () => read.resolve(this.#appliedIndex));
  }

  /** @param error what is told to those that wait, and that come. */
  close(error: RegistryError): void {
    this.#closed ??= error;
    this.#timer?.cancel();
    this.#timer = undefined;
    const reads = [
      ...this.#waiting,
      ...[...this.#asked.values()].flatMap(({ reads }) => reads),
      ...this.#ready.map(({ read }) => read),
    ];
    this.#waiting = [];
    this.#asked.clear();
    this.#ready = [];
    for (const read of reads) this.#end(read, () => read.reject(error));
  }

  #answered(id: number, index: Index | undefined): void {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (asked === undefined) return;
    if (index === undefined) this.#waiting.push(...asked.reads);
    else for (const read of asked.reads) this.#ready.push({ read, index });
    this.applied(this.#appliedIndex);
  }

  #flush(): void {
    const { core, self, clock } = this.#group;
    const { leader } = core;
    if (leader === undefined || this.#waiting.length === 0 || this.#closed !== undefined) return;
    const id = this.#group.token();
    this.#asked.set(id, { reads: this.#waiting, resendAt: clock.now() + this.#options.forwardMs });
    this.#waiting = [];
    if (leader === self) this.#request(id);
    else this.#group.send(leader, { type: "askIndex", id });
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#closed !== undefined || this.#count === 0) return;
    this.#timer = this.#group.clock.schedule(RETRY_MS, () => {
      this.#timer = undefined;
      this.#look();
      this.#arm();
    });
  }

  #look(): void {
    const now = this.#group.clock.now();
    for (const [id, { reads, resendAt }] of this.#asked) {
      if (now < resendAt) continue;
      this.#asked.delete(id);
      this.#waiting.push(...reads);
    }
    this.#waiting = this.#waiting.filter((read) => !this.#isOver(read, now));
    this.#ready = this.#ready.filter(({ read }) => !this.#isOver(read, now));
    this.#flush();
  }

  #isOver(read: Read, now: number): boolean {
    if (now < read.giveUpAt) return false;
    const seconds = this.#options.deadlineMs / 1000;
    const error = new RegistryError(
      "unavailable",
      `this member could not make sure within ${seconds} s that it is up to date: try again, or at another member`,
    );
    this.#end(read, () => read.reject(error));
    return true;
  }

  #end(_: Read, tell: () => void): void {
    this.#count--;
    tell();
  }
}
