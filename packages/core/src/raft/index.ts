export { isClose } from "./changes.ts";
export { contradiction } from "./contradiction.ts";
export type { Effect, Event, Order, Persist, Proposal, RefusalReason } from "./events.ts";
export { keepFrom, needsSnapshot, type PeerStatus, peerStatuses, snapshotsInUse } from "./facts.ts";
export type { Append, Chunk, Message } from "./messages.ts";
export type {
  Configuration,
  ConfigurationAt,
  Index,
  MemberId,
  Run,
  Snapshot,
  Term,
  Token,
  Trust,
} from "./model.ts";
export { NOBODY, remembers } from "./model.ts";
export { RAFT_DEFAULTS, type RaftOptions } from "./options.ts";
export * from "./sessions.ts";
export { splitAppend } from "./split.ts";
export { newRaft, type Raft, type Role, type Start } from "./state.ts";
export { nextAt, step } from "./step.ts";
