import { RegistryError } from "@nacre/protocol";
import { applyRecord, Gathered, markOf } from "./applier.ts";
import type { Files } from "./files.ts";
import type { LogFile } from "./log-file.ts";
import type { StateMachine } from "./port.ts";
import { snapshotRows } from "./snapshot.ts";
import type { SnapshotRow } from "./sql/snapshot-rows.ts";
import { EMPTY, type Mark, type Replacement, type Store } from "./store.ts";
import { inTurns, turn } from "./turn.ts";

/** Rows and bytes of one transaction of a rebuild or a replay. */
const SAVE_ROWS = 1000;
const SAVE_BYTES = 8 * 1024 * 1024;

/** The mark of a store that does not yet hold all rows of a snapshot. No log fits it: an interrupted rebuild starts over. */
const REBUILDING: Mark = { ...EMPTY, index: -1 };

/** Fills an empty store from a snapshot that was found good. */
export async function rebuild(files: Files, path: string, store: Store, mark: Mark): Promise<void> {
  for await (const rows of batches(files, path)) {
    store.restore(rows, REBUILDING);
    await turn();
  }
  store.restore([], mark);
}

/** What a transaction writes while others have their turns: its end takes a few milliseconds. */
const FILL_BYTES = 1024 * 1024;

/**
 * Puts the rows of a snapshot that was found good into a state that is to take the place of another.
 *
 * @param saved  called after each transaction.
 */
export async function fillStore(files: Files, path: string, next: Replacement, saved: () => void): Promise<void> {
  for await (const rows of batches(files, path, FILL_BYTES)) {
    function* puts(): Generator<undefined, void> {
      for (const row of rows) {
        next.put([row]);
        yield;
      }
    }
    await inTurns(puts());
    // The last of them may have used up a slice.
    await turn();
    next.save();
    saved();
    await turn();
  }
}

async function* batches(files: Files, path: string, bytesMax = SAVE_BYTES): AsyncGenerator<SnapshotRow[]> {
  let rows: SnapshotRow[] = [];
  let bytes = 0;
  for await (const row of snapshotRows(files, path)) {
    rows.push(row);
    bytes += bytesOf(row);
    if (rows.length < SAVE_ROWS && bytes < bytesMax) continue;
    yield rows;
    rows = [];
    bytes = 0;
  }
  if (rows.length > 0) yield rows;
}

function bytesOf({ value }: SnapshotRow): number {
  if (typeof value === "string") return value.length;
  return value.reduce<number>((sum, column) => sum + (typeof column === "string" ? column.length : 8), 0);
}

/** Gives the machine what the store holds: rows, then configurations, then what waits for the commit of an import. */
export async function load<C, R>(machine: StateMachine<C, R>, store: Store): Promise<void> {
  for (const row of store.rows()) machine.load(row);
  if (machine.loadConfig !== undefined) for await (const head of store.heads()) machine.loadConfig(head);
  if (machine.loadStaged !== undefined) for await (const staged of store.staged()) machine.loadStaged(staged);
}

/** @returns how many records were behind the store. */
export async function replay<C, R>(log: LogFile, machine: StateMachine<C, R>, store: Store): Promise<number> {
  let writes = new Gathered();
  let bytes = 0;
  let mark = store.mark;
  let count = 0;
  for await (const record of log.recordsAfter(store.mark.index)) {
    try {
      const applied = applyRecord(machine, record);
      if (applied !== undefined) writes.add(applied);
    } catch (thrown) {
      const sentence = `record ${record.index} of the log cannot be applied: report this as a bug`;
      throw new RegistryError("dataAccess", sentence, { cause: thrown });
    }
    mark = markOf(record, mark);
    count += 1;
    bytes += record.payload.length;
    if (writes.count < SAVE_ROWS && bytes < SAVE_BYTES) continue;
    writes.add({ rows: machine.sliceRows?.() ?? [] });
    await store.write(writes, mark);
    writes = new Gathered();
    bytes = 0;
    await turn();
  }
  writes.add({ rows: machine.sliceRows?.() ?? [] });
  if (mark !== store.mark) await store.write(writes, mark);
  if (count > 0) machine.saved?.(mark.index);
  return count;
}
