import type { Event, Index, Raft } from "@nacre/core/raft";
import type { Clock } from "../clock.ts";
import type { StorageLogger } from "../storage/logger.ts";

/** Applying that is not the same each time would differ again and again: within this a member does not begin anew. */
const RENEW_MS = 3_600_000;

/** Why this member takes no writes, and is not ready. */
export const RENEWING =
  "what the log led to here differs from what it led to at most voters, so that this member fetches a snapshot from the " +
  "leader: use another member until it has it";

export interface RenewalParts {
  readonly core: Raft;
  readonly clock: Clock;
  readonly logger: StorageLogger;
  readonly applying: { pause(): void };
  feed(event: Event): void;
  /** Sets a copy of the state aside, for whoever looks into why. @returns the folder. */
  keep(reason: string): Promise<string>;
  /** See `RaftEvents.renewing`. */
  told(isRenewing: boolean): void;
}

/** A member that hears that its state differs from that of most applies nothing more, and takes the leader's (Q11). */
export class Renewal {
  readonly #parts: RenewalParts;
  #begunAt = -Infinity;
  #kept: Promise<void> = Promise.resolve();

  constructor(parts: RenewalParts) {
    this.#parts = parts;
    if (!this.isUnderWay) return;
    // An earlier life has begun it.
    this.#begunAt = parts.clock.now();
    parts.applying.pause();
  }

  get isUnderWay(): boolean {
    return this.#parts.core.trust === "stateLost";
  }

  differs(index: Index): void {
    const { core, clock, logger, feed } = this.#parts;
    if (core.trust !== "whole") return;
    if (clock.now() - this.#begunAt < RENEW_MS) {
      logger.warn(
        { index },
        "this member's state differs again within an hour, so that it does not take another's anew",
      );
      return;
    }
    if (core.leading === undefined) return this.#begin(index);
    // The next leader is told all hashes, and tells this member.
    if (core.leading.transfer === undefined) feed({ type: "transfer", to: undefined });
  }

  /** The state is the leader's. */
  ended(): void {
    const { feed, logger, told } = this.#parts;
    if (!this.isUnderWay) return;
    feed({ type: "stateRenewed" });
    logger.warn({}, "this member has the state of the leader in the place of one that differed");
    told(false);
  }

  /** Resolves when nothing is being set aside. */
  kept(): Promise<void> {
    return this.#kept;
  }

  #begin(index: Index): void {
    const { clock, logger, applying, feed, keep, told } = this.#parts;
    this.#begunAt = clock.now();
    applying.pause();
    feed({ type: "stateLost" });
    const reason = `what the log led to here, up to entry ${index}, differs from what it led to at most voters`;
    logger.warn({ index }, `${reason}: this member fetches a snapshot from the leader`);
    this.#kept = keep(reason).then(
      (folder) => logger.warn({ folder }, `the state that differed is set aside in ${folder}`),
      (err: unknown) =>
        logger.warn({ err }, "the state that differed could not be set aside; it is replaced all the same"),
    );
    told(true);
  }
}
