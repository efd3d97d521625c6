import type { RaftMember } from "../raft-sim-member.ts";
import type { RaftChecker } from "../raft-sim-world.ts";

/** CP-2, log matching and state machine safety (5.3, 5.4.3): what is committed is the same everywhere, for ever. */
export function logsMatch(): RaftChecker {
  return {
    stepped(world, member, _event, effects) {
      for (const effect of effects) {
        if (effect.type !== "commit") continue;
        const from = Math.max(member.machine.index, member.log.base) + 1;
        for (let index = from; index <= effect.index; index++)
          if (member.entry(index) !== world.committed[index - 1])
            throw new Error(`CP-2: ${member.id} commits another entry at ${index} than was committed before`);
      }
    },
    looked(world) {
      const running = world.running();
      for (const [at, a] of running.entries()) for (const b of running.slice(at + 1)) compare(a, b);
    },
  };
}

/** Where two logs have the same term, they are the same up to there. */
function compare(a: RaftMember, b: RaftMember): void {
  const first = Math.max(a.log.base, b.log.base) + 1;
  let isEqual = false;
  for (let index = Math.min(a.lastIndex(), b.lastIndex()); index >= first; index--) {
    const [mine, theirs] = [a.entry(index), b.entry(index)];
    isEqual ||= mine?.term === theirs?.term;
    if (isEqual && mine !== theirs) throw new Error(`CP-2: the logs of ${a.id} and ${b.id} differ at ${index}`);
  }
}
