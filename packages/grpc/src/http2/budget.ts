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

  /** Work that was useful makes up for frames that were not. */
  earn(tokens: number): void {
    this.#tokens = Math.min(this.#tokens + tokens, this.#allowance.burst);
  }

  #refill(now: number): void {
    this.earn(((now - this.#filledAt) * this.#allowance.perSecond) / 1000);
    this.#filledAt = now;
  }
}
