import type { Connection, Redirect } from "@nacre/core/connections";
import { integer, number, object, RegistryError, text } from "@nacre/protocol";
import type { Connections } from "./connections.ts";

/** A connection as the loader API shows it; `createTime` is text in v2 and a number in v3. */
export function connectionBody(connection: Connection, time: "text" | "number"): Record<string, unknown> {
  const { id, clientIp, remoteIp, remotePort, localPort, clientVersion, appName, tenant, labels, tls } = connection;
  const createdAt = Math.round(connection.createdAt);
  return {
    traced: false,
    abilityTable: connection.abilities ?? {},
    metaInfo: {
      connectType: "GRPC",
      clientIp,
      remoteIp,
      remotePort,
      localPort,
      version: clientVersion,
      connectionId: id,
      createTime: time === "number" ? createdAt : new Date(createdAt).toISOString().replace("Z", "+00:00"),
      lastActiveTime: Math.round(connection.lastActiveAt),
      appName,
      tenant,
      labels,
      tlsProtected: tls,
    },
    connected: connection.phase !== "leaving",
  };
}

/** What one member says about its connections and its load. */
export interface MemberLoad {
  readonly address: string;
  /** Whether it lets clients in. */
  readonly ready: boolean;
  readonly connections: { readonly all: number; readonly sdk: number };
  /** Load average of one minute. */
  readonly load: number;
  /** Share of the processors in use, 0 to 1. */
  readonly cpu: number;
}

/** A member counts as overloaded from this multiple of the average on. */
const OVERLOADED_FACTOR = 1.1;

/** The members' SDK connections side by side. `members` is how many were asked, which may be more than answered. */
export function clusterLoad(loads: readonly MemberLoad[], members: number) {
  const counts = loads.map(({ connections }) => connections.sdk);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const avg = Math.floor(total / Math.max(1, counts.length));
  return {
    total,
    min: Math.min(...counts),
    max: Math.max(...counts),
    avg,
    memberCount: members,
    metricsCount: loads.length,
    completed: loads.length === members,
    threshold: String(Number((avg * OVERLOADED_FACTOR).toFixed(1))),
  };
}

/** `ip:port`, the ip possibly of version 6 in brackets; blank leaves the choice to the SDK. @throws RegistryError. */
export function redirectTo(address: string): Redirect | undefined {
  if (address.trim() === "") return undefined;
  const [, ip = "", port = ""] = /^(.+):(\d{1,5})$/.exec(address.trim()) ?? [];
  if (ip === "" || Number(port) > 65_535 || Number(port) < 1)
    throw new RegistryError("invalidParameter", `Param 'redirectAddress' must be ip:port, not '${address}'.`);
  return { ip: ip.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
}

const reloadOrder = object({ keep: integer(0), share: number(0), redirect: text() });

/** Another member asks this one to give connections away. @throws RegistryError for an order that is none. */
export function obeyReload(connections: Pick<Connections, "reload">, given: unknown): { readonly moved: number } {
  const { keep, share, redirect } = reloadOrder.read(given, "");
  return { moved: connections.reload(keep, redirectTo(redirect), Math.min(Math.max(share, 0), 1)) };
}
