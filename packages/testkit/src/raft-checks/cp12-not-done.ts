import type { RaftChecker } from "../raft-sim-world.ts";

/** CP-12: of what was told to be not done nothing is ever applied. */
export function notDone(): RaftChecker {
  const told = new Set<string>();
  const applied = new Set<string>();
  return {
    answered(_world, { id }, stamp, outcome) {
      if (outcome.type !== "notApplied") return;
      const write = nameOf(stamp);
      if (applied.has(write)) throw new Error(`CP-12: ${id} calls ${write} not done, and it was applied`);
      told.add(write);
    },
    applied(_world, { id }, { command }, admission) {
      if (command?.type !== "write" || admission !== "apply") return;
      const write = nameOf(command.stamp);
      if (told.has(write)) throw new Error(`CP-12: ${id} applies ${write}, which was told to be not done`);
      applied.add(write);
    },
  };
}

function nameOf({ member, life, number }: { readonly member: string; readonly life: number; readonly number: number }) {
  return `${member}/${life}/${number}`;
}
