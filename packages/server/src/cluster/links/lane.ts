import type { Envelope } from "./envelopes.ts";

/** What an envelope costs besides its body, so that many small ones are bounded too. Part of the wire: credit counts it. */
export const ENVELOPE_BYTES = 256;

export function costOf(body: Uint8Array): number {
  return ENVELOPE_BYTES + body.length;
}

/** Envelopes of one urgency that wait, in their order. */
export class Lane<E extends Envelope> {
  /** With what each costs besides its body. */
  bytes = 0;
  #items: (E | undefined)[] = [];
  #at = 0;

  get first(): E | undefined {
    return this.#items[this.#at];
  }

  add(envelope: E): void {
    this.#items.push(envelope);
    this.bytes += costOf(envelope.body);
  }

  /** Takes the first one out. */
  shift(): E | undefined {
    const { first } = this;
    if (first === undefined) return undefined;
    this.bytes -= costOf(first.body);
    this.#items[this.#at++] = undefined;
    if (this.#at === this.#items.length) this.clear();
    else if (this.#at >= 1024) {
      this.#items = this.#items.slice(this.#at);
      this.#at = 0;
    }
    return first;
  }

  clear(): void {
    this.#items = [];
    this.#at = 0;
    this.bytes = 0;
  }
}
