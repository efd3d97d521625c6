import { type Event, RAFT_DEFAULTS } from "@nacre/core/raft";
import type { RaftMember } from "../raft-sim-member.ts";
import type { RaftChecker, RaftWorld } from "../raft-sim-world.ts";

/** Its clock may run slower than ours, and it looks with each heartbeat. */
const STEPS_DOWN_MS = (RAFT_DEFAULTS.electionMinMs + RAFT_DEFAULTS.heartbeatMs) * 1.06 + 50;

/** CP-7: who is cut off from the majority stops to lead within an election timeout, and serves no stale read before. */
export function cutOff(): RaftChecker {
  /** When a leader last heard each voter; from when it began to count on it. */
  const heard = new Map<RaftMember, Map<string, number>>();
  /** What was acknowledged by anybody when a read was asked for. */
  const asked = new Map<number, number>();
  let acknowledged = 0;
  return {
    stepped(world, member, event, effects) {
      note(world, member, event);
      if (event.type === "readRequested") asked.set(event.token, acknowledged);
      for (const effect of effects)
        if (effect.type === "readReady")
          for (const token of effect.tokens)
            if (effect.index < (asked.get(token) ?? 0))
              throw new Error(`CP-7: ${member.id} reads at ${effect.index} when ${asked.get(token)} was acknowledged`);
    },
    answered(_world, _member, _stamp, outcome, index) {
      if (outcome.type === "done") acknowledged = Math.max(acknowledged, index);
    },
    looked(world) {
      for (const member of world.leaders()) {
        const voters = member.core?.configuration.voters ?? [];
        const times = voters.map((id) => (id === member.id ? world.now : (heard.get(member)?.get(id) ?? world.now)));
        const majorityAt = times.sort((a, b) => b - a)[voters.length >> 1] ?? 0;
        if (world.now - Math.max(majorityAt, member.pausedUntil) > STEPS_DOWN_MS)
          throw new Error(`CP-7: ${member.id} leads, and last heard a majority at ${majorityAt.toFixed(0)}`);
      }
    },
  };

  function note(world: RaftWorld, member: RaftMember, event: Event): void {
    const { core } = member;
    if (core?.role !== "leader") {
      heard.delete(member);
      return;
    }
    const times = heard.get(member) ?? new Map<string, number>();
    heard.set(member, times);
    for (const id of core.configuration.voters) if (!times.has(id)) times.set(id, world.now);
    if (event.type === "received" && event.message.term === core.term) times.set(event.from, world.now);
  }
}
