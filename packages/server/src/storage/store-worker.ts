import { parentPort, workerData } from "node:worker_threads";
import Database from "better-sqlite3";
import { applyWrites } from "./sql/apply-writes.ts";
import { entryWrites } from "./sql/entry-writes.ts";
import { Sqlite } from "./sql/sqlite.ts";
import type { ThreadAnswer, ThreadOrder, Written } from "./store-thread.ts";

/** The thread of `StoreThread`: does what each message says, in order. */
const database = new Database(workerData as string, { fileMustExist: true, timeout: 0 });
database.pragma("synchronous = OFF");
// A checkpoint is an order of its own: nobody waits for it.
database.pragma("wal_autocheckpoint = 0");
parentPort?.on("message", (order: ThreadOrder) => {
  switch (order.type) {
    case "end":
      database.close();
      parentPort?.close();
      return;
    case "checkpoint":
      // Passive: neither waits for readers and writers nor makes them wait.
      database.pragma("wal_checkpoint(PASSIVE)");
      return answer({ type: "checkpointed" });
    case "perform":
      return answer(outcomeOf(() => order.statements.forEach((statement) => void database.exec(statement))));
    case "write":
      return answer(outcomeOf(() => database.transaction(write).immediate(order)));
  }
});

function write({ rows, configs, mark }: Written): void {
  const entries = entryWrites(database);
  for (const _ of entries.perform(rows, applyWrites(new Sqlite(database), configs)));
  entries.setMark(mark);
}

function outcomeOf(work: () => void): ThreadAnswer {
  try {
    work();
    return { type: "done" };
  } catch (thrown) {
    return { type: "failed", reason: String(thrown) };
  }
}

function answer(answer: ThreadAnswer): void {
  parentPort?.postMessage(answer);
}
