import type { Checker } from "../distro-model.ts";
import { pairs } from "./ap4-false-removal.ts";

/** AP-8: a client that ended at a member in reach is gone as soon as a change would have been known. */
export function deadClient(boundMs = 7_000): Checker {
  const since = new Map<string, number>();
  return {
    name: "AP-8",
    looked(world) {
      const good = pairs(world);
      for (const [id, { at, counter }] of world.removed) {
        // The one that wrote the removal: others do not speak for it while it is in reach.
        const takers = world.ready().filter((taker) => {
          const entry = taker.distro?.table.get(id);
          if (entry?.gone !== "removed" || entry.version.owner !== taker.id) return false;
          return entry.version.counter >= counter;
        });
        for (const member of world.members) {
          const key = `${id} at ${at} on ${member.id}/${member.incarnation}`;
          const due = member.naming.has(id) && takers.some((taker) => good.has(`${taker.id}>${member.id}`));
          if (!due) since.delete(key);
          else if (!since.has(key)) since.set(key, world.now);
          else if (world.now - (since.get(key) as number) > boundMs)
            throw new Error(`AP-8: ${key} is left since ${since.get(key)}`);
        }
      }
    },
  };
}
