import { type ServiceKey, type ServiceName, serviceNameOfKey } from "@nacre/protocol";
import type { Effect, InstanceInput } from "./events.ts";
import type { ClientId, InstanceKey, Override, ServiceMetadata } from "./model.ts";
import type { Turn } from "./state.ts";

/** Rows of the durable state: what the store holds, one kind per table of the model. */
export const ROW = {
  service: "service",
  override: "override",
  persistent: "persistent",
  switch: "switch",
} as const;

/** Between the two halves of a row key; no service name can hold it, because names hold no white space. */
const KEY_SEPARATOR = "\n";

export function store(turn: Turn, kind: string, key: string, value: unknown): void {
  turn.effects.push({ type: "store", kind, key, value: value === undefined ? undefined : JSON.stringify(value) });
}

/** Key of a row about something in a service: an instance key, or the id of a persistent client. */
export function rowKey(service: ServiceKey, part: string): string {
  return `${service}${KEY_SEPARATOR}${part}`;
}

/** The service and the part that a row key names; rows about a whole service have a blank part. */
export function readRowKey(key: string): { service: ServiceName; part: string } {
  const [service = "", part = ""] = key.split(KEY_SEPARATOR);
  return { service: serviceNameOfKey(service), part };
}

/** A row about a service that a snapshot holds and the present state does not, or holds otherwise; parsed. */
export type ServiceRow =
  | { readonly kind: "service"; readonly metadata: ServiceMetadata | undefined }
  | { readonly kind: "override"; readonly instance: InstanceKey; readonly override: Override | undefined }
  | { readonly kind: "persistent"; readonly clientId: ClientId; readonly input: InstanceInput | undefined }
  /** Stays as it is, and may have to be checked in another way. */
  | { readonly kind: "check"; readonly clientId: ClientId };

/** Only the rows of these effects; the rest of a step of `apply` is for the shell. */
export function rowsOf(effects: readonly Effect[]): { kind: string; key: string; value: string | undefined }[] {
  return effects.flatMap((effect) =>
    effect.type === "store" ? [{ kind: effect.kind, key: effect.key, value: effect.value }] : [],
  );
}
