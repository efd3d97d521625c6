import type { Millis } from "../lib/units.ts";
import type { Effect, PushOutcome } from "./events.ts";
import type { ClientId, Service, Subscription } from "./model.ts";
import { type NamingState, type Turn, wallAt } from "./state.ts";
import { selectorKey } from "./view.ts";

/** Pushes in a row that a subscriber may leave unacknowledged before they count as delivered: some SDKs never answer. */
const MISSES_MAX = 10;
/** What one message of a fan-out costs this member, roughly, in milliseconds: it decides how long the service pauses. */
const COST_PER_SUBSCRIBER_MS = 0.05;
/** What a look at one subscriber costs, whether it is behind or not. */
const COST_PER_LOOK_MS = 0.0002;

/**
 * A change that consumers can see: the service gets a new revision, and its subscribers are pushed. The first change
 * after quiet goes out at once; what follows waits until the service's pause is over, and goes out as one.
 */
export function touch(turn: Turn, service: Service): void {
  const { state, now } = turn;
  service.revision++;
  service.changes++;
  // Only a time that somebody was shown is stepped over: a thousand changes in a millisecond must not carry it ahead of
  // the clock, because a member that starts anew would then be taken for an old one.
  service.lastRefTime = Math.max(wallAt(state, now), service.lastRefTime + (service.shown ? 1 : 0));
  service.shown = false;
  state.views.drop(service);
  schedule(turn, service);
}

/** Sees to it that subscribers who are behind are pushed as soon as the service's pause allows. */
export function schedule(turn: Turn, service: Service): void {
  if (service.subscribers === undefined || service.subscribers.size === 0 || !turn.state.switches.pushEnabled) return;
  service.dirtySince ??= turn.now;
  if (service.scheduledAt !== undefined) return;
  if (service.pauseUntil <= turn.now) {
    service.scheduledAt = turn.now;
    turn.ready ??= new Set();
    turn.ready.add(service);
    return;
  }
  service.scheduledAt = service.pauseUntil;
  turn.state.tasks.add(service.pauseUntil, { type: "push", service });
}

/**
 * Sends the newest revision to every subscriber that is behind and has no push on its way; the others get theirs when
 * their acknowledgement arrives, or when it is overdue. Subscribers with the same filter share one message.
 */
export function fanOut(turn: Turn, service: Service): void {
  const { state, now, effects } = turn;
  service.scheduledAt = undefined;
  const changedAt = service.dirtySince ?? now;
  service.dirtySince = undefined;
  if (service.subscribers === undefined || !state.switches.pushEnabled) return;
  const groups = new Map<string, Extract<Effect, { type: "push" }> & { readonly to: ClientId[] }>();
  let messages = 0;
  let overdueAt = Number.POSITIVE_INFINITY;
  for (const subscription of service.subscribers.values()) {
    if (subscription.sentRevision === service.revision || subscription.retryAt > now) continue;
    if (subscription.inFlight !== 0) {
      // Whoever leaves a push unanswered that long gets the newer one all the same: some SDKs answer late or never.
      const freeAt = subscription.sentAt + state.options.pushRetryMs;
      if (freeAt > now) {
        overdueAt = Math.min(overdueAt, freeAt);
        continue;
      }
      land(state, subscription);
    }
    messages++;
    subscription.sentRevision = service.revision;
    subscription.sentAt = now;
    const { client, clusters } = subscription;
    if (Number.isFinite(subscription.expiresAt)) {
      const own = state.nextRequestId++;
      subscription.inFlight = own;
      state.fanOuts.set(own, { service, left: 1, changedAt });
      effects.push({
        type: "pushUdp",
        requestId: own,
        service: service.key,
        clusters,
        to: { clientId: client.id, ip: client.ip, port: client.port },
      });
      continue;
    }
    const selected = selectorKey(state, service, client.ip);
    const key = `${selected}${clusters}`;
    let group = groups.get(key);
    if (group === undefined) {
      // Each message has an id of its own: connections keep one record for each pending id.
      const requestId = state.nextRequestId++;
      const consumerIp = selected === "" ? undefined : client.ip;
      group = { type: "push", requestId, service: service.key, clusters, consumerIp, to: [], changedAt };
      groups.set(key, group);
    }
    group.to.push(client.id);
    subscription.inFlight = group.requestId;
  }
  for (const group of groups.values()) {
    state.fanOuts.set(group.requestId, { service, left: group.to.length, changedAt });
    effects.push(group);
  }
  if (overdueAt < Number.POSITIVE_INFINITY) state.tasks.add(overdueAt, { type: "retry", service });
  state.pushes.total += messages;
  if (service.hosts.size === 0) state.pushes.empty += messages;
  service.pauseUntil = now + pauseAfter(messages, service.subscribers.size, state.options.pushPauseMaxMs);
}

/**
 * A fan-out that keeps this member busy for a while is followed by a pause of that length, so that bursts become one.
 * Looking for who is behind counts too: thousands who subscribe to one service each lead to a look at all of them.
 */
function pauseAfter(messages: number, looks: number, maxMs: Millis): Millis {
  return Math.min(maxMs, Math.ceil(messages * COST_PER_SUBSCRIBER_MS) + Math.floor(looks * COST_PER_LOOK_MS));
}

/** A push came to its end at one subscriber: it may have the next one, or the same again a little later. */
export function settled(turn: Turn, clientId: ClientId, requestId: number, outcome: PushOutcome): void {
  const { state, now } = turn;
  const sent = state.fanOuts.get(requestId);
  if (sent === undefined) return;
  const client = state.clients.get(clientId);
  const subscription = client && sent.service.subscribers?.get(client);
  if (subscription === undefined || subscription.inFlight !== requestId) return;
  land(state, subscription);
  if (outcome === "acked" || outcome === "gone") subscription.misses = 0;
  else missed(state, subscription, now, outcome !== "busy");
  if (subscription.sentRevision === sent.service.revision) return;
  if (subscription.retryAt <= now) schedule(turn, sent.service);
  else state.tasks.add(subscription.retryAt, { type: "retry", service: sent.service });
}

/** Nothing is on its way to the subscriber any more. Only its own push counts: an answer of another time changes nothing. */
export function land(state: NamingState, subscription: Subscription): void {
  const sent = state.fanOuts.get(subscription.inFlight);
  if (sent !== undefined) sent.left--;
  if (sent?.left === 0) state.fanOuts.delete(subscription.inFlight);
  subscription.inFlight = 0;
}

function missed(state: NamingState, subscription: Subscription, now: Millis, counts: boolean): void {
  state.pushes.failed++;
  if (counts) subscription.misses++;
  if (counts && subscription.misses % MISSES_MAX === 0) return;
  subscription.sentRevision = -1;
  subscription.retryAt = now + state.options.pushRetryMs;
}

/** A scheduled push whose time has come; one that was overtaken by another finds nothing scheduled. */
export function pushDue(turn: Turn, service: Service): void {
  if (service.scheduledAt !== undefined && service.scheduledAt <= turn.now) fanOut(turn, service);
}
