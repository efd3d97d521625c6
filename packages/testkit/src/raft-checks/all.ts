import type { RaftChecker } from "../raft-sim-world.ts";
import { oneLeader } from "./cp1-one-leader.ts";
import { logsMatch } from "./cp2-logs-match.ts";
import { nothingLost } from "./cp3-nothing-lost.ts";
import { linearizable } from "./cp4-linearizable.ts";
import { ownReads } from "./cp5-own-reads.ts";
import { equalStates } from "./cp6-equal-states.ts";
import { cutOff } from "./cp7-cut-off.ts";
import { membership } from "./cp8-membership.ts";
import { replay } from "./cp10-replay.ts";
import { liveness } from "./cp11-liveness.ts";
import { notDone } from "./cp12-not-done.ts";

/** Every checker of the consistent side; each run needs its own. CP-9 is about addresses, which the core does not know. */
export const RAFT_CHECKERS = {
  "CP-1": oneLeader,
  "CP-2": logsMatch,
  "CP-3": nothingLost,
  "CP-4": linearizable,
  "CP-5": ownReads,
  "CP-6": equalStates,
  "CP-7": cutOff,
  "CP-8": membership,
  "CP-10": replay,
  "CP-11": liveness,
  "CP-12": notDone,
} as const satisfies Record<string, () => RaftChecker>;

export function allRaftCheckers(): RaftChecker[] {
  return Object.values(RAFT_CHECKERS).map((make) => make());
}
