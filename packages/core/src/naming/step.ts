import { refusal } from "../lib/refusal.ts";
import { SmallMap } from "../lib/small-map.ts";
import type { Millis } from "../lib/units.ts";
import {
  beat,
  beatIntervalOf,
  checkBeat,
  checkExpected,
  handOver,
  hear,
  scheduleBeatCheck,
  takeOver,
} from "./beats.ts";
import { adopt, forgetCopy, holdCopy, markCopies, renumber } from "./copies.ts";
import { apply, assumeSwitches, loadRow } from "./durable.ts";
import type { Caller, Effect, Event } from "./events.ts";
import { fuzzySettled, retryFuzzy, unwatch, unwatchAll, watch } from "./fuzzy.ts";
import { inputKey } from "./instance.ts";
import { takeBackAsked, takeBackLeft } from "./left-behind.ts";
import { isOwn } from "./lives.ts";
import type { Client, ClientId, Publication } from "./model.ts";
import { tellAll, tellPeers } from "./news.ts";
import { expireOverride } from "./overrides.ts";
import { endGrace, endReplaced, keepEnded, notePause } from "./pauses.ts";
import { publish, publishRefused, removeClient, withdraw } from "./publish.ts";
import { fanOut, pushDue, schedule, settled, touch } from "./push.ts";
import { replaceService } from "./replace.ts";
import {
  findService,
  forgetIdle,
  type NamingState,
  newTurn,
  removeIfEmpty,
  type Task,
  type Turn,
  wallAt,
} from "./state.ts";
import { subscribe, unsubscribe } from "./subscribe.ts";

/** Heartbeats that one tick looks at: a few milliseconds of work, even when all of them have stopped. */
const BEAT_CHECKS_MAX = 2_000;

/** The only way naming changes. A case left out of this switch does not compile. */
export function step(state: NamingState, event: Event, now: Millis): Effect[] {
  const turn = newTurn(state, now);
  handle(turn, event);
  if (state.ended.size > 0) endReplaced(turn);
  if (turn.ready !== undefined) for (const service of turn.ready) fanOut(turn, service);
  if (state.tellsPeers) tellPeers(turn, event);
  return turn.effects;
}

/** One row of the durable store, at start, before any entry of the log is applied. */
export function load(state: NamingState, row: { kind: string; key: string; value: string }, now: Millis): Effect[] {
  const turn = newTurn(state, now);
  loadRow(turn, row.kind, row.key, row.value);
  return turn.effects.filter((effect) => effect.type !== "store");
}

/** When `step` next has something to do with a tick; undefined when nothing waits. */
export function nextWakeAt(state: NamingState): Millis | undefined {
  if (state.overdue.length > 0) return state.lastTickAt;
  const tasks = state.tasks.nextAt();
  const beats = state.beats.nextAt();
  if (tasks === undefined || beats === undefined) return tasks ?? beats;
  return Math.min(tasks, beats);
}

function handle(turn: Turn, event: Event): void {
  const { state, now, effects } = turn;
  switch (event.type) {
    case "connected": {
      const client = ensureClient(turn, event.clientId, "connection", event.ip, event.port, event.caller);
      state.ended.delete(client);
      return adopt(turn, client);
    }
    case "disconnected": {
      const client = state.clients.get(event.clientId);
      if (client?.kind !== "connection" || !isHere(state, client)) return;
      endSubscriptions(turn, client);
      const isLeaving = event.leaving === true && client.publications.size > 0;
      if (!isLeaving && !keepEnded(turn, client, event.cause)) removeClient(turn, client, event.cause);
      if (isLeaving && state.tellsPeers) effects.push({ type: "clientRemoved", clientId: client.id, cause: "leaving" });
      return;
    }
    case "publish": {
      const client = connectionClient(turn, event.clientId);
      if (client === undefined) return;
      const what = event.instances.length === 1 ? "register" : "batch register";
      const found = findService(state, event.service);
      const refused = publishRefused(state, client, event.service, found, event.instances, what);
      if (refused !== undefined) effects.push(refused);
      else publish(turn, client, event.service, found, event.instances, event.caller.ip);
      return;
    }
    case "withdraw": {
      const service = findService(state, event.service);
      const client = state.clients.get(event.clientId);
      if (service === undefined || client === undefined || !isHere(state, client)) return;
      const { instance, caller } = event;
      if (client.publications.has(service))
        withdraw(turn, client, service, { cause: "deregistered", from: caller.ip, detail: "" });
      else if (instance !== undefined) takeBackLeft(turn, client, service, inputKey(instance), caller.ip);
      return;
    }
    case "publishAddress": {
      publishAddress(turn, event);
      return;
    }
    case "withdrawAddress": {
      const service = findService(state, event.service);
      const client = state.clients.get(addressId(event.ip, event.port));
      if (service === undefined || client?.publications.has(service) !== true) return;
      hear(turn, client);
      withdraw(turn, client, service, { cause: "deregistered", from: event.caller.ip, detail: "" });
      forgetIdle(state, client);
      return;
    }
    case "beat": {
      const service = findService(state, event.service);
      const client = state.clients.get(addressId(event.ip, event.port));
      const publication = service && client?.publications.get(service);
      const [entry] = publication?.entries ?? [];
      if (service !== undefined && publication !== undefined && entry !== undefined) {
        beat(turn, publication, event.caller.ip);
        effects.push({ type: "beatAnswer", known: true, intervalMs: beatIntervalOf(state, service, entry) });
        return;
      }
      if (event.instance === undefined) {
        effects.push({ type: "beatAnswer", known: false, intervalMs: state.switches.clientBeatInterval });
        return;
      }
      const made = publishAddress(turn, { ...event, instance: event.instance });
      const [shown] = made?.entries ?? [];
      if (made === undefined || shown === undefined) return;
      effects.push({ type: "beatAnswer", known: true, intervalMs: beatIntervalOf(state, made.service, shown) });
      return;
    }
    case "subscribe": {
      const client = connectionClient(turn, event.clientId);
      if (client === undefined) return;
      noteCaller(client, event.caller);
      const refused = subscribe(turn, client, event.service, event.clusters, Number.POSITIVE_INFINITY);
      if (refused !== undefined) effects.push(refused);
      return;
    }
    case "unsubscribe": {
      const service = findService(state, event.service);
      const client = state.clients.get(event.clientId);
      const subscription = service && client?.subscriptions?.get(service);
      if (subscription !== undefined) unsubscribe(turn, subscription);
      return;
    }
    case "subscribeUdp": {
      if (state.udpSubscriptionCount >= state.options.udpSubscriptionsMax && !hasUdp(state, event)) {
        effects.push(refusal("overThreshold", udpBound(state)));
        return;
      }
      const client = ensureClient(turn, addressId(event.ip, event.port), "address", event.ip, event.port, event.caller);
      const refused = subscribe(turn, client, event.service, event.clusters, now + state.options.udpSubscriberMs);
      if (refused !== undefined) effects.push(refused);
      forgetIdle(state, client);
      return;
    }
    case "watch": {
      if (connectionClient(turn, event.clientId) === undefined) return;
      const refused = watch(turn, event.clientId, event.pattern, event.received, event.initializing);
      if (refused !== undefined) effects.push(refused);
      return;
    }
    case "unwatch":
      unwatch(state, event.clientId, event.pattern);
      return;
    case "pushSettled":
      if (!fuzzySettled(turn, event.clientId, event.requestId, event.outcome))
        settled(turn, event.clientId, event.requestId, event.outcome);
      return;
    case "apply":
      apply(turn, event);
      return;
    case "replaceService":
      return replaceService(turn, event);
    case "replaceSwitches":
      return assumeSwitches(turn, event.stored);
    case "labels":
      state.labels = event.byIp;
      for (const service of state.services.values())
        if (service.metadata?.selector.type === "label") touch(turn, service);
      return;
    case "tellPeers":
      return tellAll(turn);
    case "copy":
      holdCopy(turn, event);
      return checkExpected(turn, event.clientId);
    case "forgetCopy":
      return forgetCopy(turn, event);
    case "renumber":
      return renumber(turn, event);
    case "mark":
      markCopies(turn, event);
      return takeBackAsked(turn, event.clientIds);
    case "takeOver":
      return takeOver(turn, event.clientIds);
    case "handOver":
      return handOver(state, event.clientIds);
    case "tick":
      tick(turn, event.wallAt);
  }
}

function tick(turn: Turn, wall: number): void {
  const { state, now } = turn;
  state.wallOffset = wall - now;
  notePause(state, now);
  for (let due = state.tasks.due(now); due !== undefined; due = state.tasks.due(now))
    for (const task of due) perform(turn, task);
  for (let due = state.beats.due(now); due !== undefined; due = state.beats.due(now)) state.overdue.push(due);
  checkOverdue(turn);
}

/** Looks at heartbeats that are due, not more at a time than fit between two calls; the rest follows with the next tick. */
function checkOverdue(turn: Turn): void {
  const { state } = turn;
  let left = BEAT_CHECKS_MAX;
  for (let batch = state.overdue[0]; batch !== undefined && left > 0; batch = state.overdue[0]) {
    const checked = batch.splice(-left);
    left -= checked.length;
    if (batch.length === 0) state.overdue.shift();
    for (const publication of checked) {
      checkBeat(turn, publication);
      forgetIdle(state, publication.client);
    }
  }
}

function perform(turn: Turn, task: Task): void {
  switch (task.type) {
    case "push":
      return pushDue(turn, task.service);
    case "retry":
      return schedule(turn, task.service);
    case "empty":
      return removeIfEmpty(turn, task.service);
    case "fuzzyRetry":
      return retryFuzzy(turn, task.message);
    case "udp": {
      const { subscription } = task;
      if (subscription.client.subscriptions?.get(subscription.service) !== subscription) return;
      if (subscription.expiresAt > turn.now) {
        turn.state.tasks.add(subscription.expiresAt, task);
        return;
      }
      unsubscribe(turn, subscription);
      forgetIdle(turn.state, subscription.client);
      return;
    }
    case "ended":
      return endGrace(turn, task.client);
    case "override":
      return expireOverride(turn, task.service, task.instance);
  }
}

/** Whether the subscription is there already, so that this only renews it. */
function hasUdp(state: NamingState, { service, ip, port }: Extract<Event, { type: "subscribeUdp" }>): boolean {
  const held = findService(state, service);
  const client = state.clients.get(addressId(ip, port));
  return held !== undefined && client?.subscriptions?.get(held) !== undefined;
}

function udpBound({ options }: NamingState): string {
  return `this member has the most UDP subscribers it may (nacre.udp.subscriptions.max = ${options.udpSubscriptionsMax})`;
}

export function addressId(ip: string, port: number): ClientId {
  return `${ip.trim()}:${port}#true`;
}

/** @returns the publication, or undefined when it was refused. */
function publishAddress(
  turn: Turn,
  event: Omit<Extract<Event, { type: "publishAddress" }>, "type">,
): Publication | undefined {
  const { state } = turn;
  const { ip, port } = event.instance;
  const id = addressId(ip, port);
  const found = findService(state, event.service);
  const refused = publishRefused(state, state.clients.get(id), event.service, found, [event.instance], "register");
  if (refused !== undefined) {
    turn.effects.push(refused);
    return undefined;
  }
  const client = ensureClient(turn, id, "address", ip.trim(), port, event.caller);
  hear(turn, client);
  noteCaller(client, event.caller);
  const publication = publish(turn, client, event.service, found, [event.instance], event.caller.ip);
  if (publication !== undefined) scheduleBeatCheck(turn, publication);
  return publication;
}

function ensureClient(
  turn: Turn,
  id: ClientId,
  kind: "connection" | "address",
  ip: string,
  port: number,
  caller: Caller,
): Client {
  const { state, now } = turn;
  const held = state.clients.get(id);
  if (held !== undefined) {
    held.activeAt = now;
    // What is said of a copy is its owner's to say.
    if (isOwn(state, held)) noteCaller(held, caller);
    return held;
  }
  const client: Client = {
    id,
    kind,
    life: state.self,
    counter: 0,
    contentHash: 0,
    ip,
    port,
    app: caller.app,
    agent: caller.agent,
    createdAt: wallAt(state, now),
    activeAt: now,
    publications: new SmallMap(),
    subscriptions: undefined,
  };
  state.clients.set(id, client);
  return client;
}

function noteCaller(client: Client, caller: Caller): void {
  if (caller.app !== "") client.app = caller.app;
  if (caller.agent !== "") client.agent = caller.agent;
}

/** Whether its connection is open here, or it is known by its address. */
function isHere(state: NamingState, client: Client): boolean {
  return isOwn(state, client) && !state.ended.has(client);
}

/** The client of a connection; a call that arrives after its connection has gone is refused. */
function connectionClient(turn: Turn, id: ClientId): Client | undefined {
  const client = turn.state.clients.get(id);
  if (client !== undefined && isHere(turn.state, client)) return client;
  turn.effects.push(
    refusal("disconnected", `Client [${id}] connection already disconnect, can't register ephemeral instance.`),
  );
  return undefined;
}

function endSubscriptions(turn: Turn, client: Client): void {
  for (const subscription of [...(client.subscriptions?.values() ?? [])]) unsubscribe(turn, subscription);
  unwatchAll(turn.state, client.id);
}
