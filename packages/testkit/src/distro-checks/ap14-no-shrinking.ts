import type { Checker } from "../distro-model.ts";

const GRACE_MS = 15_000;

/** AP-14: a failure of a member alone takes nothing out of lists before the grace is over. */
export function noShrinking(): Checker {
  return {
    name: "AP-14",
    stepped(world, member, event, effects) {
      for (const effect of effects) {
        if (effect.type !== "forget" || effect.cause !== "lost") continue;
        const owner = world.members.find(({ id }) => id === effect.owner);
        // A partition looks the same to those on the other side, so only deaths are timed.
        if (owner === undefined || event.type !== "tick" || world.faulty === false) continue;
        if (owner.distro !== undefined) continue;
        // What is of an earlier life of its owner was lost with that one, before the next began.
        const life = member.distro?.table.get(effect.clientId)?.version.incarnation ?? owner.incarnation;
        const diedMs = world.now - (life < owner.incarnation ? owner.startedAt : owner.crashedAt);
        if (diedMs < GRACE_MS)
          throw new Error(`AP-14: ${member.id} drops ${effect.clientId}, ${diedMs} ms after ${owner.id} died`);
      }
    },
  };
}
