/**
 * Loaded into a member before it starts, to have it believe what a test wants: that it speaks another protocol
 * (`TWIST_PROTOCOL`: what it speaks and the oldest it understands), or that the time is another one
 * (`TWIST_CLOCK_FILE`: a file with the milliseconds to add, which may change).
 */
import { readFileSync } from "node:fs";

const { TWIST_PROTOCOL, TWIST_CLOCK_FILE } = process.env;
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
