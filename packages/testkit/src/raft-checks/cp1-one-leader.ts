import type { RaftChecker } from "../raft-sim-world.ts";

/** CP-1, election safety (5.2): a term has one leader at most, whatever crashes. */
export function oneLeader(): RaftChecker {
  const leaders = new Map<number, string>();
  return {
    stepped(_world, { id, life, core }) {
      if (core?.role !== "leader") return;
      const me = `${id}, life ${life},`;
      const other = leaders.get(core.term) ?? me;
      if (other !== me) throw new Error(`CP-1: ${other} and ${me} lead the term ${core.term}`);
      leaders.set(core.term, me);
    },
  };
}
