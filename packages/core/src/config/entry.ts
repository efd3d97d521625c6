import type { ConfigResult, ConfigWrite } from "./commands.ts";
import type { Item } from "./model.ts";
import { noteChange } from "./notify.ts";
import { forgetIfUnused, type Turn } from "./state.ts";

/** The log entry that is being applied. */
export interface Entry {
  readonly index: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** More than an entry ever has positions; with 2^33 entries before ids are no longer exact. */
const POSITIONS = 2 ** 20;

/** Ids of rows: the same on every member, unique, and ascending with the log (G1). */
export function rowId({ index }: Entry, position: number): number {
  return index * POSITIONS + position;
}

export function write(turn: Turn, ...writes: readonly ConfigWrite[]): void {
  for (const one of writes) turn.effects.push({ type: "write", write: one });
}

export function store(turn: Turn, kind: string, key: string, value: unknown): void {
  turn.effects.push({ type: "store", kind, key, value: value === undefined ? undefined : JSON.stringify(value) });
}

export function answer(turn: Turn, result: ConfigResult): void {
  turn.effects.push({ type: "result", result });
}

/**
 * Behind the writes of an entry: caches are told before anybody who may read because of it (G5).
 *
 * @param touched  the items that have other versions now, and whether each had a formal one before the entry.
 */
export function announce(turn: Turn, touched: ReadonlyMap<Item, boolean>): void {
  if (touched.size === 0) return;
  turn.effects.push({ type: "changed", keys: [...touched.keys()].map(({ key }) => key) });
  for (const [item, existed] of touched) {
    noteChange(turn, item, existed);
    forgetIfUnused(turn.state, item);
  }
}
