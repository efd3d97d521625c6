import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { takenPort } from "./start-failure.ts";

const TRIES_MAX = 50;
const OPENS_MAX = 5;
/** What SDKs add to the main port to find the gRPC port. */
export const GRPC_OFFSET = 1000;

/**
 * A main port whose derived ports are free as well: clients and members know only the first and compute the others, so
 * "any port" has to be any set of them. Between this and the opening another process may take one of them: see
 * `onFreePorts`.
 */
export async function freeMainPort(host: string, offsets: readonly number[]): Promise<number> {
  for (let tried = 1; ; tried++) {
    const main = await open(host, 0);
    const { port } = main.address() as { port: number };
    try {
      for (const offset of offsets) {
        if (port + offset > 65_535) throw new Error("no room above");
        await close(await open(host, port + offset));
      }
      return port;
    } catch (thrown) {
      if (tried === TRIES_MAX) throw thrown;
    } finally {
      await close(main);
    }
  }
}

/**
 * Opens ports that were found free, and begins again with others when somebody took one of them meanwhile, as every
 * connection that leaves this machine may.
 *
 * @param open    finds the ports and opens them; leaves nothing open when it fails.
 * @param chosen  ports that are not looked for: one that is taken is a failure.
 */
export async function onFreePorts<T>(open: () => Promise<T>, chosen: readonly (number | undefined)[]): Promise<T> {
  for (let opened = 1; ; opened++) {
    try {
      return await open();
    } catch (thrown) {
      const port = takenPort(thrown);
      if (port === undefined || chosen.includes(port) || opened === OPENS_MAX) throw thrown;
    }
  }
}

async function open(host: string, port: number): Promise<Server> {
  const server = createServer().listen(port, host);
  await once(server, "listening");
  return server;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, "close");
}
