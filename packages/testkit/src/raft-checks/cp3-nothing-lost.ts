import type { RaftMember } from "../raft-sim-member.ts";
import type { RaftChecker, RaftWorld } from "../raft-sim-world.ts";

/** Who is late to learn that it leads an old term need not have what later ones have committed. */
function isOfBefore({ committedIn }: RaftWorld, { core }: RaftMember, index: number): boolean {
  return (committedIn[index - 1] ?? Infinity) < (core?.term ?? 0);
}

/** CP-3, leader completeness (5.4): every later leader has what was committed, and so every write that was acknowledged. */
export function nothingLost(): RaftChecker {
  const acknowledged = new Map<string, string>();
  return {
    stepped(world, member, event, effects) {
      for (const effect of effects)
        if (effect.type === "roleChanged" && effect.role === "leader") {
          for (let index = world.committed.length; index > member.log.base; index--)
            if (isOfBefore(world, member, index) && member.entry(index) !== world.committed[index - 1])
              throw new Error(`CP-3: ${member.id} leads without the entry ${index}, which was committed`);
        }
      if (event.type === "received" && member.core !== undefined && member.lastIndex() < member.machine.index)
        throw new Error(`CP-3: the log of ${member.id} ends before what it has applied`);
    },
    answered(_world, { id }, stamp, outcome) {
      if (outcome.type === "done") acknowledged.set(`${stamp.member}/${stamp.life}/${stamp.number}`, id);
    },
    ended(world) {
      for (const { command } of world.committed)
        if (command?.type === "write") {
          const { member, life, number } = command.stamp;
          acknowledged.delete(`${member}/${life}/${number}`);
        }
      for (const [write, member] of acknowledged)
        throw new Error(`CP-3: the write ${write} was acknowledged by ${member} and is in no log`);
    },
  };
}
