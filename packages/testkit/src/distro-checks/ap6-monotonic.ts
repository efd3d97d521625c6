import type { Checker } from "../distro-model.ts";

/** AP-6: what a member applies of one client never goes back within a life of its owner. */
export function monotonic(): Checker {
  const applied = new Map<string, number>();
  return {
    name: "AP-6",
    stepped(_world, member, _event, effects) {
      for (const effect of effects) {
        if (effect.type !== "apply") continue;
        const { owner, incarnation, counter } = effect.version;
        const key = `${effect.clientId} of ${owner}/${incarnation} on ${member.id}/${member.incarnation}`;
        const before = applied.get(key) ?? 0;
        if (counter < before) throw new Error(`AP-6: ${key} goes from ${before} to ${counter}`);
        applied.set(key, counter);
      }
    },
  };
}
