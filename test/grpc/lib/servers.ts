import { startEngine } from "./engine-server.ts";
import { startGrpcJs } from "./grpc-js-server.ts";
import type { ScenarioName } from "./scenarios.ts";
import type { StartServer } from "./server.ts";

/** The one under test stands first. */
export const SERVER_NAMES = ["engine", "grpc-js"] as const;

export type ServerName = (typeof SERVER_NAMES)[number];

export const SERVERS: Record<ServerName, StartServer> = { engine: startEngine, "grpc-js": startGrpcJs };

/** What a server has no means for. */
export const LACKS: Record<ServerName, readonly ScenarioName[]> = {
  engine: [],
  // It takes compressed messages always.
  "grpc-js": ["gzip-refused"],
};

export function isServerName(name: string): name is ServerName {
  return (SERVER_NAMES as readonly string[]).includes(name);
}
