import type { Allowance } from "./limits.ts";

/** A bucket of tokens that time refills. */
export class Budget {
  readonly #allowance: Allowance;
  #tokens: number;
  #filledAt: number;

  constructor(allowance: Allowance, now: number) {
    this.#allowance = allowance;
    this.#tokens = allowance.burst;
    this.#filledAt = now;
  }

  /** @returns false when nothing is left. */
  spend(now: number): boolean {
    this.#refill(now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Takes what is there and what is not, down to as much as a whole burst makes up for. */
  charge(tokens: number, now: number): void {
    this.#refill(now);
    this.#tokens = Math.max(this.#tokens - tokens, -this.#allowance.burst);
  }

  /** Whether less than `tokens` are left. */
  lacks(tokens: number, now: number): boolean {
    this.#refill(now);
    return this.#tokens < tokens;
  }

  /** Work that was useful makes up for frames that were not. */
  earn(tokens: number): void {
    this.#tokens = Math.min(this.#tokens + tokens, this.#allowance.burst);
  }

  #refill(now: number): void {
    this.earn(((now - this.#filledAt) * this.#allowance.perSecond) / 1000);
    this.#filledAt = now;
  }
}
