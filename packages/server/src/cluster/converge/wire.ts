import type { ShownInstance } from "@nacre/core/naming";
import { bool, type Field, integer, list, number, object, optionalText, text } from "@nacre/protocol";
import type { Page } from "../peer-calls.ts";

/** What members ask each other to find where they differ. */

export const PAGE_ITEMS = 1_000;
/** Of the text of one page: an answer has a mebibyte at most. */
export const PAGE_CHARS = 256 * 1024;
/** Instances that one step looks at to make digests. */
export const PAGE_INSTANCES = 5_000;

export interface ServiceDigest {
  readonly namespace: string;
  readonly group: string;
  readonly name: string;
  readonly digest: string;
}

/** What a member knows of one client. */
export interface KnownClient {
  readonly id: string;
  /** `removed`: its owner said so; `lost`: nobody spoke for it any more. */
  readonly state: "held" | "removed" | "lost";
  readonly owner: string;
  readonly incarnation: number;
  readonly counter: number;
  readonly contentHash: number;
  /** Since this version was made, as far as the member knows. */
  readonly ageMs: number;
}

export interface OwnersAnswer {
  readonly owners: readonly { readonly owner: string; readonly count: number; readonly hash: number }[];
  /** How the member stands with each other one. */
  readonly peers: readonly {
    readonly id: string;
    readonly reachable: boolean;
    readonly pending: number;
    readonly inFlight: number;
  }[];
  /** Blank when it has loaded. */
  readonly waitingFor: string;
}

/** Questions of `converge`, as part of `PeerCalls`. `from`: where the last page said to go on. */
export interface ConvergeCalls {
  /** What do you hold of whom, as figures? */
  "converge.owners": { given: null; answered: OwnersAnswer };
  /** Your services in order, each with a digest of what you show. */
  "converge.services": { given: { readonly from: string | undefined }; answered: Page<ServiceDigest> };
  /** What do you show of this service? */
  "converge.instances": {
    given: {
      readonly namespace: string;
      readonly group: string;
      readonly name: string;
      readonly from: string | undefined;
    };
    answered: Page<ShownInstance>;
  };
  /** What do you know of these clients? Those that you do not know are left out. */
  "converge.clients": {
    given: { readonly ids: readonly string[] };
    answered: { readonly items: readonly KnownClient[] };
  };
  /** What do you hold of this owner? In the order of `headsAfter`. */
  "converge.heads": {
    given: { readonly owner: string; readonly from: string | undefined };
    answered: Page<KnownClient>;
  };
  /**
   * Why did this instance last go, as your journal says, and when on your wall clock? Blank when it does not. `what`
   * asks for the last time that it became healthy or unhealthy instead.
   */
  "converge.why": {
    given: {
      readonly namespace: string;
      readonly group: string;
      readonly name: string;
      readonly key: string;
      readonly what?: "removed" | "unhealthy" | "healthy";
    };
    answered: { readonly sentence: string; readonly because: string; readonly at: number };
  };
}

export function word<const T extends string>(words: readonly T[], otherwise: NoInfer<T>): Field<T> {
  // What a newer member says in a word that is not known here is shown as the plainest.
  return { read: (value, path) => words.find((one) => one === text().read(value, path)) ?? otherwise };
}

function pageOf<T>(item: Field<T>, max: number): Field<Page<T>> {
  return object({ items: list(item, max), next: optionalText() });
}

export const serviceFields = { namespace: text(), group: text(), name: text() };

const known: Field<KnownClient> = object({
  id: text(),
  state: word(["held", "removed", "lost"], "held"),
  owner: text(),
  incarnation: number(0),
  counter: number(0),
  contentHash: number(0),
  ageMs: number(0),
});

const shown: Field<ShownInstance> = object({
  key: text(),
  weight: number(0),
  healthy: bool(false),
  enabled: bool(false),
  ephemeral: bool(true),
  metadata: text(),
  clientId: text(),
  owner: text(),
  incarnation: number(0),
  counter: number(0),
  shown: word(["asPublished", "unconfirmed", "unhealthy"], "asPublished"),
});

const MANY = 10_000;

export const CONVERGE_ANSWERS: { readonly [Name in keyof ConvergeCalls]: Field<ConvergeCalls[Name]["answered"]> } = {
  "converge.owners": object({
    owners: list(object({ owner: text(), count: integer(0), hash: number(0) }), MANY),
    peers: list(object({ id: text(), reachable: bool(false), pending: integer(0), inFlight: integer(0) }), MANY),
    waitingFor: text(),
  }),
  "converge.services": pageOf(object({ ...serviceFields, digest: text() }), PAGE_ITEMS),
  "converge.instances": pageOf(shown, PAGE_ITEMS),
  "converge.clients": object({ items: list(known, PAGE_ITEMS) }),
  "converge.heads": pageOf(known, PAGE_ITEMS),
  "converge.why": object({ sentence: text(), because: text(), at: number(0) }),
};
