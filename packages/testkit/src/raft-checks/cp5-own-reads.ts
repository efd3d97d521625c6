import type { RaftChecker } from "../raft-sim-world.ts";

/** CP-5: who acknowledges a write has applied it, so that its client reads there what it wrote. */
export function ownReads(): RaftChecker {
  const applied = new Set<string>();
  return {
    applied(_world, member, { command }, admission) {
      if (command?.type !== "write" || admission !== "apply") return;
      const { stamp } = command;
      if (stamp.member === member.id) applied.add(`${stamp.member}/${stamp.life}/${stamp.number}`);
    },
    answered(_world, { id }, { member, life, number }, outcome) {
      if (outcome.type === "done" && !applied.has(`${member}/${life}/${number}`))
        throw new Error(`CP-5: ${id} acknowledged the write ${number} before it could be read there`);
    },
  };
}
