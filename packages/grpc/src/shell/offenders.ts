import { isIPv6 } from "node:net";
import { Budget } from "../http2/budget.ts";

/** Connections of one address that end for a broken rule: so many at once, and so many a second, mean nothing. */
const OFFENCES = { burst: 20, perSecond: 5 };
const ADDRESSES_MAX = 10_000;

/** An address that broke rules when its connection came: it is suspect while it lacks a token. */
export type Suspect = Pick<Budget, "lacks">;

/**
 * Addresses whose connections keep breaking rules. Their new connections are not refused, because an address may be that
 * of a balancer or of a whole office: they are read after others, until the address has been quiet for a moment.
 */
export class Offenders {
  /** Those that were noted last are last. */
  readonly #budgets = new Map<string, Budget>();

  /** A connection of this address has ended for a rule that it broke. */
  note(address: string, now: number): void {
    const network = networkOf(address);
    const budget = this.#budgets.get(network) ?? new Budget(OFFENCES, now);
    budget.charge(1, now);
    this.#budgets.delete(network);
    this.#budgets.set(network, budget);
    if (this.#budgets.size <= ADDRESSES_MAX) return;
    for (const oldest of this.#budgets.keys()) {
      this.#budgets.delete(oldest);
      break;
    }
  }

  /** @returns what tells for how long it is one; undefined for an address that is none now. */
  suspect(address: string, now: number): Suspect | undefined {
    const budget = this.#budgets.size === 0 ? undefined : this.#budgets.get(networkOf(address));
    return budget?.lacks(1, now) === true ? budget : undefined;
  }
}

/** Whoever has one address of version 6 has 2^64 of them. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...new Array<string>(Math.max(zeros, 0)).fill("0"), ...after].slice(0, 4).join(":");
}
