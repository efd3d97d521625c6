import type { Log } from "./connections/connections.ts";
import type { Options } from "./options.ts";
import { createHttpServer, type HttpServer, type HttpServerSetup } from "./transport/http/http-server.ts";
import type { Route } from "./transport/http/route.ts";

export interface ConsolePort extends Pick<HttpServer, "leave" | "close"> {
  readonly port: number;
}

/** The port that opens none. */
export const CONSOLE_OFF = -1;
const CONSOLE_PORT = 8080;

/** A server on any free port, as tests and embedding programs start it, has no use for a well-known one. */
export function consolePortOf({ port, consolePort }: Pick<Options, "port" | "consolePort">): number {
  return consolePort ?? (port === 0 ? CONSOLE_OFF : CONSOLE_PORT);
}

/**
 * Opens the console's port beside the main one, with the paths that charts and probes for Nacos 3 ask there, and
 * the server list that SDKs with an endpoint look for. The main port answers all of it as well, so a port that cannot
 * be opened is said and no more: it would be wrong to keep a registry down for a convenience.
 *
 * @param setup  as given to the main port.
 * @returns undefined when the port is switched off or cannot be opened.
 */
export async function openConsolePort(
  address: { readonly port: number; readonly host: string },
  setup: HttpServerSetup,
  log: Log,
): Promise<ConsolePort | undefined> {
  if (address.port === CONSOLE_OFF) return undefined;
  const { routes, furtherRoutes } = setup;
  const server = createHttpServer({
    ...setup,
    routes: consoleRoutes(routes),
    furtherRoutes: async () => consoleRoutes((await furtherRoutes?.()) ?? []),
  });
  try {
    const port = await server.listen(address);
    return { port, leave: server.leave, close: server.close };
  } catch (thrown) {
    await server.close(0);
    const text =
      `the console port ${address.port} could not be opened; the main port answers the same paths below its context ` +
      `path. Free the port, or set nacos.console.port to another one or to ${CONSOLE_OFF} for none.`;
    log.warn({ code: (thrown as NodeJS.ErrnoException).code, port: address.port }, text);
    return undefined;
  }
}

/** What the console's port answers too: the console's paths, health, and the list of servers for discovery. */
export function consoleRoutes(routes: readonly Route[]): readonly Route[] {
  return routes.filter(({ path }) => CONSOLE.test(path));
}

const CONSOLE = /^\/(?:v[123]\/console\/.*|v[13]\/auth\/.*|actuator\/health.*|serverlist|index\.html|)$/;
