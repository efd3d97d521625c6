import type { MemberId, Term } from "@nacre/core/raft";
import { openPayload } from "./carried.ts";
import type { Group } from "./group.ts";

/** What is left for lives that a session has to be begun again in. */
const LIVES = 1024;
/** The number under which a session is opened. */
export const OPENING = 0;

/** The session of this member in the log (R10, Q8): its first entry, until that is applied here. */
export class Session {
  readonly #group: Group;
  readonly #forwardMs: number;
  readonly #propose: (payload: Buffer) => void;
  /** Of this process, or a later one if the group had ended it. */
  #life: number;
  #state: "closed" | "opening" | "open" = "closed";
  #sentIn: Term = -1;
  #resendAt = 0;

  /**
   * @param life  of this process.
   * @param forwardMs  a leader that does not say that it has taken it is asked again.
   * @param propose  to the core of this member, when that leads.
   */
  constructor(group: Group, life: number, forwardMs: number, propose: (payload: Buffer) => void) {
    this.#group = group;
    this.#life = life * LIVES;
    this.#forwardMs = forwardMs;
    this.#propose = propose;
  }

  get life(): number {
    return this.#life;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Asks for it, unless this leader has been asked a moment ago. */
  open(leader: MemberId): void {
    const { core, self, clock, send } = this.#group;
    const now = clock.now();
    if (this.#state === "opening" && this.#sentIn === core.term && now < this.#resendAt) return;
    this.#state = "opening";
    this.#sentIn = core.term;
    this.#resendAt = leader === self ? Number.POSITIVE_INFINITY : now + this.#forwardMs;
    const payload = openPayload(self, this.#life);
    if (leader === self) this.#propose(payload);
    else send(leader, { type: "forward", proposals: [{ number: OPENING, payload }] });
  }

  taken(): void {
    this.#resendAt = Number.POSITIVE_INFINITY;
  }

  notTaken(): void {
    if (this.#state === "opening") this.#state = "closed";
  }

  /** What was sent may be lost. */
  askAgain(): void {
    this.#resendAt = Math.min(this.#resendAt, 0);
  }

  opened(): void {
    this.#state = "open";
  }

  /** The group has ended it, as if this member had been away for good. */
  beginAgain(): void {
    this.#life++;
    this.#state = "closed";
  }
}
