import type { Index, MemberId } from "@nacre/core/raft";

/** Hashes of a peer that this member has not come to yet. */
const WAITING_MAX = 16;

type Hash = readonly [index: Index, hash: number];

/** Compares, at the leader, what the same entries led to at the others. */
export class StateHashes {
  readonly #own: () => readonly Hash[];
  readonly #differs: (id: MemberId, index: Index) => void;
  readonly #waiting = new Map<MemberId, Hash[]>();
  /** Blocks are compared one by one: later ones may be equal although what came before is not. */
  readonly #differing = new Map<MemberId, Index>();

  /** @param own  oldest first. */
  constructor(own: () => readonly Hash[], differs: (id: MemberId, index: Index) => void) {
    this.#own = own;
    this.#differs = differs;
  }

  told(id: MemberId, index: Index, hash: number): void {
    const own = this.#own();
    const mine = own.find(([at]) => at === index);
    if (mine !== undefined) {
      if (mine[1] === hash) return;
      if (!this.#differing.has(id)) this.#differing.set(id, index);
      this.#differs(id, index);
    } else if (index > (own.at(-1)?.[0] ?? 0)) {
      const waiting = this.#waiting.get(id) ?? [];
      waiting.push([index, hash]);
      if (waiting.length > WAITING_MAX) waiting.shift();
      this.#waiting.set(id, waiting);
    }
  }

  /** This member has come to the end of a block. */
  came(): void {
    for (const [id, waiting] of this.#waiting) {
      this.#waiting.delete(id);
      for (const [index, hash] of waiting) this.told(id, index, hash);
    }
  }

  /** Those whose state is another one, with the first index at which that was seen. */
  get differing(): readonly { readonly id: MemberId; readonly index: Index }[] {
    return [...this.#differing].map(([id, index]) => ({ id, index }));
  }

  forget(): void {
    this.#waiting.clear();
    this.#differing.clear();
  }
}
