import type { Checker } from "../distro-model.ts";

/** AP-11: who has not loaded is no source; where nobody has, all are ready within 5 s. */
export function notLoaded(): Checker {
  return {
    name: "AP-11",
    sent(_world, from, to, message) {
      if (from.distro?.readyHow !== undefined) return;
      const source = message.type === "loadChunk" || (message.type === "loadOffer" && message.loaded);
      if (source) throw new Error(`AP-11: ${from.id} has not loaded, and is a source for ${to.id}`);
    },
    looked(world) {
      if (world.now < 5_500 || world.now > 6_000 || world.faulty) return;
      const late = world.live().find(({ readyAt }) => readyAt === undefined);
      if (late !== undefined) throw new Error(`AP-11: ${late.id} is not ready 5 s after a start of all`);
    },
  };
}
