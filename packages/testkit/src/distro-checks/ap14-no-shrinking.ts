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
        const diedMs = world.now - (owner.distro === undefined ? owner.crashedAt : owner.startedAt);
        if (owner.distro === undefined && diedMs < GRACE_MS)
          throw new Error(`AP-14: ${member.id} drops ${effect.clientId}, ${diedMs} ms after ${owner.id} died`);
      }
    },
  };
}
