import type { Checker } from "../distro-model.ts";
import { disagreement } from "./agree.ts";

const DIGEST_MS = 2_000;

/** AP-2: once everything is whole again, the ring too, members agree within two digests and a second. */
export function heal(): Checker {
  let agreedAt = 0;
  return {
    name: "AP-2",
    looked(world) {
      const { now, healedAt, delayMs, faulty } = world;
      if (!faulty || agreedAt >= healedAt || now < healedAt) return;
      const told = disagreement(world);
      if (told === undefined) agreedAt = now;
      else if (
        now - Math.max(healedAt, ...world.members.map(({ ringAt }) => ringAt)) >
        2 * DIGEST_MS + 4 * delayMs + 1_000 + 500
      )
        throw new Error(`AP-2: ${now - healedAt} ms after healing: ${told}`);
    },
  };
}
