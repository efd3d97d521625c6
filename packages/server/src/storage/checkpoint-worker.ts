import { parentPort, workerData } from "node:worker_threads";
import Database from "better-sqlite3";
import type { CheckpointOrder } from "./checkpoints.ts";

/** The thread of `Checkpoints`: does what each message says, in order. */
const database = new Database(workerData as string, { fileMustExist: true, timeout: 0 });
database.pragma("synchronous = OFF");
parentPort?.on("message", (order: CheckpointOrder) => {
  if (order === "end") {
    database.close();
    parentPort?.close();
  } else if (order === "checkpoint") {
    // Passive: neither waits for readers and writers nor makes them wait.
    database.pragma("wal_checkpoint(PASSIVE)");
    parentPort?.postMessage("checkpointed");
  } else parentPort?.postMessage({ failed: failureOf(order) });
});

function failureOf(statements: readonly string[]): string | undefined {
  try {
    for (const statement of statements) database.exec(statement);
    return undefined;
  } catch (thrown) {
    return String(thrown);
  }
}
