export type {
  FollowerStatus,
  FromPeers,
  GroupOrder,
  Peers,
  RaftCounts,
  RaftEvents,
  RaftStatus,
  TakenSnapshot,
} from "./port.ts";
export { openRaftLog, type RaftLog, type RaftLogOptions } from "./raft-log.ts";
