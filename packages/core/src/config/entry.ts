import type { ConfigKey } from "@nacre/protocol";
import type { ConfigResult, ConfigWrite } from "./commands.ts";
import type { Turn } from "./state.ts";

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

/** Behind the writes of an entry: caches are told before anybody who may read because of it (G5). */
export function announce(turn: Turn, keys: readonly ConfigKey[]): void {
  if (keys.length > 0) turn.effects.push({ type: "changed", keys });
}
