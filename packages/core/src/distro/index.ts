export { type Changed, ChangedClients } from "./changed-clients.ts";
export { type FrameFailure, FrameReader, frames } from "./codec.ts";
export type { Effect, Event, PeerState } from "./events.ts";
export {
  compareHeads,
  type DistroFacts,
  distroFacts,
  type HeadPlace,
  headsAfter,
  holdings,
  type LoadFacts,
  type OrphanFacts,
  type PeerFacts,
  stateHash,
} from "./facts.ts";
export { type ContentsOf, fill } from "./fill.ts";
export type { Cursor, Message, Outgoing, OwnerDigest } from "./messages.ts";
export {
  type Base,
  type Change,
  type ClientId,
  type Contents,
  compareVersions,
  type Entry,
  type Head,
  type MemberId,
  type Outline,
  type PublishedInstance,
  sameVersion,
  type Version,
} from "./model.ts";
export {
  DEFAULT_DISTRO_OPTIONS,
  type DistroOptions,
  type DistroState,
  headOf,
  type NamingFacts,
  newDistro,
} from "./state.ts";
export { nextAt, step } from "./step.ts";
