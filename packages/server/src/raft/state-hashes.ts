import type { Index, MemberId } from "@nacre/core/raft";

/** Hashes of a peer that are kept: some may be of blocks that this member, or another one, has not come to yet. */
const KEPT_MAX = 16;

type Hash = readonly [index: Index, hash: number];

export interface StateHashesParts {
  readonly self: MemberId;
  /** Of this member, oldest first. */
  readonly own: () => readonly Hash[];
  readonly voters: () => readonly MemberId[];
  /** It is another one there than here. */
  readonly differs: (id: MemberId, index: Index) => void;
  /** It is another one there, or here, than at more than half of all voters, which agree. */
  readonly odd: (id: MemberId, index: Index) => void;
}

/** Compares, at the leader, what the same entries led to. */
export class StateHashes {
  readonly #parts: StateHashesParts;
  readonly #told = new Map<MemberId, Hash[]>();
  readonly #differing = new Map<MemberId, Index>();

  constructor(parts: StateHashesParts) {
    this.#parts = parts;
  }

  told(id: MemberId, index: Index, hash: number): void {
    const hashes = (this.#told.get(id) ?? []).filter(([at]) => at !== index);
    hashes.push([index, hash]);
    if (hashes.length > KEPT_MAX) hashes.shift();
    this.#told.set(id, hashes);
    this.#compare(id, index, hash);
    this.#judge(index);
  }

  /** This member has come to the end of a block. */
  came(): void {
    const index = this.#parts.own().at(-1)?.[0];
    if (index === undefined) return;
    for (const [id, hash] of this.#at(index)) if (id !== this.#parts.self) this.#compare(id, index, hash);
    this.#judge(index);
  }

  /** Those whose state is another one, with the first index at which that was seen. */
  get differing(): readonly { readonly id: MemberId; readonly index: Index }[] {
    return [...this.#differing].map(([id, index]) => ({ id, index }));
  }

  forget(): void {
    this.#told.clear();
    this.#differing.clear();
  }

  #compare(id: MemberId, index: Index, hash: number): void {
    const mine = this.#at(index).get(this.#parts.self);
    // Each is over all before it: who has the same has taken the state of another one.
    if (mine === hash) this.#differing.delete(id);
    if (mine === undefined || mine === hash) return;
    if (!this.#differing.has(id)) this.#differing.set(id, index);
    this.#parts.differs(id, index);
  }

  #judge(index: Index): void {
    const { self, voters, odd } = this.#parts;
    const all = this.#at(index);
    const ids = voters();
    const counts = new Map<number, number>();
    for (const id of ids) {
      const hash = all.get(id);
      if (hash !== undefined) counts.set(hash, (counts.get(hash) ?? 0) + 1);
    }
    const [agreed] = [...counts].find(([, count]) => count * 2 > ids.length) ?? [];
    const mine = all.get(self);
    if (agreed === undefined || mine === undefined) return;
    // What a leader holds that differs itself is nothing for others to take: the next one tells them.
    if (mine !== agreed) return odd(self, index);
    for (const [id, hash] of all) if (hash !== agreed) odd(id, index);
  }

  #at(index: Index): Map<MemberId, number> {
    const all = new Map<MemberId, number>();
    for (const [id, hashes] of [...this.#told, [this.#parts.self, this.#parts.own()] as const]) {
      const hash = hashes.find(([at]) => at === index)?.[1];
      if (hash !== undefined) all.set(id, hash);
    }
    return all;
  }
}
