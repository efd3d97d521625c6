import { type ServiceKey, type ServiceName, serviceKey } from "@nacre/protocol";
import { noId, storedSwitches } from "./durable.ts";
import type { Event, InstanceInput } from "./events.ts";
import { instanceKey } from "./instance.ts";
import type { Override, Publication, Service, ServiceMetadata } from "./model.ts";
import { changeOverride } from "./overrides.ts";
import { dropPersistent, persistentRow, putPersistent, track } from "./persistent.ts";
import { type Removal, record } from "./publish.ts";
import { schedule, touch } from "./push.ts";
import { ROW, readRowKey, type ServiceRow } from "./rows.ts";
import { assumeMetadata } from "./service-records.ts";
import { ensureService, type NamingState, noteEmpty, type Turn } from "./state.ts";
import { DEFAULT_SWITCHES, type Switches } from "./switches.ts";

/**
 * Another durable state takes the place of the present one while clients publish and subscribe (N22). Its rows are
 * compared as they come; what differs is then changed service by service, and what is ephemeral is not looked at.
 */

type ReplaceEvent = Extract<Event, { type: "replaceService" | "replaceSwitches" }>;

export interface Replacement {
  /** What the present state holds and the next one too, equal or not: all else goes. */
  readonly kept: Set<Publication | ServiceMetadata | Override>;
  readonly changes: Map<ServiceKey, { readonly name: ServiceName; readonly rows: ServiceRow[] }>;
  /** Of the next state; the defaults when it has no row of them. */
  switches: Switches;
}

/** Rows that one step changes: less than a millisecond. */
const ROWS_PER_STEP = 100;

/** A time that does not come: a service with it counts as scheduled. */
const HELD_BACK = Number.POSITIVE_INFINITY;

const CAUGHT_UP: Removal = { cause: "caughtUp", from: "", detail: "" };

export function beginReplacement(): Replacement {
  return { kept: new Set(), changes: new Map(), switches: DEFAULT_SWITCHES };
}

/** One row of the next state, in any order. Changes nothing of the present one. */
export function readRow(
  state: NamingState,
  replacement: Replacement,
  { kind, key, value }: { kind: string; key: string; value: string },
): void {
  const { kept } = replacement;
  const { service: name, part } = readRowKey(key);
  const service = state.services.get(serviceKey(name));
  switch (kind) {
    case ROW.switch:
      replacement.switches = storedSwitches(JSON.parse(value) as Partial<Switches>);
      return;
    case ROW.service: {
      const held = service?.metadata;
      if (held !== undefined) kept.add(held);
      if (held === undefined || JSON.stringify(held) !== value)
        change(replacement, name, { kind: "service", metadata: JSON.parse(value) as ServiceMetadata });
      return;
    }
    case ROW.override: {
      const held = service?.overrides?.get(part);
      if (held !== undefined) kept.add(held);
      if (held === undefined || JSON.stringify(held) !== value)
        change(replacement, name, { kind: "override", instance: part, override: JSON.parse(value) as Override });
      return;
    }
    case ROW.persistent: {
      const client = state.clients.get(part);
      const held = client && service?.publications.get(client);
      const [entry] = held?.entries ?? [];
      if (held !== undefined) kept.add(held);
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
 */
export function* replacements(state: NamingState, replacement: Replacement): Generator<ReplaceEvent | undefined, void> {
  const { switches } = replacement;
  if (JSON.stringify(switches) !== JSON.stringify(state.switches)) yield { type: "replaceSwitches", switches };
  yield* findMissing(state, replacement);
  for (const { name, rows } of replacement.changes.values()) yield* changesOf(state, name, rows);
}

/** What the next state does not have goes, behind what else changes of its service. */
function* findMissing(state: NamingState, replacement: Replacement): Generator<undefined, void> {
  const { kept } = replacement;
  for (const client of state.clients.values()) {
    if (client.kind === "persistent")
      for (const [service, publication] of client.publications)
        if (!kept.has(publication))
          change(replacement, service.name, { kind: "persistent", clientId: client.id, input: undefined });
    yield;
  }
  for (const { name, metadata, overrides } of state.services.values()) {
    for (const [instance, override] of overrides ?? [])
      if (!kept.has(override)) change(replacement, name, { kind: "override", instance, override: undefined });
    if (metadata !== undefined && !kept.has(metadata))
      change(replacement, name, { kind: "service", metadata: undefined });
    yield;
  }
}

function* changesOf(state: NamingState, name: ServiceName, rows: readonly ServiceRow[]): Generator<ReplaceEvent, void> {
  const ordered = [...rows].sort((a, b) => rank(a) - rank(b));
  const describes = rows.some(({ kind }) => kind === "service");
  for (let from = 0; from < ordered.length; from += ROWS_PER_STEP) {
    const some = ordered.slice(from, from + ROWS_PER_STEP);
    const last = from + ROWS_PER_STEP >= ordered.length && !describes;
    yield { type: "replaceService", service: name, rows: some, last };
  }
  if (describes) yield* recheck(state, name);
}

/** What comes first keeps a service from looking empty, or as if it were gone, on its way from one state to the other. */
function rank(row: ServiceRow): number {
  switch (row.kind) {
    case "service":
      return row.metadata === undefined ? 5 : 0;
    case "override":
      return row.override === undefined ? 4 : 1;
    case "persistent":
      return row.input === undefined ? 3 : 2;
    case "check":
      return 6;
  }
}

/** How the instances of a service are checked may have changed with what is said about its clusters. */
function* recheck(state: NamingState, name: ServiceName): Generator<ReplaceEvent, void> {
  const service = state.services.get(serviceKey(name));
  const rows: ServiceRow[] = [];
  for (const { kind, id } of service?.publications.keys() ?? [])
    if (kind === "persistent") rows.push({ kind: "check", clientId: id });
  for (let from = 0; from === 0 || from < rows.length; from += ROWS_PER_STEP) {
    const last = from + ROWS_PER_STEP >= rows.length;
    yield { type: "replaceService", service: name, rows: rows.slice(from, from + ROWS_PER_STEP), last };
  }
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
      checkAgain(turn, service.hosts.get(row.instance)?.publication);
      return touch(turn, service);
    case "persistent":
      if (row.input === undefined) dropPersistent(turn, service, row.clientId, CAUGHT_UP);
      else replaceInstance(turn, service, row.clientId, row.input);
      return;
    case "check":
      return checkAgain(turn, publicationOf(turn, service, row.clientId));
  }
}

function replaceInstance(turn: Turn, service: Service, clientId: string, input: InstanceInput): void {
  const [held] = publicationOf(turn, service, clientId)?.entries ?? [];
  const before = held?.instance;
  const entry = putPersistent(turn, service.name, input, "", noId);
  if (entry === undefined || before === undefined || entry !== held) return;
  const { healthy } = entry.instance;
  if (healthy !== before.healthy)
    record(turn, service, instanceKey(entry.instance), entry, healthy ? "healthy" : "unhealthy", CAUGHT_UP);
}

function publicationOf({ state }: Turn, { publications }: Service, clientId: string): Publication | undefined {
  const client = state.clients.get(clientId);
  return client && publications.get(client);
}

function checkAgain(turn: Turn, publication: Publication | undefined): void {
  if (publication?.client.kind === "persistent") for (const entry of publication.entries) track(turn, entry);
}
