import { createServer } from "node:net";

/** Below the range from which systems draw the ports of outgoing connections. */
const PORT_MIN = 20_000;
const PORT_MAX = 30_000;
/** Members of one machine are so far apart: their derived ports, 1000 and 1001 above, must not meet. */
export const PORT_STEP = 10;

/** Nobody is given the port of a member that is gone: whom it knew may call it still. */
const given = new Set<number>();

/** Main ports for so many members, 10 apart, that are free with those derived from them on all the hosts given. */
export async function freePorts(count: number, hosts: readonly string[]): Promise<number[]> {
  for (;;) {
    const base = PORT_MIN + Math.floor((Math.random() * (PORT_MAX - PORT_MIN)) / PORT_STEP) * PORT_STEP;
    const mains = Array.from({ length: count }, (_, i) => base + i * PORT_STEP);
    const all = mains.flatMap((main) => [main, main + 1000, main + 1001]);
    if (all.some((port) => given.has(port))) continue;
    const free = await Promise.all(all.flatMap((port) => hosts.map((host) => isFree(host, port))));
    // Others may have been given them meanwhile.
    if (!free.every(Boolean) || all.some((port) => given.has(port))) continue;
    for (const port of all) given.add(port);
    return mains;
  }
}

async function isFree(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer()
    .once("error", () => resolve(false))
    .listen(port, host, () => server.close(() => resolve(true)));
  return promise;
}
