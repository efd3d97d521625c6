import { once } from "node:events";
import type { Server } from "node:http";
import type { TestContext } from "node:test";

/** Lets a server listen on a free port until the test ends. @returns its URL, without a path. */
export async function listening(context: TestContext, server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}
