import type { ServiceName } from "@nacre/protocol";
import { type Refusal, refusal } from "../lib/refusal.ts";
import { SmallMap } from "../lib/small-map.ts";
import type { Millis } from "../lib/units.ts";
import type { Client, Subscription } from "./model.ts";
import { land, schedule } from "./push.ts";
import { ensureService, findService, noteEmpty, type Turn } from "./state.ts";

/**
 * One subscription per client and service: subscribing again replaces the cluster filter. The content goes out with the
 * answer and once more as a push, because SDKs were only ever tried against servers that do so.
 *
 * @param expiresAt  Infinity for a connection; UDP subscribers are forgotten when they stop asking.
 */
export function subscribe(
  turn: Turn,
  client: Client,
  name: ServiceName,
  clusters: string,
  expiresAt: Millis,
): Refusal | undefined {
  const { state } = turn;
  const held = findService(state, name);
  const existing = held && client.subscriptions?.get(held);
  if (existing !== undefined) {
    existing.expiresAt = expiresAt;
    if (existing.clusters === clusters) return undefined;
    existing.clusters = clusters;
    existing.sentRevision = -1;
    schedule(turn, existing.service);
    return undefined;
  }
  const max = state.options.subscriptionsPerClientMax;
  if ((client.subscriptions?.size ?? 0) >= max)
    return refusal(
      "overThreshold",
      `client ${client.id} holds the most subscriptions it may (nacre.naming.subscriptions.perClient.max = ${max})`,
    );
  if (held === undefined && state.services.size >= state.options.servicesMax)
    return refusal(
      "overThreshold",
      `this member holds the most services it may (nacre.naming.services.max = ${state.options.servicesMax})`,
    );
  const service = ensureService(turn, name, true);
  const subscription: Subscription = {
    client,
    service,
    clusters,
    sentRevision: -1,
    inFlight: 0,
    sentAt: 0,
    misses: 0,
    retryAt: 0,
    expiresAt,
  };
  service.subscribers ??= new Map();
  service.subscribers.set(client, subscription);
  client.subscriptions ??= new SmallMap();
  client.subscriptions.set(service, subscription);
  state.subscriptionCount++;
  if (Number.isFinite(expiresAt)) state.udpSubscriptionCount++;
  if (Number.isFinite(expiresAt)) state.tasks.add(expiresAt, { type: "udp", subscription });
  schedule(turn, service);
  return undefined;
}

export function unsubscribe(turn: Turn, subscription: Subscription): void {
  const { client, service } = subscription;
  if (client.subscriptions?.get(service) !== subscription) return;
  client.subscriptions.delete(service);
  service.subscribers?.delete(client);
  land(turn.state, subscription);
  turn.state.subscriptionCount--;
  if (Number.isFinite(subscription.expiresAt)) turn.state.udpSubscriptionCount--;
  noteEmpty(turn, service);
}
