import { subscribersOf } from "@nacre/core/naming";
import { type ServiceName, serviceKey } from "@nacre/protocol";
import { everyPage, type Peers } from "../cluster/peer-calls.ts";
import type { Naming } from "./naming.ts";
import { type Subscriber, subscriberOf } from "./subscriber-page.ts";

/** Of one member; further ones are not shown. */
const ITEMS_MAX = 10_000;
/** A member that does not answer in this time is left out, as in the reference. */
const ANSWER_MS = 1_000;

/** The subscribers of this member, and with `aggregate` those of all others that answer, each once. */
export async function subscribersIn(
  naming: Naming,
  peers: Peers,
  service: ServiceName,
  aggregate: boolean,
): Promise<readonly Subscriber[]> {
  const own = subscribersOf(naming.state, service, false).map(subscriberOf);
  if (!aggregate) return own;
  const firstPages = await peers.askAll("naming.subscribers", { service, from: 0 }, ANSWER_MS);
  const lists = await Promise.all(
    firstPages.map(async ({ memberId, answer: first }) => {
      if (first === undefined) return [];
      const ask = (from: string | undefined) =>
        from === undefined
          ? Promise.resolve(first)
          : peers.ask(memberId, "naming.subscribers", { service, from: Number(from) }, ANSWER_MS);
      return everyPage(ask, ITEMS_MAX).then(
        ({ items }) => items,
        () => first.items,
      );
    }),
  );
  if (lists.every((list) => list.length === 0)) return own;
  const all = new Map<string, Subscriber>();
  for (const one of [...own, ...lists.flat()]) all.set(keyOf(one), one);
  return [...all.values()];
}

/** A client that moves from one member to another is known to both for a moment. */
function keyOf({ service, ip, port, agent, app, clusters }: Subscriber): string {
  return JSON.stringify([serviceKey(service), ip, port, agent, app, clusters]);
}
