import type { MemberId } from "@nacre/core/membership";
import { bool, type Field, integer, number, object, optional, RegistryError, text } from "@nacre/protocol";
import type { MemberLoad } from "../connections/loader.ts";
import { type AddressEvent, type Forwarded, readForwarded } from "./forwarding.ts";
import type { CallHandler } from "./links/types.ts";

/** One question: how what comes is read by the member that is asked, and its answer by the one that asks. */
export interface PeerCall<P, A> {
  readonly payload: Field<P>;
  readonly answer: Field<A>;
}

const forwarded: Field<Forwarded> = {
  read(value, path) {
    const { beat } = object({ beat: optional(object({ known: bool(false), intervalMs: integer(0) })) }).read(
      value,
      path,
    );
    return beat === undefined ? {} : { beat };
  },
};
const write: PeerCall<AddressEvent, Forwarded> = { payload: { read: readForwarded }, answer: forwarded };
const load: PeerCall<null, MemberLoad> = {
  payload: { read: () => null },
  answer: object({
    address: text(),
    ready: bool(false),
    connections: object({ all: integer(0), sdk: integer(0) }),
    load: number(0),
    cpu: number(0),
  }),
};

/**
 * Every question that members ask each other. A name is part of the wire: a shape that changes gets a new one. A question
 * and its answer have at most a mebibyte each; longer answers come in pages (`everyPage`).
 */
export const PEER_CALLS = {
  /** Make this write of an address client, which you own. */
  "naming.write": write,
  /** How many connections do you hold, and how busy are you? */
  "loader.load": load,
  /** Send connections beyond `keep` to the redirected address, at most this share of all. */
  "loader.reload": {
    payload: object({ keep: integer(0), share: number(0), redirect: text() }),
    answer: object({ moved: integer(0) }),
  },
} as const;

export type PeerCallName = keyof typeof PEER_CALLS;
export type PayloadOf<N extends PeerCallName> = (typeof PEER_CALLS)[N] extends PeerCall<infer P, infer _> ? P : never;
export type AnswerOf<N extends PeerCallName> = (typeof PEER_CALLS)[N] extends PeerCall<infer _, infer A> ? A : never;

/** What answers questions. A name that is left out is answered with `noHandler`, as by an older member. */
export type PeerHandlers = {
  readonly [N in PeerCallName]?: (payload: PayloadOf<N>, from: MemberId) => AnswerOf<N> | Promise<AnswerOf<N>>;
};

/** For `Links`: reads what comes before a handler sees it. */
export function served(handlers: PeerHandlers): Readonly<Record<string, CallHandler>> {
  const table: Record<string, CallHandler> = {};
  for (const name of Object.keys(PEER_CALLS) as PeerCallName[]) {
    const handler = handlers[name] as ((payload: unknown, from: MemberId) => unknown) | undefined;
    if (handler === undefined) continue;
    const { payload } = PEER_CALLS[name];
    table[name] = (given, from) => handler(payload.read(given, ""), from);
  }
  return table;
}

/** What came of asking one of several members: its answer, or why there is none. */
export interface PeerAnswer<T> {
  readonly memberId: MemberId;
  readonly answer: T | undefined;
  readonly failure: RegistryError | undefined;
}

/** The other members, to be asked. */
export interface Peers {
  /**
   * @throws RegistryError: that of the other member; `peerUnreachable`, `overThreshold` or `bodyTooLarge` of the link;
   * `serverError` when the answer has another shape.
   */
  ask<N extends PeerCallName>(
    memberId: MemberId,
    name: N,
    payload: PayloadOf<N>,
    timeoutMs: number,
  ): Promise<AnswerOf<N>>;
  /** Asks all other members at once. Never rejects. */
  askAll<N extends PeerCallName>(
    name: N,
    payload: PayloadOf<N>,
    timeoutMs: number,
  ): Promise<readonly PeerAnswer<AnswerOf<N>>[]>;
}

/** Carries a call to a member. @throws RegistryError. */
export type CallPeer = (to: MemberId, name: string, payload: unknown, timeoutMs: number) => Promise<unknown>;

/** @param others  the members to ask when all are asked; those that are down cost their timeout. */
export function askingPeers(call: CallPeer, others: () => readonly MemberId[]): Peers {
  const peers: Peers = {
    async ask(memberId, name, payload, timeoutMs) {
      const answer: Field<unknown> = PEER_CALLS[name].answer;
      const given = await call(memberId, name, payload, timeoutMs);
      try {
        return answer.read(given, "") as AnswerOf<typeof name>;
      } catch (cause) {
        throw new RegistryError("serverError", `member ${memberId} answered call '${name}' in another shape`, {
          cause,
        });
      }
    },
    askAll: (name, payload, timeoutMs) =>
      Promise.all(
        others().map(async (memberId) => {
          try {
            return { memberId, answer: await peers.ask(memberId, name, payload, timeoutMs), failure: undefined };
          } catch (thrown) {
            return { memberId, answer: undefined, failure: RegistryError.from(thrown) };
          }
        }),
      ),
  };
  return peers;
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
