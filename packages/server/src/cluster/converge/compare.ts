import type { ShownInstance } from "@nacre/core/naming";

/** `presence`: some show it and some do not. `client`: it is published by another client. */
export type DifferingField =
  | "presence"
  | "client"
  | "owner"
  | "version"
  | "shown"
  | "weight"
  | "healthy"
  | "enabled"
  | "ephemeral"
  | "metadata";

/** One field of one instance that members show differently. */
export interface Found {
  readonly key: string;
  readonly field: DifferingField;
  /** By member, as text for people. */
  readonly values: ReadonlyMap<string, string>;
  /** Clients whose versions explain it. */
  readonly clientIds: readonly string[];
  readonly ephemeral: boolean;
}

type Read = (instance: ShownInstance) => string;

const CONTENT: readonly (readonly [DifferingField, Read])[] = [
  ["weight", ({ weight }) => String(weight)],
  ["healthy", ({ healthy }) => String(healthy)],
  ["enabled", ({ enabled }) => String(enabled)],
  ["ephemeral", ({ ephemeral }) => String(ephemeral)],
  ["metadata", ({ metadata }) => metadata],
];

/** Compares what members show of one service. */
export function compareInstances(byMember: ReadonlyMap<string, readonly ShownInstance[]>): Found[] {
  const byKey = new Map<string, Map<string, ShownInstance>>();
  for (const [member, instances] of byMember)
    for (const instance of instances) {
      const held = byKey.get(instance.key) ?? new Map<string, ShownInstance>();
      byKey.set(instance.key, held.set(member, instance));
    }
  return [...byKey.keys()].sort().flatMap((key) => compareOne(key, byKey.get(key) ?? new Map(), byMember));
}

function compareOne(
  key: string,
  held: ReadonlyMap<string, ShownInstance>,
  byMember: ReadonlyMap<string, unknown>,
): Found[] {
  const instances = [...held.values()];
  const about = {
    key,
    clientIds: [...new Set(instances.map(({ clientId }) => clientId))],
    ephemeral: instances.every(({ ephemeral }) => ephemeral),
  };
  const found: Found[] = [];
  /** @returns whether the members differ in it. */
  const look = (field: DifferingField, read: Read): boolean => {
    const values = new Map([...held].map(([member, instance]) => [member, read(instance)]));
    if (new Set(values.values()).size < 2) return false;
    found.push({ ...about, field, values });
    return true;
  };
  if (held.size < byMember.size) {
    const values = new Map([...byMember.keys()].map((member) => [member, held.has(member) ? "there" : "not there"]));
    found.push({ ...about, field: "presence", values });
  }
  // Of another client, owner and version are others too; what is shown in another way has another health.
  if (!look("client", ({ clientId }) => clientId) && !look("owner", ({ owner }) => owner))
    look("version", (instance) => versionText(instance));
  const isShownDifferently = look("shown", ({ shown }) => shown);
  for (const [field, read] of CONTENT) if (field !== "healthy" || !isShownDifferently) look(field, read);
  return found;
}

export function versionText({
  incarnation,
  counter,
}: {
  readonly incarnation: number;
  readonly counter: number;
}): string {
  return `change ${counter} of life ${incarnation}`;
}
