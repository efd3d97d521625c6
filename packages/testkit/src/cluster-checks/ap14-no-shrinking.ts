import { SimBeater } from "../cluster-sim-beats.ts";
import type { SimSdk } from "../cluster-sim-sdk.ts";
import type { ClusterCheck, ClusterWorld, Truth } from "../cluster-sim-world.ts";
import { causesOf, type Viewer, viewersOf } from "./shown.ts";

const GRACE_MS = 15_000;
/** Until the old connection of a client that went elsewhere is known to be dead. */
const OLD_MS = 40_000;
const LONG_MS = 10_000;
const SOON_MS = 900;
/** An address client that was removed elsewhere before it came back here is shown again when its owner has said so. */
const OVERRULED_MS = 300;
/** Which registration of an instance was looked at last, whether it was shown then, and when it was last held in reach. */
interface Seen {
  readonly truth: Truth;
  readonly isShown: boolean;
  readonly reachedAt: number;
  readonly missingSince?: number;
}

/** By instance. */
type Shown = Map<string, Seen>;

/**
 * AP-14: nothing that lives and was shown goes missing before the grace, whatever becomes of members and the network. A
 * client that leaves its member by itself says a moment later, and elsewhere, what it publishes.
 */
export function noShrinking(): ClusterCheck {
  /** By life of a viewer: what it was shown, and since which registration. */
  const shownTo = new Map<string, Shown>();
  return {
    name: "AP-14",
    look(world) {
      const lives = new Map<string, Shown>();
      const { certain } = world;
      for (const viewer of viewersOf(world)) {
        const before = shownTo.get(viewer.life) ?? new Map();
        lives.set(viewer.life, before);
        for (const truth of certain) {
          const key = `${truth.service} ${truth.address}`;
          const shown = viewer.shows(truth.service);
          if (shown === undefined) continue;
          const was = before.get(key);
          const isSame = was?.truth === truth;
          if (shown.has(truth.address)) {
            // Of one that was there before nobody knows which of the two is shown, unless it was gone in between.
            if (truth.state !== "wanted" || !(isSame || truth.isFirst)) continue;
            const reachedAt = isReached(world, truth, viewer) ? truth.heldAt : (was?.reachedAt ?? truth.heldAt);
            before.set(key, { truth, isShown: true, reachedAt });
            continue;
          }
          const { publisher } = truth;
          // On the other side of a cut it is lost like one whose member died.
          const heldMs = world.now - Math.min(truth.heldAt, was?.reachedAt ?? truth.heldAt);
          if (publisher instanceof SimBeater && isSame && was.isShown) {
            const since = was.missingSince ?? world.now;
            before.set(key, { ...was, missingSince: since });
            if (world.now - since < OVERRULED_MS) continue;
          }
          before.set(key, { truth, isShown: false, reachedAt: truth.heldAt });
          if (!isSame || !was.isShown || truth.state !== "wanted" || heldMs >= GRACE_MS) continue;
          if (!(publisher instanceof SimBeater) && isAway(world, truth, publisher, viewer)) continue;
          throw new Error(
            `AP-14: ${key} of ${publisher.name} is missing on ${viewer.name}, ${heldMs.toFixed()} ms after it was held last${causesOf(viewer, truth)}`,
          );
        }
      }
      // Of a viewer that was away for a moment it is remembered what it was shown.
      for (const [life, shown] of lives) shownTo.set(life, shown);
    },
  };
}

/** It left by itself, and the viewer may hear of the end of its old connection before it hears of the new one. */
function isAway(world: ClusterWorld, truth: Truth, publisher: SimSdk, { member }: Viewer): boolean {
  if (publisher.left.has(truth.service)) return true;
  if (world.now - publisher.leftAt > OLD_MS || truth.holder === undefined) return false;
  if (!(world.now - truth.heldSince > SOON_MS)) return true;
  return !(world.now - world.pairSince(truth.holder, member) > LONG_MS);
}

function isReached(world: ClusterWorld, { holder }: Truth, { member }: Viewer): boolean {
  // Which member hears an address client is not known: any may.
  const holders = holder === undefined ? world.members : [holder];
  return holders.every(({ machine }) => world.net.isWhole(machine.place, member.machine.place));
}
