import type { RaftMember } from "../raft-sim-member.ts";
import { Machine } from "../raft-sim-model.ts";
import type { RaftChecker, RaftWorld } from "../raft-sim-world.ts";

/** CP-10: a snapshot with what came after it gives the same state as everything from the beginning. */
export function replay(): RaftChecker {
  return { started: compare, installed: compare };
}

function compare(world: RaftWorld, { id, machine }: RaftMember): void {
  if (machine.index === 0) return;
  const replayed = new Machine({});
  for (const entry of world.committed.slice(0, machine.index)) replayed.apply(entry, 0);
  if (replayed.hash() !== machine.hash())
    throw new Error(`CP-10: at ${machine.index} ${id} has ${machine.hash()}, and a replay ${replayed.hash()}`);
}
