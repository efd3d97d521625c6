import type { Checker, SimMember } from "../distro-model.ts";
import type { World } from "../distro-world.ts";

/** AP-4: a client of a member in reach is not missing for longer than repair takes. */
export function falseRemoval(boundMs = 7_000): Checker {
  const since = new Map<string, number>();
  return {
    name: "AP-4",
    looked(world) {
      const good = pairs(world);
      for (const client of world.clients) {
        for (const member of world.members) {
          const key = `${client.clientId} on ${member.id}/${member.incarnation}`;
          const owner = client.member;
          const due =
            client.kind === "connection" &&
            client.published &&
            owner !== undefined &&
            good.has(`${owner.id}>${member.id}`) &&
            !member.naming.has(client.clientId);
          if (!due) since.delete(key);
          else if (!since.has(key)) since.set(key, world.now);
          else if (world.now - (since.get(key) as number) > boundMs)
            throw new Error(`AP-4: ${key} is missing since ${since.get(key)}`);
        }
      }
    },
  };
}

/** Pairs of ready members that hear each other and lose nothing. */
export function pairs(world: World): Set<string> {
  const good = new Set<string>();
  const lossless = (a: SimMember, b: SimMember) => world.link(a, b).loss === 0 && world.link(a, b).delayMaxMs <= 20;
  for (const a of world.ready())
    for (const b of world.ready()) {
      if (a === b) good.add(`${a.id}>${b.id}`);
      else if (a.pausedUntil <= world.now && world.direct(a, b) && lossless(a, b) && lossless(b, a))
        good.add(`${a.id}>${b.id}`);
    }
  return good;
}
