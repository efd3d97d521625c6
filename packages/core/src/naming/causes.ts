import type { ServiceKey } from "@nacre/protocol";
import type { MemberId } from "../membership/frames.ts";
import type { InstanceKey } from "./model.ts";

export const CAUSES = [
  "deregistered",
  "replaced",
  "superseded",
  "connectionClosed",
  "heartbeatExpired",
  "heartbeatBack",
  "healthCheck",
  "operator",
  "serviceDeleted",
  "toldByMember",
  "memberLost",
  "memberBack",
  "caughtUp",
] as const;
/** Why an instance went away or changed its health. */
export type Cause = (typeof CAUSES)[number];

export interface CauseRecord {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly what: "removed" | "unhealthy" | "healthy" | "disabled" | "enabled";
  readonly service: ServiceKey;
  readonly instance: InstanceKey;
  readonly clientId: string;
  /** The address of whoever caused it; blank when the server did. */
  readonly from: string;
  readonly cause: Cause;
  /** The rest of the sentence, for example how long the heartbeat was missing. */
  readonly detail: string;
}

/**
 * The journal of causes: a ring of the last `max` records, in which the oldest makes room for the newest. "Why is this
 * instance gone?" has an answer for as far back as that reaches; the default is meant for a day of a busy registry.
 */
export class CauseJournal {
  readonly #max: number;
  readonly #ring: CauseRecord[] = [];
  #next = 0;
  /** Records that made room for newer ones. */
  dropped = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#ring.length;
  }

  add(record: CauseRecord): void {
    if (this.#max === 0) return;
    if (this.#ring.length === this.#max) this.dropped++;
    this.#ring[this.#next] = record;
    this.#next = (this.#next + 1) % this.#max;
  }

  /** The newest matching records first, at most `limit`. */
  find(matches: (record: CauseRecord) => boolean, limit: number): CauseRecord[] {
    const found: CauseRecord[] = [];
    for (let back = 1; back <= this.#ring.length && found.length < limit; back++) {
      const record = this.#ring[(this.#next - back + this.#ring.length) % this.#ring.length] as CauseRecord;
      if (matches(record)) found.push(record);
    }
    return found;
  }
}

const HAPPENED: Record<CauseRecord["what"], string> = {
  removed: "was removed",
  unhealthy: "became unhealthy",
  healthy: "became healthy",
  disabled: "was taken offline",
  enabled: "was put online",
};

const BECAUSE: Record<Cause, string> = {
  deregistered: "its client deregistered it",
  replaced: "its client replaced what it publishes for this service",
  superseded: "a newer client that published the same address deregistered it",
  connectionClosed: "the connection of its client ended",
  heartbeatExpired: "its heartbeats stopped",
  heartbeatBack: "its heartbeats came back",
  healthCheck: "of its health check",
  operator: "an operator asked for it",
  serviceDeleted: "its service was deleted",
  toldByMember: "the member that has its client said so",
  memberLost: "the member that had its client is gone",
  memberBack: "the member that has its client is back, or its own address answered",
  caughtUp: "this member had been behind, and has learnt what the cluster decided meanwhile",
};

/**
 * The record as one sentence for people.
 *
 * @param shown  the address of a member; what else is known of why it said so may stand behind it.
 */
export function causeSentence(
  record: CauseRecord,
  shown = (memberId: MemberId): string => `member ${memberId}`,
): string {
  const who = record.from === "" ? "" : `, asked from ${record.from}`;
  const because = causeText(record, shown);
  return `${shownInstance(record.instance)} of ${record.service} ${HAPPENED[record.what]} because ${because}; client ${record.clientId}${who}.`;
}

/** The colons of IP version 6 are kept apart from the others. */
function shownInstance(key: string): string {
  return key.replace(/^(.*:.*)(:\d+:[^:]*)$/, "[$1]$2");
}

/** The part of the sentence that says why. */
export function causeText(record: CauseRecord, shown = (memberId: MemberId): string => `member ${memberId}`): string {
  const member = memberIn(record);
  const detail = member === undefined ? record.detail : shown(member);
  return BECAUSE[record.cause] + (detail === "" ? "" : ` (${detail})`);
}

/** The other member that has the client or had it; undefined for what is not about one. */
export function memberIn({ cause, detail }: CauseRecord): MemberId | undefined {
  const isCopy =
    cause === "toldByMember" || cause === "memberLost" || cause === "memberBack" || cause === "deregistered";
  return isCopy ? /^member (\S+)$/.exec(detail)?.[1] : undefined;
}
