import type { Event } from "./events.ts";
import { instanceKey } from "./instance.ts";
import { isOwn } from "./lives.ts";
import type { Client, ClientId, Entry } from "./model.ts";
import { isCovered } from "./stack.ts";
import type { NamingState, Turn } from "./state.ts";

/** What peers have to know of clients is told when a step is done: once, and as things then are. */

export function tellPeers(turn: Turn, event: Event): void {
  const { state, changed, covered, effects } = turn;
  // Own ones first: an owner that hears of a deregistration before anything else drops by itself what it has under it.
  const ownFirst = [...(changed ?? [])].sort(([a], [b]) => Number(isOwn(state, b)) - Number(isOwn(state, a)));
  for (const [client, services] of ownFirst) {
    const { id: clientId, counter, contentHash } = client;
    const own = isOwn(state, client);
    if (client.publications.size === 0 && (own || decidesHere(event)))
      effects.push({ type: "clientRemoved", clientId, cause: causeOf(event) });
    else if (!own) effects.push({ type: "copyDiffers", clientId, contentHash });
    else if (client.kind !== "persistent")
      effects.push({
        type: "clientChanged",
        clientId,
        kind: client.kind,
        counter,
        contentHash,
        // When that is all of it, the whole is no larger than a part.
        services: services === "many" || services.size >= client.publications.size ? undefined : [...services],
      });
  }
  for (const client of covered ?? [])
    if (!isOwn(state, client) && client !== state.incomplete?.client && isReplaced(state, client))
      effects.push({ type: "clientSuperseded", clientId: client.id });
}

/** Everything that is owned here, for somebody who begins to listen. */
export function tellAll(turn: Turn): void {
  turn.state.tellsPeers = true;
  turn.changed = new Map();
  for (const client of turn.state.clients.values())
    if (client.kind !== "persistent" && client.publications.size > 0 && isOwn(turn.state, client))
      turn.changed.set(client, "many");
}

function causeOf(event: Event): "asked" | "expired" {
  return event.type === "tick" || event.type === "disconnected" ? "expired" : "asked";
}

/** Whether the event came from a client or from time: what another member decided, it tells everybody itself. */
function decidesHere({ type }: Event): boolean {
  return type !== "copy" && type !== "forgetCopy";
}

/** Whether newer clients stand for all that the client of this id publishes, as was said with `clientSuperseded`. */
export function isSuperseded(state: NamingState, clientId: ClientId): boolean {
  const client = state.clients.get(clientId);
  return client !== undefined && client !== state.incomplete?.client && isReplaced(state, client);
}

/** With more services a look at all of them is remembered also when nothing was covered. */
const FEW = 16;

/** Whether newer clients stand for all that a client publishes. */
export function isReplaced(state: NamingState, client: Client): boolean {
  if (client.publications.size === 0) return false;
  const known = state.uncovered.get(client);
  if (known !== undefined && known.publication.service.hosts.get(instanceKey(known.instance)) === known) return false;
  let covered = 0;
  let uncovered: Entry | undefined;
  for (const [service, { entries }] of client.publications)
    for (const entry of entries)
      if (isCovered(service, instanceKey(entry.instance), entry)) covered++;
      else uncovered = entry;
  // The last one that is not: clients mostly publish again in the order in which they did before.
  const dear = covered > 0 || client.publications.size > FEW;
  if (uncovered !== undefined && dear) state.uncovered.set(client, uncovered);
  else state.uncovered.delete(client);
  return uncovered === undefined;
}
