import { isAlone, linkTo, listedOthers, type MemberId, type Membership } from "@nacre/core/membership";
import { integer, object, RegistryError } from "@nacre/protocol";
import type { Clock, Timer } from "../../clock.ts";
import type { Log } from "../../connections/connections.ts";
import { uncaught } from "../../faults.ts";
import type { OpenedIdentity } from "../identity.ts";
import type { WhyNot } from "./early-calls.ts";
import { type FormingFacts, type FoundationFacts, formingStep, whyApart, whyNotFirst } from "./forming.ts";
import type { GroupHandle } from "./group-log.ts";

/** How often it is looked whether something is to be done, while this member is not in its group, and then. */
const SOON_MS = 100;
const LATER_MS = 1_000;
/** Longer than an election takes. */
const LOST_MS = 4_000;
/** Between two requests. */
const ASK_MS = 300;

export interface FormingParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly group: Pick<GroupHandle, "group" | "order" | "found" | "wasRemoved" | "lostAt" | "look">;
  readonly identity: Pick<OpenedIdentity, "identity">;
  readonly membership: () => Membership;
  /** Asks a member to have this one taken into the group. */
  readonly askToJoin: (id: MemberId) => Promise<unknown>;
}

/** Brings this member into its group: see `forming.ts` for what is decided. */
export class Forming {
  readonly #parts: FormingParts;
  #timer: Timer | undefined;
  #isStopped = false;
  #isBusy = false;
  #askedAt = Number.NEGATIVE_INFINITY;
  #asked = 0;
  #told = "";

  constructor(parts: FormingParts) {
    this.#parts = parts;
  }

  start(): void {
    this.look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Why nothing may be the first entry of features yet. */
  whyNotFirst(): WhyNot | undefined {
    return whyNotFirst(this.#foundation());
  }

  /** Why this member takes no writes, although it is a group by itself; undefined otherwise. */
  whyApart(): string | undefined {
    return this.#isOnlyVoter() ? whyApart(this.#foundation()) : undefined;
  }

  #isOnlyVoter(): boolean {
    const voters = this.#parts.group.group?.configuration.voters ?? [];
    return voters.length === 1 && voters[0] === this.#parts.membership().start.id;
  }

  #foundation(): FoundationFacts {
    const { clock, group } = this.#parts;
    const membership = this.#parts.membership();
    const now = clock.now();
    const status = group.group;
    const voters = status?.configuration.voters ?? [];
    const others = listedOthers(membership, now);
    const missing = others.flatMap(({ address, id, absence }) => {
      if (id !== undefined && voters.includes(id)) return [];
      if (absence?.type !== "unreachable") return { address, absence };
      return { address, absence: { ...absence, since: clock.wall() - (now - absence.since) } };
    });
    return {
      // A list may leave this member out.
      listed: Math.max(1, membership.list.entries.length),
      voters: voters.length,
      missing,
      mayBeTakenIn: membership.settled && status?.role !== "leader" && this.#others().length > 0,
    };
  }

  look(): void {
    if (this.#isStopped) return;
    const facts = this.#facts();
    const step = facts === undefined || this.#isBusy ? "wait" : formingStep(facts);
    if (step === "found") this.#run(this.#parts.group.found());
    else if (step === "ask") this.#ask();
    else if (!this.#isBusy) this.#takeOutReplaced();
    this.#parts.group.look();
    this.#timer?.cancel();
    const isIn = facts?.isIn === true && facts.hasLeader;
    this.#timer = this.#parts.clock.schedule(isIn ? LATER_MS : SOON_MS, () => this.look());
  }

  #facts(): FormingFacts | undefined {
    const { clock, group, identity } = this.#parts;
    const membership = this.#parts.membership();
    const status = group.group;
    // Who is in a group while its disk says that the log is to be set aside would forget what it promised there.
    if (status === undefined || identity.identity.group === "over") return undefined;
    const { voters, learners } = status.configuration;
    const self = membership.start.id;
    return {
      stands: membership.settled || isAlone(membership),
      isFounder: identity.identity.group === "founds",
      knowsGroup: voters.length > 0,
      isIn: voters.includes(self) || learners.includes(self),
      hasLeader: status.leader !== undefined,
      wasRemoved: group.wasRemoved,
      isLost: group.lostAt !== undefined && clock.now() - group.lostAt > LOST_MS,
      hasOthers: this.#others().length > 0,
    };
  }

  #others(): MemberId[] {
    const membership = this.#parts.membership();
    return [...membership.members.values()].flatMap((member) =>
      linkTo(membership, member) !== undefined && member.state !== "DOWN" ? [member.id] : [],
    );
  }

  #ask(): void {
    const { clock, log, askToJoin } = this.#parts;
    if (clock.now() - this.#askedAt < ASK_MS) return;
    this.#askedAt = clock.now();
    const others = this.#others();
    const asked = others[this.#asked++ % others.length];
    if (asked === undefined) return;
    this.#run(
      askToJoin(asked).catch((thrown: unknown) => {
        const { message } = RegistryError.from(thrown);
        if (message === this.#told) return;
        this.#told = message;
        log.info({ member: asked, reason: message }, "this member was not taken into its group yet; it asks again");
      }),
    );
  }

  /**
   * A member whose data folder was lost comes back under another id. As long as the one before counts, the group stands
   * one voter nearer to a halt; when the new one votes in its place, its leader takes it out.
   */
  #takeOutReplaced(): void {
    const { group, log } = this.#parts;
    const membership = this.#parts.membership();
    const status = group.group;
    if (status?.role !== "leader") return;
    const { voters } = status.configuration;
    const replaced = voters.find((id) => {
      const { state, replacedBy } = membership.members.get(id) ?? {};
      return state === "DOWN" && replacedBy !== undefined && voters.includes(replacedBy);
    });
    if (replaced === undefined) return;
    log.info(
      { member: replaced },
      "a voter is taken out of the group: another member, which votes, has taken its place",
    );
    // What does not come of it now is tried again with the next look.
    this.#run(group.order({ type: "remove", id: replaced }).catch(() => {}));
  }

  #run(work: Promise<unknown>): void {
    this.#isBusy = true;
    work.catch(uncaught).finally(() => {
      this.#isBusy = false;
    });
  }
}

const request = object({ epoch: integer(0) });

/**
 * A member asks to be taken into the group of this one; links are told of members alone.
 *
 * @throws RegistryError with the reason why not, or not yet.
 */
export async function joinOf(
  log: Pick<GroupHandle, "group" | "order"> | undefined,
  epoch: number,
  from: MemberId,
  given: unknown,
): Promise<{ readonly isIn: boolean }> {
  if (log === undefined)
    throw new RegistryError("illegalState", "the member that was asked keeps nothing on disk, so it is in no group");
  if (request.read(given, "").epoch !== epoch)
    throw new RegistryError("illegalState", "the member that was asked is in another epoch of the group");
  const { voters = [], learners = [] } = log.group?.configuration ?? {};
  if (voters.length === 0) throw new RegistryError("illegalState", "the member that was asked is in no group yet");
  if (voters.includes(from) || learners.includes(from)) return { isIn: true };
  await log.order({ type: "addLearner", id: from });
  return { isIn: true };
}
