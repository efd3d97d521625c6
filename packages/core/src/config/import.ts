import { type ConfigKey, type ConfigName, configKey, DEFAULT_CONFIG_TYPE } from "@nacre/protocol";
import { type Refusal, refusal } from "../lib/refusal.ts";
import { capacityRefused } from "./capacity.ts";
import { type ConfigCommand, IMPORT_ITEMS_MAX } from "./commands.ts";
import { announce, answer, type Entry, rowId, write } from "./entry.ts";
import type { Item } from "./model.ts";
import { type ConfigState, ensureItem, type StagedHead, type StagedItemHead, type Turn } from "./state.ts";
import { setVersions, versionOf } from "./versions.ts";

type Stage = Extract<ConfigCommand, { type: "stageConfigs" }>;
type Commit = Extract<ConfigCommand, { type: "commitConfigs" }>;

/** Imports that may wait for their commit at the same time: bounds what is staged. */
export const IMPORTS_MAX = 8;

export function stageRefused({ staged }: ConfigState, { importId, items }: Stage): Refusal | undefined {
  const held = staged.get(importId);
  if (held === undefined && staged.size >= IMPORTS_MAX)
    return refusal("overThreshold", `${IMPORTS_MAX} imports are under way already; try again when one has ended`);
  if ((held?.length ?? 0) + items.length > IMPORT_ITEMS_MAX)
    return refusal("invalidParameter", `an import holds at most ${IMPORT_ITEMS_MAX} configurations; split it`);
  return undefined;
}

export function stage(turn: Turn, { importId, items }: Stage): void {
  const heads = turn.state.staged.get(importId) ?? [];
  // An empty batch leaves no row in the store: a start would not know of it.
  if (items.length > 0) turn.state.staged.set(importId, heads);
  for (const item of items) {
    write(turn, { kind: "stage", importId, position: heads.length, item });
    heads.push(stagedHead(item.name, item.content, item.fields.type));
  }
  answer(turn, { type: "done" });
}

/** Of a staged item, what its commit needs: not the content. */
export function stagedHead(
  name: ConfigName,
  { md5, bytes, encryptedDataKey }: Omit<StagedHead, "name" | "type">,
  type: StagedHead["type"],
): StagedItemHead {
  return { key: configKey(name), name, md5, bytes, encryptedDataKey, type };
}

export function commitRefused(state: ConfigState, { importId, policy }: Commit): Refusal | undefined {
  const heads = state.staged.get(importId);
  if (heads === undefined)
    return refusal("illegalState", `import '${importId}' is not staged: it was committed or dropped before`);
  if (!state.options.enforceCapacity || (policy === "ABORT" && firstExisting(state, heads) !== undefined))
    return undefined;
  const added = new Set<ConfigKey>();
  return capacityRefused(
    state,
    heads.flatMap(({ key, name, bytes }) => {
      const held = state.items.get(key)?.formal !== undefined || added.has(key);
      if (held && policy === "SKIP") return [];
      added.add(key);
      return [{ name, bytes, added: !held }];
    }),
  );
}

/**
 * G7. The items go in as if they were published one after the other in the order staged, so that one that is in the
 * import twice exists when its second copy comes: ABORT refuses the import, SKIP keeps the first, OVERWRITE the last.
 */
export function commit(turn: Turn, entry: Entry, { importId, policy, by }: Commit): void {
  const { state } = turn;
  const heads = state.staged.get(importId) ?? [];
  const stopsAt = policy === "ABORT" ? firstExisting(state, heads) : undefined;
  const touched = new Map<Item, boolean>();
  const skipped: ConfigName[] = [];
  for (const [position, head] of heads.entries()) {
    const { name } = head;
    if (stopsAt !== undefined) {
      if (head !== stopsAt) skipped.push(name);
      continue;
    }
    const item = ensureItem(state, name, head.key);
    const held = item.formal;
    if (held !== undefined && policy === "SKIP") {
      skipped.push(name);
      continue;
    }
    if (!touched.has(item)) touched.set(item, held !== undefined);
    const at = { revision: entry.index, at: entry.at, by };
    const nid = rowId(entry, position);
    const id = held === undefined ? nid : item.id;
    const op = held === undefined ? "I" : "U";
    write(
      turn,
      { kind: "history", nid, name: item.name, gray: undefined, op, at: entry.at, by },
      { kind: "promote", importId, position, name: item.name, id, ...at },
    );
    const type = head.type ?? held?.type ?? DEFAULT_CONFIG_TYPE;
    const formal = versionOf({ ...head, type, revision: entry.index, modifiedAt: entry.at });
    setVersions(state, item, { id, formal, grays: item.grays });
  }
  forgetStaged(turn, importId);
  announce(turn, touched);
  const failed = stopsAt === undefined ? [] : [stopsAt.name];
  answer(turn, { type: "imported", succeeded: heads.length - skipped.length - failed.length, failed, skipped });
}

export function dropStaged(turn: Turn, importId: string): void {
  if (turn.state.staged.has(importId)) forgetStaged(turn, importId);
  answer(turn, { type: "done" });
}

function forgetStaged(turn: Turn, importId: string): void {
  turn.state.staged.delete(importId);
  write(turn, { kind: "dropStaged", importId });
}

/** In the order staged: the first that would not be new. */
function firstExisting(state: ConfigState, heads: readonly StagedItemHead[]): StagedItemHead | undefined {
  const seen = new Set<ConfigKey>();
  return heads.find(({ key }) => {
    const exists = seen.has(key) || state.items.get(key)?.formal !== undefined;
    seen.add(key);
    return exists;
  });
}
