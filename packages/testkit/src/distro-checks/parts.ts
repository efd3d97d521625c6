import type { Checker } from "../distro-model.ts";

/** D16: what a member holds after a part is what its owner published at that version. */
export function parts(): Checker {
  return {
    name: "parts",
    stepped(_world, member, _event, effects) {
      for (const effect of effects) {
        if (effect.type !== "apply" || effect.base === undefined) continue;
        const held = member.naming.get(effect.clientId);
        if (held === undefined || held.version.counter !== effect.version.counter) continue;
        if (held.contentHash !== effect.contentHash)
          throw new Error(`parts: what ${member.id} holds of ${effect.clientId} is not what its owner published`);
      }
    },
  };
}
