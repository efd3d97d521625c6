import type { RaftChecker } from "../raft-sim-world.ts";

/** CP-8 (dissertation 4.1): one change at a time, each of one voter, so that majorities before and after meet. */
export function membership(): RaftChecker {
  const leaders = new Map<string, readonly string[]>();
  return {
    started: (_world, { id, core }) => void leaders.set(id, core?.configuration.voters ?? []),
    stepped(_world, { id, core }, _event, effects) {
      if (core === undefined) return;
      for (const effect of effects) {
        if (effect.type !== "made" || effect.configuration === undefined) continue;
        const before = leaders.get(id) ?? [];
        const { voters } = effect.configuration;
        const came = voters.filter((one) => !before.includes(one));
        const went = before.filter((one) => !voters.includes(one));
        if (came.length + went.length > 1) throw new Error(`CP-8: ${id} changes ${before} to ${voters} at once`);
        if (voters.length === 0) throw new Error(`CP-8: ${id} leaves no voter`);
        const pending = [...pendingChanges(core, effect.index)];
        if (pending.length > 0) throw new Error(`CP-8: ${id} changes voters before the entry ${pending} is committed`);
      }
      leaders.set(id, core.configuration.voters);
    },
  };
}

function pendingChanges(core: NonNullable<Parameters<NonNullable<RaftChecker["started"]>>[1]["core"]>, index: number) {
  return core.log.configurationsIn(core.commit + 1, index - 1).map((one) => one.index);
}
