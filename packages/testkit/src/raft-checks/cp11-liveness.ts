import { RAFT_DEFAULTS } from "@nacre/core/raft";
import type { RaftChecker } from "../raft-sim-world.ts";

/** Three election timeouts, by clocks that may run slow. */
export const LEADER_MS = 3 * RAFT_DEFAULTS.electionMaxMs * 1.05;

/** CP-11: when everything is whole a leader is there soon, and stays; and in the end everybody has the same. */
export function liveness(): RaftChecker {
  return {
    looked(world) {
      const waitedMs = world.now - world.healedAt;
      if (waitedMs < LEADER_MS) return;
      if (world.leaders().length === 0) throw new Error(`CP-11: no leader ${waitedMs.toFixed(0)} ms after healing`);
      if (waitedMs < LEADER_MS + 250) return;
      for (const { id, core } of world.running())
        if (world.wanted.has(id) && core?.trust !== "whole") throw new Error(`CP-11: ${id} is not whole again`);
    },
    ended(world) {
      const [leader] = world.leaders();
      const last = leader?.lastIndex() ?? 0;
      const { voters = [], learners = [] } = leader?.core?.configuration ?? {};
      for (const { id, machine, core } of world.running()) {
        if (!voters.includes(id) && !learners.includes(id)) continue;
        if (core?.configuration.voters.join() !== voters.join())
          throw new Error(
            `CP-11: ${id} knows of the voters ${core?.configuration.voters}, and the leader of ${voters}`,
          );
        if (machine.index < last - 1) throw new Error(`CP-11: ${id} is at ${machine.index}, and the log at ${last}`);
      }
      const missing = [...world.wanted].filter((id) => !voters.includes(id));
      if (missing.length > 0) throw new Error(`CP-11: ${missing} of ${[...world.wanted]} are not voters in the end`);
    },
  };
}
