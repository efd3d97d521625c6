import type { Checker, SimMember } from "../distro-model.ts";
import { knows, type World } from "../distro-world.ts";

/** AP-3: what was deregistered does not come back: not where it was known to be gone, and after a while nowhere. */
export function resurrection(): Checker {
  /** Which lives of members knew of which removal: an address client may come back for good in between. */
  const known = new Map<string, Set<string>>();
  /** The longest that a message took so far. */
  let slowestMs = 0;
  return {
    name: "AP-3",
    stepped(world, member, _event, effects) {
      const life = `${member.id}/${member.incarnation}`;
      for (const effect of effects) {
        if (effect.type !== "apply") continue;
        const removed = world.removed.get(effect.clientId);
        if (removed === undefined || isInDoubt(member, effect.clientId, removed)) continue;
        if (isConcurrent(world, member, effect.clientId, removed, slowestMs)) continue;
        if (removed.spread && known.get(`${effect.clientId} ${removed.at}`)?.has(life))
          throw new Error(
            `AP-3: ${effect.clientId} is back on ${member.id}, ${world.now - removed.at} ms after it went`,
          );
      }
    },
    looked(world) {
      slowestMs = Math.max(slowestMs, ...[...world.links.values()].map(({ delayMaxMs }) => delayMaxMs));
      for (const [id, removed] of world.removed) {
        const { at, spread } = removed;
        for (const member of world.live()) {
          const life = `${member.id}/${member.incarnation}`;
          if (knows(member, id, removed)) {
            const lives = known.get(`${id} ${at}`) ?? new Set();
            known.set(`${id} ${at}`, lives.add(life));
          }
          if (!spread || !member.naming.has(id) || world.now <= Math.max(at, world.healedAt) + 6_000) continue;
          if (!isConcurrent(world, member, id, removed, slowestMs))
            throw new Error(`AP-3: ${id} still shows on ${member.id}, ${world.now - at} ms after it went`);
        }
      }
    },
  };
}

/**
 * Who did not make a removal cannot tell it from one that came before, when the change came after another one: it keeps
 * the client until the member that did has heard of it.
 */
function isInDoubt(member: SimMember, id: string, removed: { readonly at: number; readonly counter: number }): boolean {
  const entry = member.distro?.table.get(id);
  return entry?.kind === "address" && entry.after >= removed.counter && removed.at - entry.madeAt <= 3_000;
}

/**
 * What is shown of an address client was registered at another member than the one that removed it, which had not heard of
 * that, and so shortly before that nobody can tell which was later: ages say it as exactly as messages are fast.
 */
function isConcurrent(
  world: World,
  { distro }: SimMember,
  id: string,
  removed: { readonly at: number; readonly counter: number },
  slowestMs: number,
): boolean {
  const shown = distro?.table.get(id);
  if (shown?.kind !== "address" || shown.version.counter < removed.counter) return false;
  const owner = world.members.find((member) => member.id === shown.version.owner);
  const { madeAt } = owner?.distro?.table.get(id) ?? shown;
  return removed.at - madeAt < slowestMs;
}
