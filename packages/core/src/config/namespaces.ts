import { DEFAULT_NAMESPACE } from "@nacre/protocol";
import { type Refusal, refusal } from "../lib/refusal.ts";
import { capacityOf } from "./capacity.ts";
import type { ConfigCommand } from "./commands.ts";
import { answer, store } from "./entry.ts";
import type { Item, Namespace } from "./model.ts";
import { ROW } from "./rows.ts";
import type { ConfigState, Turn } from "./state.ts";

type Edit = Extract<ConfigCommand, { type: "createNamespace" | "updateNamespace" | "deleteNamespace" }>;

/** A namespace as lists show it. */
export interface NamespaceFigures extends Namespace {
  readonly configCount: number;
  /** As set, or the default. */
  readonly quota: number;
  /** 0 for `public`, 1 for the others. */
  readonly kind: 0 | 1;
}

const PUBLIC: Namespace = { id: DEFAULT_NAMESPACE, name: DEFAULT_NAMESPACE, description: "Default Namespace" };

/** `public` first, the others by id. */
export function listNamespaces(state: ConfigState): NamespaceFigures[] {
  const made = [...state.namespaces.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return [PUBLIC, ...made].map((namespace) => figuresOf(state, namespace));
}

export function findNamespace(state: ConfigState, id: string): NamespaceFigures | undefined {
  const namespace = id === DEFAULT_NAMESPACE ? PUBLIC : state.namespaces.get(id);
  return namespace === undefined ? undefined : figuresOf(state, namespace);
}

/** Whether a namespace holds a version of any configuration, formal or gray. */
export function holdsConfigs({ counts }: ConfigState, namespace: string): boolean {
  return counts.byNamespace.has(namespace) || counts.grayOnly.has(namespace);
}

/** What has to be removed before a namespace can be deleted; walks all configurations, so take it in slices. */
export function* itemsIn(state: ConfigState, namespace: string): Generator<Item> {
  for (const item of state.items.values())
    if (item.name.namespace === namespace && (item.formal !== undefined || item.grays.length > 0)) yield item;
}

export function namespaceRefused(state: ConfigState, { type, id }: Edit): Refusal | undefined {
  if (type === "createNamespace")
    return id === DEFAULT_NAMESPACE || state.namespaces.has(id)
      ? refusal("namespaceExists", `namespaceId [${id}] already exist`)
      : undefined;
  const refused = namespaceFixed(state, id);
  if (refused === undefined && type === "deleteNamespace" && holdsConfigs(state, id)) return notEmpty(state, id);
  return refused;
}

/** Why a namespace can not be changed or deleted, whatever it holds: to be asked before anything in it is removed. */
export function namespaceFixed({ namespaces }: ConfigState, id: string): Refusal | undefined {
  if (id === DEFAULT_NAMESPACE)
    return refusal("namespaceIllegal", `namespace '${id}' always exists, and can neither be changed nor deleted`);
  return namespaces.has(id) ? undefined : refusal("namespaceNotFound", `namespaceId [${id}] not exist`);
}

export function editNamespace(turn: Turn, command: Edit): void {
  const { id } = command;
  if (command.type === "deleteNamespace") {
    turn.state.namespaces.delete(id);
    store(turn, ROW.namespace, id, undefined);
  } else {
    const { name, description } = command;
    turn.state.namespaces.set(id, { id, name, description });
    store(turn, ROW.namespace, id, { name, description });
  }
  answer(turn, { type: "done" });
}

function figuresOf(state: ConfigState, namespace: Namespace): NamespaceFigures {
  const { usage, quota } = capacityOf(state, { namespace: namespace.id });
  return { ...namespace, configCount: usage, quota, kind: namespace.id === DEFAULT_NAMESPACE ? 0 : 1 };
}

function notEmpty({ counts }: ConfigState, id: string): Refusal {
  const held = (counts.byNamespace.get(id) ?? 0) + (counts.grayOnly.get(id) ?? 0);
  return refusal(
    "namespaceNotEmpty",
    `namespace '${id}' holds ${held} ${held === 1 ? "configuration" : "configurations"}: remove what it holds first`,
  );
}
