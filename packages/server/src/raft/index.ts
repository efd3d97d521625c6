export type { FollowerStatus, FromPeers, GroupOrder, Peers, RaftEvents, RaftStatus } from "./port.ts";
export { openRaftLog, type RaftLog, type RaftLogOptions } from "./raft-log.ts";
