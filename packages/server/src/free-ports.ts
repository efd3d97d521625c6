import { once } from "node:events";
import { createServer, type Server } from "node:net";

const TRIES_MAX = 50;
/** What SDKs add to the main port to find the gRPC port. */
export const GRPC_OFFSET = 1000;

/**
 * A main port whose gRPC port is free as well: SDKs know only the first and compute the second, so "any port" has to be
 * any pair. Between this and the opening another process may take one of them; then the start fails and says which.
 */
export async function freePortPair(host: string): Promise<number> {
  for (let tried = 1; ; tried++) {
    const main = await open(host, 0);
    const { port } = main.address() as { port: number };
    try {
      if (port + GRPC_OFFSET + 1 > 65_535) throw new Error("no room above");
      await close(await open(host, port + GRPC_OFFSET));
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
