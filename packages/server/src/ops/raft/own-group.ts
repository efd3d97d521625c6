import type { RaftLog } from "../../raft/raft-log.ts";

/** The log of this member, and through it its group, as operators use them. */
export type OwnGroup = Pick<RaftLog<never, never>, "status" | "order" | "readIndex" | "takeSnapshot">;

export const KEEPS_NOTHING = "this server keeps nothing on disk: it belongs to no group";
