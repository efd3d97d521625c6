/** A server of nothing but Node, which reads what comes and drops it: what its event loop is held for is Node's own. */
import { createServer } from "node:net";
import { answer } from "../lib/remote.ts";
import { vitals } from "../lib/vitals.ts";

answer({
  ...vitals,
  listen: () =>
    new Promise<number>((resolve) => {
      const server = createServer((socket) => socket.on("data", () => {}).on("error", () => {}));
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
    }),
  /** Does nothing else for so long. @returns the longest of the next turns of the event loop, in milliseconds. */
  turnAfter: async (busyMs: number) => {
    for (const until = performance.now() + busyMs; performance.now() < until; );
    let longest = 0;
    for (let turns = 0; turns < 3; turns++) {
      const from = performance.now();
      await new Promise((resolve) => setImmediate(resolve));
      longest = Math.max(longest, performance.now() - from);
    }
    return longest;
  },
});
