import { parentPort, workerData } from "node:worker_threads";
import Database from "better-sqlite3";

/** The thread of `Checkpoints`: one checkpoint for each message; a message of `false` ends it. */
const database = new Database(workerData as string, { fileMustExist: true, timeout: 0 });
database.pragma("synchronous = OFF");
parentPort?.on("message", (go: boolean) => {
  if (!go) {
    database.close();
    parentPort?.close();
    return;
  }
  // Passive: neither waits for readers and writers nor makes them wait.
  database.pragma("wal_checkpoint(PASSIVE)");
  parentPort?.postMessage("done");
});
