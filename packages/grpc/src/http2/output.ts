/** Memory that small frames are written to, shared by all connections of a thread: most hold none of it. */
const SLAB_BYTES = 32 * 1024;

/** Less than this leaves as one run, copied together: several are dearer for a socket than the copy. */
const JOINED_BYTES_MAX = 4096;

const NOTHING = Buffer.alloc(0);
let slab: Buffer = NOTHING;
let used = 0;

/** What a connection has to write: runs of shared memory and references to large payloads, in order. */
export class Output {
  /** Bytes that wait for `take`. */
  bytes = 0;
  /** The memory of the latest `reserve`. */
  memory: Buffer = NOTHING;
  #parts: Buffer[] | undefined;
  /** The run of `memory` that is not among the parts yet. */
  #from = 0;
  #to = 0;

  /** Makes room for `size` bytes (at most 32 KiB) and returns where in `memory` they go. They must be written at once. */
  reserve(size: number): number {
    if (this.memory !== slab || this.#to !== used || used + size > slab.length) {
      this.#closeRun();
      if (used + size > slab.length) {
        // Fresh memory each time: what was written may wait in a socket for as long as its peer does not read.
        slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
        used = 0;
      }
      this.memory = slab;
      this.#from = used;
      this.#to = used;
    }
    const at = used;
    used += size;
    this.#to = used;
    this.bytes += size;
    return at;
  }

  /** Small bytes are copied: the caller may change them afterwards. */
  copy(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.memory.set(bytes, at);
  }

  /** Large bytes are referenced: they must not change until they are written. */
  refer(bytes: Buffer): void {
    this.#closeRun();
    this.#add(bytes);
    this.bytes += bytes.length;
  }

  /** Everything so far, in order; afterwards there is nothing. */
  take(): Buffer[] {
    this.#closeRun();
    const parts = this.#parts ?? [];
    const joined = parts.length > 1 && this.bytes <= JOINED_BYTES_MAX;
    this.#parts = undefined;
    this.bytes = 0;
    // Or the latest answer of an idle connection would keep all that lies beside it in memory.
    this.memory = NOTHING;
    this.#from = 0;
    this.#to = 0;
    return joined ? [Buffer.concat(parts)] : parts;
  }

  #closeRun(): void {
    if (this.#to > this.#from) this.#add(this.memory.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  #add(bytes: Buffer): void {
    if (this.#parts === undefined) this.#parts = [bytes];
    else this.#parts.push(bytes);
  }
}
