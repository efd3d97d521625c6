import { assert } from "../lib/assert.ts";
import { type Millis, seconds } from "../lib/units.ts";
import type { Effect, Event, Redirect } from "./events.ts";
import { expirePush, gone, pair, takePush } from "./pushes.ts";
import { type ConnectionId, type ConnectionTable, type Due, type Held, takeRequestId } from "./state.ts";

const NOTHING: readonly Effect[] = [];
/** Connections told in a second of a drain, when a tenth is less: so few are no storm for anybody. */
const DRAIN_MIN = 20;
/**
 * SDKs that try the member that is named for ever, should they not reach it: it may stop, or have an address behind which
 * clients do not see it. Without one they stay until their connection ends, and choose then.
 */
const STUBBORN = /^Nacos-Go-Client:/;
/** Ticks come more often than this: when they did not, the process stood still, and what was said meanwhile waits unread. */
const PAUSE_MS = seconds(1);

/** The only way the table of connections changes. See DESIGN.md for the invariants that comments cite. */
export function step(table: ConnectionTable, event: Event, now: Millis): readonly Effect[] {
  switch (event.type) {
    case "opened":
      return open(table, event, now);
    case "tick":
      return tick(table, now);
    case "push":
      return takePush(table, event, now);
    case "reload":
      return reload(table, event, now);
    case "drain":
      return drain(table, event.withinMs, now);
    case "setup":
    case "activity":
    case "ack":
    case "blocked":
    case "drained":
    case "closed":
    case "reset": {
      // What the shell had under way when the connection left the table (C2).
      const held = table.byId.get(event.id);
      return held === undefined ? NOTHING : ofConnection(table, held, event, now);
    }
  }
}

function ofConnection(
  table: ConnectionTable,
  held: Held,
  event: Extract<Event, { type: "setup" | "activity" | "ack" | "blocked" | "drained" | "closed" | "reset" }>,
  now: Millis,
): readonly Effect[] {
  switch (event.type) {
    case "setup":
      touch(held, now);
      return held.phase === "opened" ? register(table, held, event, now) : NOTHING;
    case "activity":
      touch(held, now);
      return NOTHING;
    case "ack":
      touch(held, now);
      return pair(table, held, event);
    case "blocked":
      if (held.blockedAt === undefined) {
        held.blockedAt = now;
        table.deadlines.add(now + table.options.blockedMs, { type: "blocked", id: held.id, since: now });
      }
      return NOTHING;
    case "drained":
      held.blockedAt = undefined;
      return NOTHING;
    case "closed":
      return remove(table, held, event.cause);
    case "reset":
      // A connection without a stream has nobody to tell.
      return held.phase === "opened" ? NOTHING : leave(table, held, event.redirect, now);
  }
}

function open(table: ConnectionTable, event: Extract<Event, { type: "opened" }>, now: Millis): readonly Effect[] {
  assert(!table.byId.has(event.id), `connection ids are unique: ${event.id}`);
  if (table.drain !== undefined) return [{ type: "refuse", id: event.id, reason: "the server is stopping" }];
  const { connectionsMax } = table.options;
  if (table.byId.size >= connectionsMax)
    return [{ type: "refuse", id: event.id, reason: `the limit of ${connectionsMax} connections is reached` }];
  const held: Held = {
    id: event.id,
    phase: "opened",
    remoteIp: event.remoteIp,
    remotePort: event.remotePort,
    localPort: event.localPort,
    tls: false,
    clientIp: event.remoteIp,
    clientVersion: "",
    tenant: "",
    labels: {},
    appName: "-",
    module: "",
    source: "sdk",
    abilities: undefined,
    createdAt: now,
    lastActiveAt: now,
    checkAt: undefined,
    blockedAt: undefined,
    pending: new Map(),
    givenUp: undefined,
  };
  table.byId.set(held.id, held);
  plan(table, held, now + table.options.unregisteredMs);
  return NOTHING;
}

function register(
  table: ConnectionTable,
  held: Held,
  setup: Extract<Event, { type: "setup" }>,
  now: Millis,
): readonly Effect[] {
  const clientIp = setup.clientIp === "" ? held.remoteIp : setup.clientIp;
  const { connectionsPerIpMax } = table.options;
  const ofIp = table.registeredByIp.get(clientIp) ?? 0;
  if (ofIp >= connectionsPerIpMax)
    return remove(table, held, `the limit of ${connectionsPerIpMax} connections of ${clientIp} is reached`, "close");
  held.phase = "live";
  held.tls = setup.tls;
  held.clientIp = clientIp;
  held.clientVersion = setup.clientVersion;
  held.tenant = setup.tenant;
  held.labels = setup.labels;
  held.appName = setup.labels.AppName ?? "-";
  held.module = setup.labels.module ?? "";
  held.source = setup.labels.source === "cluster" ? "cluster" : "sdk";
  held.abilities = setup.abilities;
  table.registered++;
  if (held.source === "sdk") table.sdks++;
  table.registeredByIp.set(clientIp, ofIp + 1);
  plan(table, held, now + table.options.idleMs);
  const effects: Effect[] = [{ type: "registered", connection: held }];
  if (setup.abilities !== undefined) effects.push({ type: "setupAck", id: held.id });
  return effects;
}

function touch(held: Held, now: Millis): void {
  held.lastActiveAt = now;
  // The probe's deadline stands; it finds the connection live and plans the next check.
  if (held.phase === "probed") held.phase = "live";
}

function plan(table: ConnectionTable, held: Held, at: Millis): void {
  held.checkAt = at;
  table.deadlines.add(at, { type: "check", id: held.id, at });
}

/** Tells a registered connection to go elsewhere, and gives it `leaveMs` whether it answers or not. */
function leave(table: ConnectionTable, held: Held, to: Redirect | undefined, now: Millis): readonly Effect[] {
  if (held.phase === "leaving") return NOTHING;
  held.phase = "leaving";
  held.checkAt = undefined;
  if (held.source === "sdk") table.sdks--;
  table.deadlines.add(now + table.options.leaveMs, { type: "leave", id: held.id });
  return [{ type: "redirect", requestId: takeRequestId(table), id: held.id, to }];
}

/** Takes a connection out of the table; its pushes settle before features hear that it is gone (C4). */
function remove(table: ConnectionTable, held: Held, cause: string, tcp: "close" | "ended" = "ended"): Effect[] {
  table.byId.delete(held.id);
  const effects: Effect[] = gone(table, held);
  if (held.phase !== "opened") {
    table.registered--;
    if (held.source === "sdk" && held.phase !== "leaving") table.sdks--;
    const ofIp = (table.registeredByIp.get(held.clientIp) ?? 0) - 1;
    if (ofIp > 0) table.registeredByIp.set(held.clientIp, ofIp);
    else table.registeredByIp.delete(held.clientIp);
    effects.push({ type: "unregistered", connection: held, cause });
  }
  if (tcp === "close") effects.push({ type: "close", id: held.id, reason: cause });
  return effects;
}

function tick(table: ConnectionTable, now: Millis): readonly Effect[] {
  if (now - (table.lastTickAt ?? now) > PAUSE_MS) table.readingUntil = now + table.options.probeMs;
  table.lastTickAt = now;
  const effects: Effect[] = [];
  const idle: ConnectionId[] = [];
  for (let due = table.deadlines.due(now); due !== undefined; due = table.deadlines.due(now))
    for (const entry of due) lookAt(table, entry, now, idle, effects);
  // One request id for all: a probe is answered by any activity, so nobody waits for this id.
  if (idle.length > 0) effects.push({ type: "probe", requestId: takeRequestId(table), to: idle });
  if (table.drain !== undefined) append(effects, drainOn(table, table.drain, now));
  return effects.length === 0 ? NOTHING : effects;
}

function lookAt(table: ConnectionTable, due: Due, now: Millis, idle: ConnectionId[], effects: Effect[]): void {
  if (due.type === "push") {
    append(effects, expirePush(table, due.push));
    return;
  }
  const held = table.byId.get(due.id);
  if (held === undefined) return;
  switch (due.type) {
    case "check":
      if (held.checkAt === due.at) append(effects, check(table, held, now, idle));
      return;
    case "blocked":
      if (held.blockedAt === due.since) {
        const allowed = table.options.blockedMs / 1000;
        append(effects, remove(table, held, `its send queue was over the limit for ${allowed} s`, "close"));
      }
      return;
    case "leave":
      append(effects, remove(table, held, "it was told to leave", "close"));
      return;
  }
}

function check(table: ConnectionTable, held: Held, now: Millis, idle: ConnectionId[]): readonly Effect[] {
  const { idleMs, probeMs, unregisteredMs } = table.options;
  const silentMs = now - held.lastActiveAt;
  const isReading = now < table.readingUntil;
  switch (held.phase) {
    case "opened":
      if (isReading) break;
      if (silentMs >= unregisteredMs) return remove(table, held, "it never sent its setup", "close");
      plan(table, held, held.lastActiveAt + unregisteredMs);
      return NOTHING;
    case "live":
      if (silentMs >= idleMs) {
        held.phase = "probed";
        idle.push(held.id);
        plan(table, held, now + probeMs);
      } else plan(table, held, held.lastActiveAt + idleMs);
      return NOTHING;
    case "probed":
      if (isReading) break;
      return remove(table, held, `it was silent for ${Math.round(silentMs / 1000)} s and did not answer`, "close");
    case "leaving":
      return NOTHING;
  }
  plan(table, held, table.readingUntil);
  return NOTHING;
}

/** Moves the newest connections first, those without unacknowledged pushes before the others. */
function reload(
  table: ConnectionTable,
  { keep, share, redirect, settledMs = 0 }: Extract<Event, { type: "reload" }>,
  now: Millis,
): readonly Effect[] {
  const floor = Math.floor(table.sdks * (1 - share));
  const count = table.sdks - Math.max(keep, floor, 0);
  if (count <= 0) return NOTHING;
  const movable = [...table.byId.values()].filter(
    ({ source, phase, createdAt }) =>
      source === "sdk" && (phase === "live" || phase === "probed") && now - createdAt >= settledMs,
  );
  movable.sort((a, b) => Number(a.pending.size > 0) - Number(b.pending.size > 0) || b.createdAt - a.createdAt);
  return movable
    .slice(0, count)
    .flatMap((held) => leave(table, held, STUBBORN.test(held.clientVersion) ? undefined : redirect, now));
}

function drain(table: ConnectionTable, withinMs: Millis, now: Millis): readonly Effect[] {
  const effects: Effect[] = [];
  // A second order to stop may only bring the end nearer.
  if (table.drain !== undefined) {
    table.drain = { ...table.drain, until: Math.min(table.drain.until, now + withinMs) };
  } else {
    table.drain = {
      until: now + withinMs,
      perSecond: Math.max(DRAIN_MIN, Math.ceil(table.registered / 10)),
      nextAt: now,
    };
    for (const held of [...table.byId.values()])
      if (held.phase === "opened") append(effects, remove(table, held, "the server is stopping", "close"));
  }
  append(effects, tick(table, now));
  return effects;
}

function drainOn(table: ConnectionTable, order: NonNullable<ConnectionTable["drain"]>, now: Millis): readonly Effect[] {
  if (now >= order.until)
    return [...table.byId.values()].flatMap((held) => remove(table, held, "the server is stopping", "close"));
  if (now < order.nextAt) return NOTHING;
  order.nextAt = now + seconds(1);
  const effects: Effect[] = [];
  let told = 0;
  for (const held of table.byId.values()) {
    if (told === order.perSecond) break;
    if (held.phase === "leaving") continue;
    // Any other member will do, and one that is named may be gone by then.
    append(effects, leave(table, held, undefined, now));
    told++;
  }
  return effects;
}

/** One by one: a list of every connection is more than a call takes as arguments. */
function append(effects: Effect[], more: readonly Effect[]): void {
  for (const effect of more) effects.push(effect);
}
