import type { Checker } from "../distro-world.ts";

/** AP-3: what was deregistered does not come back: not where it was known to be gone, and after a while nowhere. */
export function resurrection(): Checker {
  const known = new Map<string, Set<string>>();
  return {
    name: "AP-3",
    stepped(world, member, _event, effects) {
      const life = `${member.id}/${member.incarnation}`;
      for (const effect of effects) {
        if (effect.type !== "apply") continue;
        const removed = world.removed.get(effect.clientId);
        if (removed?.spread && known.get(effect.clientId)?.has(life))
          throw new Error(
            `AP-3: ${effect.clientId} is back on ${member.id}, ${world.now - removed.at} ms after it went`,
          );
      }
    },
    looked(world) {
      for (const [id, { at, spread }] of world.removed) {
        for (const member of world.live()) {
          const life = `${member.id}/${member.incarnation}`;
          if (member.distro?.table.get(id)?.gone === "removed") {
            const lives = known.get(id) ?? new Set();
            known.set(id, lives.add(life));
          }
          if (spread && member.naming.has(id) && world.now > Math.max(at, world.healedAt) + 6_000)
            throw new Error(`AP-3: ${id} still shows on ${member.id}, ${world.now - at} ms after it went`);
        }
      }
    },
  };
}
