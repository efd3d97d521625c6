import { type Checker, DOWN_MS, type SimMember } from "../distro-model.ts";
import type { World } from "../distro-world.ts";

const GRACE_MS = 15_000;
const EXPIRY_MS = 45_000;

/** AP-9: what is left of an owner that is dead is unhealthy after the grace, and gone after 45 s. */
export function deadOwner(): Checker {
  return {
    name: "AP-9",
    looked(world) {
      for (const member of world.ready()) {
        if (member.pausedUntil > world.now) continue;
        for (const [id, { version, shown, kind }] of member.naming) {
          const owner = world.members.find((other) => other.id === version.owner);
          if (owner === undefined || owner.distro !== undefined || kind === "address") continue;
          const deadMs = world.now - Math.max(owner.crashedAt, member.isolatedUntil, member.startedAt, meddled(world));
          const answers = member.distro?.table.get(id)?.answers === true;
          if (deadMs > GRACE_MS + DOWN_MS + 750 && shown !== "unhealthy" && !answers)
            throw new Error(
              `AP-9: ${id} of ${owner.id} is ${shown} on ${member.id}, ${deadMs} ms after its owner died`,
            );
          if (deadMs > EXPIRY_MS + 500)
            throw new Error(`AP-9: ${id} of ${owner.id} is left on ${member.id}, ${deadMs} ms after its owner died`);
        }
      }
    },
  };
}

/** Runs with other faults than crashes say nothing about these times. */
function meddled(world: World): number {
  const cut = [...world.links.values()].some((link) => link.cut || link.loss > 0 || link.delayMaxMs > 20);
  const paused = world.members.some((member: SimMember) => member.pausedUntil > world.now);
  return cut || paused ? world.now : 0;
}
