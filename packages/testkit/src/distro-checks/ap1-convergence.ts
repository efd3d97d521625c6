import type { Checker } from "../distro-model.ts";
import { disagreement } from "./agree.ts";

const BATCH_MS = 100;
const DIGEST_MS = 2_000;
/** The world looks four times a second. */
const LOOK_MS = 250;

/** AP-1: soon after the last change all members hold the same; later when messages were lost before. */
export function convergence(): Checker {
  let differsSince: number | undefined;
  return {
    name: "AP-1",
    looked(world) {
      const { now, healedAt, lastChangeAt, delayMs, faulty } = world;
      // AP-2 is about the time right after healing.
      if (faulty && now < healedAt + 8_000) return;
      const boundMs = faulty ? DIGEST_MS + 4 * delayMs + 500 : BATCH_MS + 2 * delayMs + 100;
      if (healedAt === Infinity || now - lastChangeAt < boundMs + LOOK_MS || now < 6_000) return;
      const told = disagreement(world);
      differsSince = told === undefined ? undefined : (differsSince ?? now);
      if (told === undefined) return;
      // Copies without an owner are probed and given up by each member when their time comes: that is a change too.
      const orphans = world.live().some(({ distro }) => (distro?.orphans.size ?? 0) > 0);
      if (orphans && now - (differsSince ?? now) < boundMs + LOOK_MS) return;
      throw new Error(`AP-1: ${now - lastChangeAt} ms after the last change: ${told}`);
    },
  };
}
