import type { Peers } from "../../cluster/peer-calls.ts";
import type { Connections } from "../../connections/connections.ts";
import type { SetLogLevel } from "../../naming/operations.ts";
import type { Readiness } from "../../readiness.ts";
import type { ReadArchiveOptions } from "../archive/read-archive.ts";
import type { ConfigService } from "../service.ts";

/** What the HTTP dialects of configuration are answered from. */
export interface ConfigHttpDeps {
  readonly configs: ConfigService;
  readonly connections: Pick<Connections, "get" | "list">;
  readonly peers: Peers;
  readonly readiness: Pick<Readiness, "state">;
  readonly setLogLevel: SetLogLevel;
  /** Parses the metadata of archives. */
  readonly readYaml: ReadArchiveOptions["readYaml"];
  /** Epoch milliseconds. */
  readonly wall: () => number;
  /** UTF-8 bytes of one content; a publish may be as large as that takes in a form. */
  readonly contentBytesMax: number;
}

/** A form writes a byte as three characters at worst, and the other fields take some too. */
export function publishBytesMax({ contentBytesMax }: Pick<ConfigHttpDeps, "contentBytesMax">): number {
  return contentBytesMax * 3 + 256 * 1024;
}

/** A packed archive in memory; what is in it has bounds of its own. */
export const ARCHIVE_BYTES_MAX = 64 * 1024 * 1024;
