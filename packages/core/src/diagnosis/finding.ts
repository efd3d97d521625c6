import type { Millis } from "../lib/units.ts";

/** Stable: scripts and alerts name them. */
export const FINDING_CODES = [
  // members
  "NO_OTHER_MEMBER",
  "LOOKUP_FAILS",
  "LIST_EMPTIED",
  "LIST_LINES_BAD",
  "LIST_NAMES_TWICE",
  "LIST_DIFFERS",
  "HOST_UNRESOLVED",
  "SELF_UNLISTED",
  "SELF_ADDRESS_CHOSEN",
  "MEMBER_UNLISTED",
  "MEMBER_NOT_FOUND",
  "MEMBER_DOWN",
  "MEMBER_STOPPED",
  "MEMBER_REPLACED",
  "MEMBER_FLAPS",
  "ISOLATED",
  "LINK_ONE_WAY",
  "LINK_BROKEN",
  "LINK_SLOW",
  "PORT_CLOSED",
  "CLUSTER_FOREIGN",
  "IDENTITY_DIFFERS",
  "PROTOCOL_OLD",
  "DATA_FOLDER_COPIED",
  // ap
  "NAMING_NOT_LOADED",
  "NAMING_LOADED_LATE",
  "COPIES_DIFFER",
  "PEER_BEHIND",
  "OWNER_LOST",
  "FORWARDING_FAILS",
  // cp
  "DURABLE_DATA_APART",
  "GROUP_NOT_FORMED",
  "MAJORITY_LOST",
  "LEADER_LACKING",
  "LEADER_FLAPS",
  "MEMBER_NO_VOTER",
  "VOTER_NO_MEMBER",
  "VOTERS_EVEN",
  "LEFT_BEHIND",
  "VOTER_BEHIND",
  "APPLY_STOPPED",
  "ENTRY_PASSED_OVER",
  "LOG_DAMAGED",
  "STATE_DIFFERS",
  "SNAPSHOT_LATE",
  // clients
  "CLIENTS_NOT_BACK",
  "CLIENTS_SILENT",
  "CONNECTIONS_UNEVEN",
  // process
  "PROCESS_PAUSED",
  "MEMORY_NEARLY_FULL",
  "QUEUE_NEARLY_FULL",
  "STATUS_SET",
  // disk, config, store
  "DISK_WRITES_FAIL",
  "DISK_NEARLY_FULL",
  "DISK_SLOW",
  "STORE_FAILS",
  // clock
  "CLOCK_DIFFERS",
  "CLOCK_JUMPED",
] as const;

export type FindingCode = (typeof FINDING_CODES)[number];

/**
 * `error`: something that clients or operators rely on does not work, or a fault would stop it now. `warning`: it works,
 * and somebody should act. `info`: worth knowing; it passes by itself or does no harm.
 */
export type Severity = "error" | "warning" | "info";

export const AREAS = ["members", "ap", "cp", "config", "store", "disk", "clock", "clients", "process"] as const;
export type Area = (typeof AREAS)[number];

/** A member as people know it. */
export interface Named {
  /** Undefined for an address behind which nobody was found. */
  readonly id: string | undefined;
  readonly address: string;
}

/** Something that is wrong, or worth knowing, for as long as it is so. Goes over the wire as it is. */
export interface Finding {
  readonly code: FindingCode;
  /** Tells findings of one code apart, and is the same on each member that sees the same; empty where there is one. */
  readonly key: string;
  readonly severity: Severity;
  readonly area: Area;
  readonly title: string;
  readonly since: Millis;
  /** Those it is about. */
  readonly members: readonly Named[];
  /** What is so, with members, ports, times and the next step. */
  readonly sentence: string;
  readonly fix: string;
}
