import { connectionMessages } from "@nacre/protocol";
import type { Connections, ConnectionsSetup } from "./connections.ts";
import { type Feature, feature, type Handlers } from "./handlers.ts";

/** What a member says about itself to the others when connections are balanced. */
export interface Load {
  /** Load average of one minute. */
  readonly load: number;
  /** Share of the processors in use, 0 to 1. */
  readonly cpu: number;
}

/** At most this share of the SDK connections moves when another member asks. */
const RELOAD_SHARE = 0.1;

/** Health check and connection balancing: what the life cycle itself answers. */
export function internalFeature(connections: Connections, { address, load }: ConnectionsSetup): Feature {
  return feature(connectionMessages, {
    // Answered before registration by the dispatch; declared here so that nobody else serves it.
    ServerCheckRequest: { handle: () => ({}) },
    HealthCheckRequest: { handle: () => ({}) },
    ServerLoaderInfoRequest: {
      handle() {
        const figures = load?.() ?? { load: 0, cpu: 0 };
        const { all, sdk } = connections.count;
        return {
          address: `${address.ip}:${address.port}`,
          loaderMetrics: {
            conCount: String(all),
            sdkConCount: String(sdk),
            load: String(figures.load),
            cpu: String(figures.cpu),
          },
        };
      },
    },
    ServerReloadRequest: {
      handle({ reloadCount, reloadServer }) {
        if (connections.count.sdk <= reloadCount) return { message: "ignore" };
        connections.reload(reloadCount, redirectOf(reloadServer), RELOAD_SHARE);
        return { message: "ok" };
      },
    },
  } satisfies Handlers<typeof connectionMessages>);
}

/** `ip:port`, the ip possibly of version 6 in brackets; blank means any other server. */
function redirectOf(server: string): { ip: string; port: number } | undefined {
  const at = server.lastIndexOf(":");
  const port = Number(server.slice(at + 1));
  if (at <= 0 || !Number.isInteger(port)) return undefined;
  return { ip: server.slice(0, at).replace(/^\[(.*)\]$/, "$1"), port };
}
