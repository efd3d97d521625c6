import type { RaftMember } from "../raft-sim-member.ts";
import type { RaftChecker, RaftWorld } from "../raft-sim-world.ts";

/** CP-6: at the same index all machines are equal, whatever their clocks say. */
export function equalStates(): RaftChecker {
  const hashes: string[] = [];
  return {
    applied: (_world: RaftWorld, member: RaftMember) => compare(hashes, member),
  };
}

function compare(hashes: string[], { id, machine }: RaftMember): void {
  const hash = machine.hash();
  const before = hashes[machine.index] ?? hash;
  if (before !== hash) throw new Error(`CP-6: at ${machine.index} ${id} has ${hash}, and another one had ${before}`);
  hashes[machine.index] = hash;
}
