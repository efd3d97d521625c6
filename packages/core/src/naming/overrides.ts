import type { ServiceName } from "@nacre/protocol";
import { scheduleBeatCheck } from "./beats.ts";
import type { Command, OverrideEdit } from "./commands.ts";
import { mergedText } from "./instance.ts";
import type { InstanceKey, Override, Service } from "./model.ts";
import { trackAll } from "./persistent.ts";
import { noteVanished, type Removal, record } from "./publish.ts";
import { touch } from "./push.ts";
import { ROW, rowKey, store } from "./rows.ts";
import { ensureService, findService, noteEmpty, type Turn } from "./state.ts";

/** What operators say about single instances. */

const PROPOSE_RETRY_MS = 60_000;

/** Edits the records of these instances, whether they are published at the moment or not. */
export function setOverrides(
  turn: Turn,
  name: ServiceName,
  instances: readonly InstanceKey[],
  edit: OverrideEdit,
  from: string,
): void {
  const service = edit.how === "drop" ? findService(turn.state, name) : ensureService(turn, name, true);
  if (service === undefined) return;
  for (const key of instances) {
    const after = editedOverride(service.overrides?.get(key), edit);
    if (changeOverride(turn, service, key, after, { cause: "operator", from, detail: "" }))
      store(turn, ROW.override, rowKey(service.key, key), after);
  }
  trackAll(turn, service);
  noteEmpty(turn, service);
  touch(turn, service);
}

/** @returns false when there was no record to drop. */
export function changeOverride(
  turn: Turn,
  service: Service,
  key: InstanceKey,
  after: Override | undefined,
  why: Removal,
): boolean {
  const before = service.overrides?.get(key);
  if (after !== undefined) putOverride(turn, service, key, after);
  else {
    if (service.overrides?.delete(key) !== true) return false;
    if (service.overrides.size === 0) service.overrides = undefined;
    service.vanished?.delete(key);
  }
  noteSwitchedOff(turn, service, key, before, after, why);
  for (let entry = service.hosts.get(key); entry !== undefined; entry = entry.under)
    scheduleBeatCheck(turn, entry.publication);
  return true;
}

/** A record as it comes out of the log or out of its row. */
export function putOverride(turn: Turn, service: Service, key: InstanceKey, override: Override): void {
  service.overrides ??= new Map();
  service.overrides.set(key, override);
  if (!service.hosts.has(key)) noteVanished(turn, service, key);
}

/** The record of an instance that has been away for too long is dropped through the log, as any other change of it. */
export function expireOverride(turn: Turn, service: Service, instance: InstanceKey): void {
  const { effects, now, state } = turn;
  const { expiredMetadataMs } = state.options;
  const since = service.vanished?.get(instance);
  if (since === undefined || now - since < expiredMetadataMs) return;
  const caller = { ip: "", app: "", agent: "" };
  const edit: OverrideEdit = { how: "drop" };
  const command: Command = { type: "setOverrides", service: service.name, instances: [instance], edit, caller };
  effects.push({ type: "propose", command });
  // The log may refuse it at the moment; once it is applied, the next look finds nothing.
  state.tasks.add(now + Math.max(expiredMetadataMs, PROPOSE_RETRY_MS), { type: "override", service, instance });
}

function noteSwitchedOff(
  turn: Turn,
  service: Service,
  key: InstanceKey,
  before: Override | undefined,
  after: Override | undefined,
  why: Removal,
): void {
  const entry = service.hosts.get(key);
  if (entry === undefined) return;
  const was = before?.enabled ?? entry.instance.enabled;
  const is = after?.enabled ?? entry.instance.enabled;
  if (was !== is) record(turn, service, key, entry, is ? "enabled" : "disabled", why);
}

function editedOverride(before: Override | undefined, edit: OverrideEdit): Override | undefined {
  const held: Override = before ?? { weight: undefined, enabled: undefined, metadata: {} };
  switch (edit.how) {
    case "replace":
      return edit.override;
    case "patch":
      return {
        weight: edit.weight ?? held.weight,
        enabled: edit.enabled ?? held.enabled,
        metadata: edit.metadata ?? held.metadata,
      };
    case "mergeMetadata":
      return { ...held, metadata: mergedText(held.metadata, edit.metadata) };
    case "removeMetadata":
      return {
        ...held,
        metadata: Object.fromEntries(Object.entries(held.metadata).filter(([key]) => !edit.keys.includes(key))),
      };
    case "drop":
      return undefined;
  }
}
