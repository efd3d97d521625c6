import type { Checker } from "../distro-model.ts";

/** AP-12: a load ends, and nothing that it sends grows with the number of clients. */
export function loadEnds(itemsMax: number): Checker {
  return {
    name: "AP-12",
    sent(_world, from, _to, message) {
      if (message.type !== "loadChunk" && message.type !== "sync") return;
      const items = message.changes.length + message.removals.length;
      if (items > itemsMax) throw new Error(`AP-12: ${from.id} sends ${items} clients in one ${message.type}`);
    },
    looked(world) {
      for (const { id, startedAt, readyAt, pausedUntil } of world.live())
        if (readyAt === undefined && world.now - Math.max(startedAt, pausedUntil) > 31_000)
          throw new Error(`AP-12: ${id} still loads, ${world.now - startedAt} ms after its start`);
    },
  };
}
