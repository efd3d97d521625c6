import { DEFAULT_DISTRO_OPTIONS, frames } from "@nacre/core/distro";
import type { Checker } from "../distro-model.ts";
import { disagreement } from "./agree.ts";

const DIGEST_MS = 2_000;
const MESSAGE_MS = 1_000;
/** What was told before the weather cleared, and its answer lost, is told once more, and this long after it at the latest. */
const TOLD_AGAIN_MS = DEFAULT_DISTRO_OPTIONS.retryMaxMs + MESSAGE_MS;

/** AP-16: while nothing changes and all agree, members exchange digests, whose size does not depend on clients. */
export function quietTraffic(): Checker {
  let agreedAt = Infinity;
  let sent = 0;
  let quietAt = Infinity;
  return {
    name: "AP-16",
    sent(world, from, to, message) {
      if (world.now <= quietAt || Math.max(world.lastChangeAt, world.healedAt) > agreedAt) return;
      sent++;
      const bytes = frames(message).reduce((sum, frame) => sum + frame.length, 0);
      const bytesMax = 16 + 16 * world.members.length;
      if (bytes > bytesMax) throw new Error(`AP-16: a ${message.type} from ${from.id} to ${to.id} has ${bytes} bytes`);
    },
    looked(world) {
      const { now, healedAt, lastChangeAt } = world;
      const orphans = world.live().some(({ distro }) => (distro?.orphans.size ?? 0) > 0);
      const beating = world.clients.some(({ kind, published }) => kind === "address" && published);
      if (healedAt > now || lastChangeAt > agreedAt || orphans || (beating && world.faulty)) agreedAt = Infinity;
      if (agreedAt === Infinity) {
        sent = 0;
        quietAt = Infinity;
        const settled = now > Math.max(healedAt, lastChangeAt) + 500 && !orphans && !(beating && world.faulty);
        if (settled && disagreement(world) === undefined) {
          agreedAt = now;
          quietAt = Math.max(now + MESSAGE_MS, healedAt === 0 ? 0 : healedAt + TOLD_AGAIN_MS);
        }
        return;
      }
      const pairs = world.members.length * (world.members.length - 1);
      const rounds = Math.ceil(Math.max(0, now - quietAt) / DIGEST_MS) + 1;
      if (sent > pairs * rounds) throw new Error(`AP-16: ${sent} messages in ${rounds} rounds of ${pairs} pairs`);
    },
  };
}
