import { type ServiceKey, type ServiceName, serviceKey } from "@nacre/protocol";
import { noId } from "./durable.ts";
import type { Event, InstanceInput } from "./events.ts";
import { instanceKey } from "./instance.ts";
import type { Entry, Override, Service, ServiceMetadata } from "./model.ts";
import { changeOverride } from "./overrides.ts";
import { dropPersistent, persistentRow, putPersistent, trackAgain } from "./persistent.ts";
import { type Removal, record } from "./publish.ts";
import { schedule, touch } from "./push.ts";
import { ROW, readRowKey, rowKey, type ServiceRow } from "./rows.ts";
import { assumeMetadata } from "./service-records.ts";
import { ensureService, type NamingState, noteEmpty, type Turn } from "./state.ts";
import { NO_STORED_SWITCHES, readSwitchRow, type StoredSwitches } from "./switches.ts";

/**
 * Another durable state takes the place of the present one while clients publish and subscribe (N22). Its rows are
 * compared as they come; what differs is then changed service by service, and what is ephemeral is not looked at.
 */

type Kind = Exclude<keyof typeof ROW, "switch">;
type ReplaceEvent = Extract<Event, { type: "replaceService" | "replaceSwitches" }>;

export interface Replacement {
  /** Keys of the rows of the next state, by kind: what the present one holds beside them goes. */
  readonly keys: { readonly [K in Kind]: Set<string> };
  readonly changes: Map<ServiceKey, { readonly name: ServiceName; readonly rows: ServiceRow[] }>;
  /** Of the next state; the defaults when it has no row of them. */
  stored: StoredSwitches;
}

/** Rows that one step changes: less than a millisecond. */
const ROWS_PER_STEP = 100;

/** A time that does not come: a service with it counts as scheduled. */
const HELD_BACK = Number.POSITIVE_INFINITY;

const CAUGHT_UP: Removal = { cause: "caughtUp", from: "", detail: "" };

export function beginReplacement(): Replacement {
  const keys = { service: new Set<string>(), override: new Set<string>(), persistent: new Set<string>() };
  return { keys, changes: new Map(), stored: NO_STORED_SWITCHES };
}

/** One row of the next state, in any order. Changes nothing of the present one. */
export function readRow(
  state: NamingState,
  replacement: Replacement,
  { kind, key, value }: { kind: string; key: string; value: string },
): void {
  const { keys } = replacement;
  const { service: name, part } = readRowKey(key);
  const service = state.services.get(serviceKey(name));
  switch (kind) {
    case ROW.switch:
      replacement.stored = readSwitchRow(replacement.stored, key, JSON.parse(value));
      return;
    case ROW.service: {
      const held = service?.metadata;
      keys.service.add(key);
      if (held === undefined || JSON.stringify(held) !== value)
        change(replacement, name, { kind: "service", metadata: JSON.parse(value) as ServiceMetadata });
      return;
    }
    case ROW.override: {
      const held = service?.overrides?.get(part);
      keys.override.add(key);
      if (held === undefined || JSON.stringify(held) !== value)
        change(replacement, name, { kind: "override", instance: part, override: JSON.parse(value) as Override });
      return;
    }
    case ROW.persistent: {
      const client = state.clients.get(part);
      const [entry] = (client && service?.publications.get(client)?.entries) ?? [];
      keys.persistent.add(key);
      if (entry === undefined || JSON.stringify(persistentRow(entry.instance)) !== value)
        change(replacement, name, { kind: "persistent", clientId: part, input: JSON.parse(value) as InstanceInput });
    }
  }
}

function change({ changes }: Replacement, name: ServiceName, row: ServiceRow): void {
  const key = serviceKey(name);
  const held = changes.get(key);
  if (held === undefined) changes.set(key, { name, rows: [row] });
  else held.rows.push(row);
}

/**
 * Events that change what differs, once all rows were read; each is to be fed before the next is asked for. Undefined
 * now and then, so that the caller may let others have their turn. Clients may come and go meanwhile, but no entry is
 * applied.
 *
 * @param rowsPerStep  how much of a service one event changes.
 */
export function* replacements(
  state: NamingState,
  replacement: Replacement,
  rowsPerStep = ROWS_PER_STEP,
): Generator<ReplaceEvent | undefined, void> {
  yield* findMissing(state, replacement);
  for (const { name, rows } of replacement.changes.values()) yield* changesOf(state, name, rows, rowsPerStep);
  // Last, because to switch pushes on is to push what changed.
  const { stored } = replacement;
  const isSame = stored.switchesInOneRow === state.switchesInOneRow;
  if (!isSame || JSON.stringify(stored.switches) !== JSON.stringify(state.switches))
    yield { type: "replaceSwitches", stored };
}

/**
 * What the next state does not have goes, behind what else changes of its service: which does not look empty, or as if it
 * were gone, on its way from one state to the other.
 */
function* findMissing(state: NamingState, replacement: Replacement): Generator<undefined, void> {
  const { keys } = replacement;
  for (const client of state.clients.values()) {
    if (client.kind === "persistent")
      for (const service of client.publications.keys())
        if (!keys.persistent.has(rowKey(service.key, client.id)))
          change(replacement, service.name, { kind: "persistent", clientId: client.id, input: undefined });
    yield;
  }
  for (const { key, name, metadata, overrides } of state.services.values()) {
    for (const instance of overrides?.keys() ?? [])
      if (!keys.override.has(rowKey(key, instance)))
        change(replacement, name, { kind: "override", instance, override: undefined });
    if (metadata !== undefined && !keys.service.has(key))
      change(replacement, name, { kind: "service", metadata: undefined });
    yield;
  }
}

function* changesOf(
  state: NamingState,
  name: ServiceName,
  rows: readonly ServiceRow[],
  rowsPerStep: number,
): Generator<ReplaceEvent, void> {
  const describes = rows.some(({ kind }) => kind === "service");
  yield* inParts(name, rows, rowsPerStep, !describes);
  if (describes) yield* inParts(name, checksOf(state, name), rowsPerStep, true);
}

function* inParts(
  service: ServiceName,
  rows: readonly ServiceRow[],
  rowsPerStep: number,
  isLast: boolean,
): Generator<ReplaceEvent, void> {
  for (let from = 0; from === 0 || from < rows.length; from += rowsPerStep) {
    const end = from + rowsPerStep;
    yield { type: "replaceService", service, rows: rows.slice(from, end), last: isLast && end >= rows.length };
  }
}

/** How the instances of a service are checked may have changed with what is said about its clusters. */
function checksOf(state: NamingState, name: ServiceName): ServiceRow[] {
  const rows: ServiceRow[] = [];
  for (const { kind, id } of state.services.get(serviceKey(name))?.publications.keys() ?? [])
    if (kind === "persistent") rows.push({ kind: "check", clientId: id });
  return rows;
}

export function replaceService(turn: Turn, event: Extract<Event, { type: "replaceService" }>): void {
  const service = ensureService(turn, event.service, true);
  service.scheduledAt = HELD_BACK;
  for (const row of event.rows) replaceRow(turn, service, row);
  if (!event.last) return;
  service.scheduledAt = undefined;
  if (service.dirtySince !== undefined) schedule(turn, service);
  noteEmpty(turn, service);
}

function replaceRow(turn: Turn, service: Service, row: ServiceRow): void {
  switch (row.kind) {
    case "service":
      assumeMetadata(turn, service, row.metadata);
      return touch(turn, service);
    case "override":
      changeOverride(turn, service, row.instance, row.override, CAUGHT_UP);
      trackAgain(turn, service.hosts.get(row.instance));
      return touch(turn, service);
    case "persistent":
      if (row.input === undefined) dropPersistent(turn, service, row.clientId, CAUGHT_UP);
      else replaceInstance(turn, service, row.clientId, row.input);
      return;
    case "check":
      return trackAgain(turn, entryOf(turn, service, row.clientId));
  }
}

function replaceInstance(turn: Turn, service: Service, clientId: string, input: InstanceInput): void {
  const held = entryOf(turn, service, clientId);
  const before = held?.instance;
  const entry = putPersistent(turn, service.name, input, "", noId);
  if (entry === undefined || before === undefined || entry !== held) return;
  const { healthy } = entry.instance;
  if (healthy !== before.healthy)
    record(turn, service, instanceKey(entry.instance), entry, healthy ? "healthy" : "unhealthy", CAUGHT_UP);
}

function entryOf({ state }: Turn, { publications }: Service, clientId: string): Entry | undefined {
  const client = state.clients.get(clientId);
  return client && publications.get(client)?.entries[0];
}
