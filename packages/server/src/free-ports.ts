import { once } from "node:events";
import { createServer, type Server } from "node:net";

const TRIES_MAX = 50;
/** What SDKs add to the main port to find the gRPC port. */
export const GRPC_OFFSET = 1000;

/**
 * A main port whose derived ports are free as well: clients and members know only the first and compute the others, so
 * "any port" has to be any set of them. Between this and the opening another process may take one of them; then the start
 * fails and says which.
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

async function open(host: string, port: number): Promise<Server> {
  const server = createServer().listen(port, host);
  await once(server, "listening");
  return server;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, "close");
}
