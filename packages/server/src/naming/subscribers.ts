import { subscribersOf } from "@nacre/core/naming";
import { type ServiceName, serviceKey } from "@nacre/protocol";
import { everyPageOfAll, type Peers } from "../cluster/peer-calls.ts";
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
  const bounds = { itemsMax: ITEMS_MAX, timeoutMs: ANSWER_MS };
  const lists = await everyPageOfAll(peers, "naming.subscribers", { service }, bounds);
  if (lists.every((list) => list.length === 0)) return own;
  const all = new Map<string, Subscriber>();
  for (const one of [...own, ...lists.flat()]) all.set(keyOf(one), one);
  return [...all.values()];
}

/** A client that moves from one member to another is known to both for a moment. */
function keyOf({ service, ip, port, agent, app, clusters }: Subscriber): string {
  return JSON.stringify([serviceKey(service), ip, port, agent, app, clusters]);
}
