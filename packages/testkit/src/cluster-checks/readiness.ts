import type { ClusterCheck } from "../cluster-sim-world.ts";

/** The members are known after 3 s at the latest, and what is not loaded after 30 s is served as it is. */
const READY_MS = 34_000;

/** AP-12: a load ends, and a member becomes ready whatever the others are. */
export function readiness(): ClusterCheck {
  return {
    name: "AP-12",
    look(world) {
      for (const { machine, member } of world.machines.map((machine) => ({ machine, member: machine.member }))) {
        if (member === undefined || member.ready || member.isStopping || world.foreign.has(machine)) continue;
        const { process } = member;
        if (!process.isRunning || process.continuedAt > process.startedAt) continue;
        if (world.now - process.startedAt > READY_MS)
          throw new Error(
            `AP-12: ${machine.place} is not ready ${world.now - process.startedAt} ms after its start: ${member.reason}`,
          );
      }
    },
  };
}
