/**
 * Loaded into a member before it starts, to have it believe what a test wants: that it speaks another protocol
 * (`TWIST_PROTOCOL`: what it speaks and the oldest it understands), that the time is another one (`TWIST_CLOCK_FILE`: a
 * file with the milliseconds to add, which may change), or that its store takes nothing (`TWIST_STORE_FILE`: as long as
 * there is such a file).
 */
import { existsSync, readFileSync } from "node:fs";

const { TWIST_PROTOCOL, TWIST_CLOCK_FILE, TWIST_STORE_FILE } = process.env;
const LOOK_MS = 50;

if (TWIST_PROTOCOL !== undefined) {
  const { CLUSTER_PROTOCOL } = await import("../../../packages/server/src/cluster/cluster.ts");
  const [speaks, oldest] = TWIST_PROTOCOL.split(",").map(Number);
  Object.assign(CLUSTER_PROTOCOL, { speaks, oldest });
}

if (TWIST_CLOCK_FILE !== undefined) {
  const now = Date.now.bind(Date);
  const read = () => Number(readFileSync(TWIST_CLOCK_FILE, "utf8"));
  let aheadMs = read();
  Date.now = () => now() + aheadMs;
  setInterval(() => {
    aheadMs = read();
  }, LOOK_MS).unref();
}

if (TWIST_STORE_FILE !== undefined) {
  const { default: Database } = await import("better-sqlite3");
  const memory = new Database(":memory:");
  const statement = Object.getPrototypeOf(memory.prepare("select 1")) as { run(...values: unknown[]): unknown };
  memory.close();
  const run = statement.run;
  statement.run = function (this: unknown, ...values: unknown[]) {
    if (existsSync(TWIST_STORE_FILE)) throw Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_WRITE" });
    return run.apply(this, values);
  };
}
