import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { FindingCode } from "./finding.ts";
import { NOT_HERE } from "./not-here.ts";

/** Failure modes that operators of the reference meet, and what is told of each here: codes, or a row of `NOT_HERE`. */
const MODES: Readonly<Record<string, readonly FindingCode[] | "not here" | "diagnosis itself">> = {
  F01: ["NAMING_NOT_LOADED", "NAMING_LOADED_LATE", "MEMBER_NOT_FOUND"],
  F02: ["NO_OTHER_MEMBER", "LIST_LINES_BAD"],
  F03: "not here",
  F04: ["NAMING_NOT_LOADED"],
  F05: "not here",
  F06: ["COPIES_DIFFER"],
  F07: ["MEMBER_DOWN"],
  F08: ["MEMBER_FLAPS", "LINK_ONE_WAY", "LINK_BROKEN"],
  F09: ["OWNER_LOST"],
  F10: "not here",
  F11: ["OWNER_LOST"],
  F12: ["CLIENTS_SILENT", "CLIENTS_NOT_BACK"],
  F13: "not here",
  F14: "not here",
  F15: ["MAJORITY_LOST", "LEADER_LACKING"],
  F16: ["APPLY_STOPPED"],
  F17: ["VOTER_BEHIND", "MEMBER_NO_VOTER"],
  F18: ["LOG_DAMAGED"],
  F19: ["MAJORITY_LOST", "LEFT_BEHIND"],
  F20: ["VOTER_NO_MEMBER", "VOTERS_EVEN"],
  F21: ["MEMBER_UNLISTED", "VOTER_NO_MEMBER"],
  F22: "not here",
  F23: ["LIST_NAMES_TWICE"],
  F24: ["LIST_DIFFERS"],
  F25: ["CLUSTER_FOREIGN"],
  F26: ["PORT_CLOSED", "MEMBER_NOT_FOUND"],
  F27: ["IDENTITY_DIFFERS"],
  F28: ["FORWARDING_FAILS"],
  F29: ["FORWARDING_FAILS"],
  F30: "not here",
  F31: "not here",
  F32: ["VOTER_BEHIND", "APPLY_STOPPED", "STATE_DIFFERS"],
  F33: ["CLOCK_DIFFERS", "CLOCK_JUMPED"],
  F34: "not here",
  F35: ["GROUP_NOT_FORMED", "MAJORITY_LOST"],
  F36: ["STORE_FAILS"],
  F37: ["DISK_WRITES_FAIL", "DISK_NEARLY_FULL"],
  F38: ["SNAPSHOT_LATE"],
  F39: "not here",
  F40: ["STATE_DIFFERS"],
  F41: ["ISOLATED", "MAJORITY_LOST"],
  F42: ["NAMING_NOT_LOADED", "STATUS_SET"],
  F43: ["NAMING_NOT_LOADED", "NAMING_LOADED_LATE"],
  F44: ["CONNECTIONS_UNEVEN"],
  F45: ["MEMORY_NEARLY_FULL", "QUEUE_NEARLY_FULL", "PEER_BEHIND"],
  F46: ["PEER_BEHIND"],
  F47: ["VOTER_BEHIND"],
  F48: ["LEADER_LACKING", "LEADER_FLAPS"],
  F49: "not here",
  F50: "not here",
  F51: "not here",
  F52: "diagnosis itself",
  F53: "not here",
  F54: ["PROCESS_PAUSED"],
  F55: ["LIST_DIFFERS", "MEMBER_NO_VOTER"],
  F56: ["HOST_UNRESOLVED"],
};

describe("each failure mode of the reference", () => {
  test("has a finding, or a reason why there is none", () => {
    assert.equal(Object.keys(MODES).length, 56);
    const reasons = NOT_HERE.flatMap(({ row }) => row.split(", "));
    const without = Object.keys(MODES).filter((mode) => MODES[mode] === "not here");
    assert.deepEqual(reasons.toSorted(), without);
  });
});
