import type { MemberReport } from "@nacre/core/diagnosis";
import type { MemberId } from "@nacre/core/membership";
import {
  bool,
  type Field,
  integer,
  number,
  object,
  optional,
  RegistryError,
  type ServiceName,
  text,
} from "@nacre/protocol";
import { type ListenerLine, type ListenerQuestion, listenerPageField } from "../config/listener-page.ts";
import { type ReachQuestion, reachedField, type VersionCount } from "../config/reached.ts";
import type { MemberLoad } from "../connections/loader.ts";
import { type Subscriber, subscriberPageField } from "../naming/subscriber-page.ts";
import { RAFT_ANSWERS, type RaftCalls } from "../ops/raft/wire.ts";
import { CONVERGE_ANSWERS, type ConvergeCalls } from "./converge/wire.ts";
import type { Forwarded, ForwardedWrite } from "./forwarding.ts";
import { readMemberReport } from "./member-report.ts";

/**
 * Every question that members ask each other. A name is part of the wire: a shape that changes gets a new one. A question
 * and its answer have at most a mebibyte each; longer answers come in pages (`everyPage`).
 */
export interface PeerCalls extends ConvergeCalls, RaftCalls {
  /** Make this write of an address client, which you own, if it is still waited for. */
  "naming.write": { given: ForwardedWrite; answered: Forwarded };
  /** Take me into the group of our cluster. */
  "group.join": { given: { readonly epoch: number }; answered: { readonly isIn: boolean } };
  /** An operator said that this member does not come back: forget it, if it is down for you too. */
  "members.forget": { given: { readonly id: MemberId }; answered: { readonly isForgotten: boolean } };
  /** How many connections do you hold, and how busy are you? */
  "loader.load": { given: null; answered: MemberLoad };
  /** What is wrong, as you see it? */
  "diagnosis.report": { given: null; answered: MemberReport };
  /** Who of yours subscribes to this service, and to those whose names contain its own? From the number on. */
  "naming.subscribers": {
    given: { readonly service: ServiceName; readonly from: number };
    answered: Page<Subscriber>;
  };
  /** Who of yours listens to this configuration, or what is listened to from this address? From the number on. */
  "config.listeners": {
    given: ListenerQuestion & { readonly from: number };
    answered: Page<ListenerLine>;
  };
  /** Who of yours would a publish reach? */
  "config.reach": { given: ReachQuestion; answered: { readonly byVersion: readonly VersionCount[] } };
  /** Send away what you hold beyond `keep`, at most this share of all, to the redirected address. */
  "loader.reload": {
    given: { readonly keep: number; readonly share: number; readonly redirect: string };
    answered: { readonly moved: number };
  };
}

export type PeerCallName = keyof PeerCalls;

/** What a member answers. What is given comes from another member: it is to be read with a typed reader. */
export type PeerCallHandlers = {
  readonly [Name in PeerCallName]: (
    given: unknown,
    from: MemberId,
  ) => PeerCalls[Name]["answered"] | Promise<PeerCalls[Name]["answered"]>;
};

/** What came of asking one of several members. */
export type PeerAnswer<T> = { readonly memberId: MemberId; readonly address: string } & (
  | { readonly answer: T; readonly error?: never }
  | { readonly answer?: never; readonly error: RegistryError }
);

/** The other members, to be asked. */
export interface Peers {
  /**
   * @throws RegistryError: that of the other member; `peerUnreachable`, `overThreshold` or `bodyTooLarge` of the link;
   * `serverError` when the answer has another shape.
   */
  ask<Name extends PeerCallName>(
    memberId: MemberId,
    name: Name,
    given: PeerCalls[Name]["given"],
    timeoutMs: number,
  ): Promise<PeerCalls[Name]["answered"]>;
  /** Asks all other members at once. Never rejects. */
  askAll<Name extends PeerCallName>(
    name: Name,
    given: PeerCalls[Name]["given"],
    timeoutMs: number,
  ): Promise<readonly PeerAnswer<PeerCalls[Name]["answered"]>[]>;
}

/** Of a member that is alone. */
export const NO_PEERS: Peers = {
  ask: async (memberId) => {
    throw new RegistryError("peerUnreachable", `there is no connection to member ${memberId}`);
  },
  askAll: async () => [],
};

const forwarded: Field<Forwarded> = {
  read(value, path) {
    const { beat, isUnknown } = object({
      beat: optional(object({ known: bool(false), intervalMs: integer(0) })),
      isUnknown: bool(false),
    }).read(value, path);
    if (isUnknown) return { isUnknown };
    return beat === undefined ? {} : { beat };
  },
};

const ANSWERS: { readonly [Name in PeerCallName]: Field<PeerCalls[Name]["answered"]> } = {
  "naming.write": forwarded,
  "group.join": object({ isIn: bool(false) }),
  "members.forget": object({ isForgotten: bool(false) }),
  "loader.load": object({
    address: text(),
    ready: bool(false),
    connections: object({ all: integer(0), sdk: integer(0) }),
    load: number(0),
    cpu: number(0),
  }),
  "loader.reload": object({ moved: integer(0) }),
  "naming.subscribers": subscriberPageField,
  "config.listeners": listenerPageField,
  "config.reach": reachedField,
  ...CONVERGE_ANSWERS,
  ...RAFT_ANSWERS,
  "diagnosis.report": { read: readMemberReport },
};

/** Reads what another member answered. @throws RegistryError `serverError` when it has another shape. */
export function readAnswer<Name extends PeerCallName>(name: Name, given: unknown): PeerCalls[Name]["answered"] {
  try {
    return ANSWERS[name].read(given, "");
  } catch (cause) {
    throw new RegistryError("serverError", `a member answered call '${name}' in another shape`, { cause });
  }
}

/** A part of a long answer. `next`: ask from there on; undefined: that was all. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | undefined;
}

/**
 * Asks page after page.
 *
 * @param itemsMax  where it stops.
 * @returns the items, and whether these are all.
 * @throws RegistryError of the page that failed.
 */
export async function everyPage<T>(
  ask: (from: string | undefined) => Promise<Page<T>>,
  itemsMax: number,
): Promise<{ readonly items: readonly T[]; readonly complete: boolean }> {
  const items: T[] = [];
  let from: string | undefined;
  for (;;) {
    const page = await ask(from);
    items.push(...page.items);
    if (items.length > itemsMax) return { items: items.slice(0, itemsMax), complete: false };
    if (page.next === undefined) return { items, complete: true };
    // Or a member that answers the same page for ever would be asked for ever.
    if (page.items.length === 0 || page.next === from) return { items, complete: false };
    from = page.next;
  }
}

/** What is asked in pages, each from a number on. */
interface PagedCalls {
  readonly "naming.subscribers": { readonly given: { readonly service: ServiceName }; readonly item: Subscriber };
  readonly "config.listeners": { readonly given: ListenerQuestion; readonly item: ListenerLine };
}

/** Asks all other members for all of their pages. @returns a list of each that answers, up to where it stopped to. */
export async function everyPageOfAll<Name extends keyof PagedCalls>(
  peers: Peers,
  name: Name,
  given: PagedCalls[Name]["given"],
  { itemsMax, timeoutMs }: { readonly itemsMax: number; readonly timeoutMs: number },
): Promise<readonly (readonly PagedCalls[Name]["item"][])[]> {
  type Answered = Page<PagedCalls[Name]["item"]>;
  const from = (start: number) => ({ ...given, from: start }) as unknown as PeerCalls[Name]["given"];
  const firstPages = await peers.askAll(name, from(0), timeoutMs);
  return Promise.all(
    firstPages.map(async ({ memberId, answer }) => {
      if (answer === undefined) return [];
      const first = answer as Answered;
      const ask = async (start: string | undefined): Promise<Answered> =>
        start === undefined ? first : ((await peers.ask(memberId, name, from(Number(start)), timeoutMs)) as Answered);
      return everyPage(ask, itemsMax).then(
        ({ items }) => items,
        () => first.items,
      );
    }),
  );
}
