import { type ConfigKey, type ConfigName, configKey, DEFAULT_CONFIG_TYPE } from "@nacre/protocol";
import { type Refusal, refusal } from "../lib/refusal.ts";
import { capacityRefused, type Load } from "./capacity.ts";
import { type ConfigCommand, IMPORT_ITEMS_MAX, type ImportPolicy } from "./commands.ts";
import { announce, answer, type Entry, rowId, write } from "./entry.ts";
import { noteChange } from "./notify.ts";
import { addItem, type ConfigState, ownName, type StagedHead, type StagedItemHead, type Turn } from "./state.ts";
import { ownType, setVersions, versionOf } from "./versions.ts";

type Stage = Extract<ConfigCommand, { type: "stageConfigs" }>;
type Commit = Extract<ConfigCommand, { type: "commitConfigs" }>;

/** Imports that may wait for their commit at the same time: bounds what is staged. */
export const IMPORTS_MAX = 8;

export function stageRefused({ staged }: ConfigState, { importId, items }: Stage): Refusal | undefined {
  const held = staged.get(importId);
  if (held === undefined && staged.size >= IMPORTS_MAX)
    return refusal("overThreshold", `${IMPORTS_MAX} imports are under way already; try again when one has ended`);
  if ((held?.heads.length ?? 0) + items.length > IMPORT_ITEMS_MAX)
    return refusal("invalidParameter", `an import holds at most ${IMPORT_ITEMS_MAX} configurations; split it`);
  return undefined;
}

export function stage(turn: Turn, { importId, items }: Stage): void {
  const { state } = turn;
  for (const item of items) {
    const { name, content, fields } = item;
    write(turn, { kind: "stage", importId, position: state.staged.get(importId)?.heads.length ?? 0, item });
    addStaged(state, importId, { ...content, name, type: fields.type });
  }
  answer(turn, { type: "done" });
}

/** Keeps of a staged item what its commit needs: not the content. An import of nothing leaves no trace. */
export function addStaged(state: ConfigState, importId: string, head: StagedHead): void {
  let staged = state.staged.get(importId);
  if (staged === undefined) {
    staged = { heads: [], keys: new Set() };
    state.staged.set(importId, staged);
  }
  const { heads, keys } = staged;
  const { name, md5, bytes, encryptedDataKey, type } = head;
  const key = configKey(name);
  const repeats = keys.has(key);
  keys.add(key);
  heads.push({
    key,
    repeats,
    name: ownName(state, name),
    md5,
    bytes,
    encryptedDataKey,
    type: type && ownType(type),
  });
}

export function commitRefused(state: ConfigState, { importId, items, policy, capacity }: Commit): Refusal | undefined {
  const heads = state.staged.get(importId)?.heads;
  if (heads === undefined)
    return refusal("illegalState", `import '${importId}' is not staged: it was committed or dropped before`);
  if (items !== undefined && items !== heads.length)
    return refusal(
      "illegalState",
      `of the ${items} configurations of import '${importId}' ${heads.length} are staged, because it stood still and was dropped: import them again`,
    );
  if (capacity === undefined || (policy === "ABORT" && firstExisting(state, heads) !== undefined)) return undefined;
  return capacityRefused(state, capacity, loadsOf(state, heads, policy));
}

function* loadsOf(state: ConfigState, heads: readonly StagedItemHead[], policy: ImportPolicy): Generator<Load> {
  for (const head of heads) {
    const exists = existsBefore(state, head);
    if (!exists || policy !== "SKIP") yield { name: head.name, bytes: head.bytes, added: !exists };
  }
}

/**
 * G7. The items go in as if they were published one after the other in the order staged, so that one that is in the
 * import twice exists when its second copy comes: ABORT refuses the import, SKIP keeps the first, OVERWRITE the last.
 */
export function commit(turn: Turn, entry: Entry, command: Commit): void {
  const { state } = turn;
  const { importId, policy } = command;
  const heads = state.staged.get(importId)?.heads ?? [];
  const stopsAt = policy === "ABORT" ? firstExisting(state, heads) : undefined;
  const { keys, skipped } = stopsAt === undefined ? promote(turn, entry, heads, command) : allBut(stopsAt, heads);
  forgetStaged(turn, importId);
  announce(turn, keys);
  const failed = stopsAt === undefined ? [] : [stopsAt.name];
  answer(turn, { type: "imported", succeeded: keys.length, failed, skipped });
}

/** Keys of what was written, and names of what was not. */
interface Promoted {
  readonly keys: readonly ConfigKey[];
  readonly skipped: readonly ConfigName[];
}

function allBut(failed: StagedItemHead, heads: readonly StagedItemHead[]): Promoted {
  return { keys: [], skipped: heads.filter((head) => head !== failed).map(({ name }) => name) };
}

function promote(
  turn: Turn,
  entry: Entry,
  heads: readonly StagedItemHead[],
  { importId, policy, by }: Commit,
): Promoted {
  const { state } = turn;
  const nid = rowId(entry, 0);
  const ids: number[] = [];
  const keys: ConfigKey[] = [];
  const skipped: ConfigName[] = [];
  for (const head of heads) {
    const id = policy === "SKIP" && existsBefore(state, head) ? 0 : promoteOne(state, entry, head, nid + ids.length);
    ids.push(id);
    if (id === 0) skipped.push(head.name);
    else keys.push(head.key);
  }
  if (keys.length > 0) write(turn, { kind: "promote", importId, nid, ids, revision: entry.index, at: entry.at, by });
  return { keys, skipped };
}

/** A function of its own, and short of anything else: ten thousand calls in one step are to take a few milliseconds. */
function promoteOne(state: ConfigState, { index, at }: Entry, head: StagedItemHead, newId: number): number {
  const item = state.items.get(head.key) ?? addItem(state, head.key, head.name);
  const held = item.formal;
  const id = held === undefined ? newId : item.id;
  const formal = versionOf(head, head.type ?? held?.type ?? DEFAULT_CONFIG_TYPE, index, at);
  setVersions(state, item, id, formal, item.grays);
  noteChange(state, item, held !== undefined);
  return id;
}

export function dropStaged(turn: Turn, importId: string): void {
  if (turn.state.staged.has(importId)) forgetStaged(turn, importId);
  answer(turn, { type: "done" });
}

function forgetStaged(turn: Turn, importId: string): void {
  const { staged } = turn.state;
  const heads = staged.get(importId)?.heads ?? [];
  staged.delete(importId);
  let bytes = 0;
  for (const head of heads) bytes += head.bytes;
  write(turn, { kind: "dropStaged", importId, items: heads.length, bytes });
}

/** In the order staged: the first that would not be new. */
function firstExisting(state: ConfigState, heads: readonly StagedItemHead[]): StagedItemHead | undefined {
  return heads.find((head) => existsBefore(state, head));
}

/** Whether it would be there when its turn comes. */
function existsBefore(state: ConfigState, { key, repeats }: StagedItemHead): boolean {
  return repeats || state.items.get(key)?.formal !== undefined;
}
