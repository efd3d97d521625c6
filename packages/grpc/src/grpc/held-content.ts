const FIRST_BYTES = 1024;

/**
 * Content of a paused call, in one run of memory: a peer may send it byte by byte. What has been written stays as it is,
 * because messages are views of it.
 */
export class HeldContent {
  bytes: Buffer = Buffer.alloc(0);
  /** What is before it has been used up. */
  start = 0;
  end = 0;

  add(from: Buffer, start: number, end: number): void {
    const size = end - start;
    if (this.end + size > this.bytes.length) {
      const held = this.end - this.start;
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, 2 * (held + size)));
      this.bytes.copy(grown, 0, this.start, this.end);
      this.bytes = grown;
      this.start = 0;
      this.end = held;
    }
    from.copy(this.bytes, this.end, start, end);
    this.end += size;
  }
}
