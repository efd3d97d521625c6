import type { Members } from "../cluster/members.ts";
import type { Peers } from "../cluster/peer-calls.ts";
import type { ProcessLoad } from "../metrics/load.ts";
import type { ServerStatus } from "../readiness.ts";
import type { Naming } from "./naming.ts";
import type { SetLogLevel } from "./operations.ts";

/** What the HTTP dialects of naming are answered from. */
export interface NamingDeps {
  readonly naming: Naming;
  readonly members: Members;
  readonly peers: Peers;
  /** The status of this member, with what an operator set already laid over. */
  readonly status: () => ServerStatus;
  readonly load: () => ProcessLoad;
  readonly setLogLevel: SetLogLevel;
}
