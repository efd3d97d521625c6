import { setTimeout as wait } from "node:timers/promises";
import { Remote } from "./remote.ts";

/** All sockets have written by then. */
const BUSY_MS = 500;
const SETTLE_MS = 1_000;

export interface BareNode {
  /** One turn of the event loop in which all sockets have something to read. */
  readonly readMs: number;
  /** The longest hold of the event loop when the process of all sockets is killed. */
  readonly closeMs: number;
}

/** What Node itself takes for so many sockets, without any code of a server: what no server on it can do better. */
export async function bareNode(count: number): Promise<BareNode> {
  const server = Remote.load("bare-server.ts");
  const load = Remote.load("bare-sockets.ts");
  try {
    await load.call("open", { port: await server.call<number>("listen"), count });
    const turn = server.call<number>("turnAfter", BUSY_MS);
    await load.call("write");
    const readMs = await turn;
    await server.call("watchLoop");
    await load.end();
    await wait(SETTLE_MS);
    return { readMs, closeMs: await server.call<number>("loopHold") };
  } finally {
    await load.end();
    await server.end();
  }
}
