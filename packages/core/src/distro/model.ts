import type { ServiceName, TextMap } from "@nacre/protocol";
import type { Millis } from "../lib/units.ts";

export type ClientId = string;
export type MemberId = string;

/** Who wrote a client last, in which of its lives, and how many changes there were. Grows with every change. */
export interface Version {
  readonly owner: MemberId;
  readonly incarnation: number;
  readonly counter: number;
}

/**
 * No client has changed so often. What is greater is passed over, and neither taken nor overruled: the version that did so
 * would be nonsense to everybody else.
 */
export const COUNTER_MAX: number = 2 ** 48;

/**
 * `removed`: its owner said so, with a version of its own. `lost`: nobody speaks for this version any more; its owner
 * may contradict with a greater one.
 */
export type Gone = "removed" | "lost";

/** What members tell each other about one client, without what it publishes. */
export interface Head {
  readonly id: ClientId;
  readonly kind: "connection" | "address";
  readonly version: Version;
  /** Set hash over what it publishes; 0 when it is gone. */
  readonly contentHash: number;
  readonly gone: Gone | undefined;
  /** It was removed because somebody deregistered it: older clients of the same instances go too. */
  readonly asked?: boolean;
  /** Its owner is lost, and a probe found that its instances answer. */
  readonly answers: boolean;
  /** Counter of the last removal that this version comes after, 0 for none: what does not know a removal may be older. */
  readonly after: number;
  /** Milliseconds since this version was made, as far as the sender knows: durations need no common clock. */
  readonly ageMs: Millis;
}

export interface PublishedInstance {
  readonly ip: string;
  readonly port: number;
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  readonly cluster: string;
  readonly metadata: TextMap;
  /** Undefined: derived from the other fields. */
  readonly instanceId: string | undefined;
}

/** The whole of what one client publishes, or of a part: what it publishes for the services that changed. */
export interface Contents {
  readonly ip: string;
  readonly port: number;
  readonly app: string;
  readonly agent: string;
  /** Epoch milliseconds, shown to people. */
  readonly createdAt: number;
  readonly publications: readonly { readonly service: ServiceName; readonly instances: readonly PublishedInstance[] }[];
}

/** What a part builds on: this state of the client, in the same life of the same owner, and no other. */
export interface Base {
  readonly counter: number;
  readonly contentHash: number;
}

export interface Change extends Head {
  readonly contents: Contents;
  /** `contents` is a part: services that are not in it are as they were, those without instances are gone. */
  readonly base?: Base;
}

/** What is to be sent of a client. */
export interface Outline extends Head {
  /** Only what it publishes for these services, which is all that changed since `base`. */
  readonly part?: { readonly base: Base; readonly services: readonly ServiceName[] };
}

/** What this member knows of one client: held, or gone and remembered so that nothing older comes back. */
export interface Entry {
  readonly id: ClientId;
  readonly kind: "connection" | "address";
  version: Version;
  contentHash: number;
  gone: Gone | undefined;
  asked?: boolean;
  answers: boolean;
  after: number;
  /** When this version was made, on the clock of this member. */
  madeAt: Millis;
  /** A newer client took its place: while that one stands it may go as soon as its owner is lost, or it went for that. */
  superseded: boolean;
}

/**
 * The order of versions of one client: by counter, which goes on when another member takes a client over. Ties are
 * broken the same way everywhere. To be lost ranks behind the version that is lost, and before everything newer.
 */
export function compareVersions(
  a: { readonly version: Version; readonly gone: Gone | undefined },
  b: { readonly version: Version; readonly gone: Gone | undefined },
): number {
  return (
    a.version.counter - b.version.counter ||
    Number(a.gone === "removed") - Number(b.gone === "removed") ||
    a.version.incarnation - b.version.incarnation ||
    (a.version.owner < b.version.owner ? -1 : a.version.owner > b.version.owner ? 1 : 0) ||
    Number(a.gone === "lost") - Number(b.gone === "lost")
  );
}

export function sameVersion(a: Version, b: Version): boolean {
  return a.counter === b.counter && a.incarnation === b.incarnation && a.owner === b.owner;
}
