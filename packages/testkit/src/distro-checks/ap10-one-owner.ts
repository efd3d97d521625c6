import type { Checker } from "../distro-model.ts";

const STABLE_MS = 5_000;
/** A heartbeat makes its member the owner, and it has to be told. */
const BEAT_MS = 5_000 + 1_000;

/** AP-10: once members are stable, the ring's member owns every address client that is alive, for everybody. */
export function oneOwner(): Checker {
  return {
    name: "AP-10",
    looked(world) {
      const ready = world.ready();
      const ringAt = Math.max(...ready.map(({ ringNext, startedAt }) => Math.max(ringNext.since, startedAt)));
      if (world.healedAt === Infinity || world.now < Math.max(ringAt, world.healedAt) + STABLE_MS + BEAT_MS) return;
      if (ready.length < world.live().length) return;
      for (const client of world.clients) {
        if (client.kind !== "address" || !client.published || world.now - client.changedAt < BEAT_MS) continue;
        const owners = new Set(ready.map(({ naming }) => naming.get(client.clientId)?.version.owner));
        const ring = new Set(ready.map((member) => world.ownerOf(member, client.clientId)));
        const [owner] = ring;
        if (ring.size !== 1 || owners.size !== 1 || !owners.has(owner))
          throw new Error(`AP-10: ${client.clientId} belongs to ${[...ring]}, and is owned by ${[...owners]}`);
      }
    },
  };
}
