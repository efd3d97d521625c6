import { nodeCrypto } from "../node-crypto.ts";

/** Kinds of rows that say how entries were applied and not what they led to. */
const OF_THE_LOG = new Set(["raft"]);
/** The beginning of a line that names its kind: `["kind",`. */
const KIND_BYTES_MAX = 64;
const KIND = /^\["([^"\\]{1,50})",/;

/** What a snapshot holds, from its bytes as they pass: how many rows of each kind, and one hash of all. */
export class Tally {
  readonly #hash = nodeCrypto().createHash("sha256");
  readonly #counts = new Map<string, number>();
  /** The beginning of a line whose kind is not known yet. */
  #begun: Buffer = Buffer.alloc(0);
  #isCounted = false;
  #isAtStart = true;

  /** Pieces of any length, in order. */
  push(piece: Buffer): void {
    const bytes = this.#begun.length === 0 ? piece : Buffer.concat([this.#begun, piece]);
    this.#begun = NOTHING;
    // Rows of the state that follow each other go into the hash at once.
    let countedFrom = 0;
    let at = 0;
    const hashUpTo = (end: number): void => {
      if (this.#isCounted && end > countedFrom) this.#hash.update(bytes.subarray(countedFrom, end));
      countedFrom = end;
    };
    while (at < bytes.length) {
      if (this.#isAtStart) {
        const head = bytes.subarray(at, at + KIND_BYTES_MAX);
        if (head.length < KIND_BYTES_MAX && !head.includes(10)) {
          hashUpTo(at);
          this.#begun = Buffer.from(head);
          return;
        }
        const kind = KIND.exec(head.toString("latin1"))?.[1];
        const isCounted = kind !== undefined && !OF_THE_LOG.has(kind);
        if (isCounted !== this.#isCounted) {
          hashUpTo(at);
          this.#isCounted = isCounted;
          countedFrom = at;
        }
        if (isCounted) this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
        this.#isAtStart = false;
      }
      const end = bytes.indexOf(10, at);
      this.#isAtStart = end !== -1;
      at = end === -1 ? bytes.length : end + 1;
    }
    hashUpTo(at);
  }

  /** To be asked once, after the last piece. */
  end(): { readonly counts: Readonly<Record<string, number>>; readonly stateHash: string } {
    return { counts: Object.fromEntries([...this.#counts].sort()), stateHash: this.#hash.digest("hex") };
  }
}

const NOTHING: Buffer = Buffer.alloc(0);
