import { SimBeater } from "../cluster-sim-beats.ts";
import type { ClusterCheck, ClusterWorld, Truth } from "../cluster-sim-world.ts";
import { causesOf, type Viewer, viewersOf } from "./shown.ts";

/** Among members that have heard each other well for a while: a batch, two ways, a push and its pause. */
const SOON_MS = 900;
const REPAIR_MS = 7000;
const LONG_MS = 10_000;

/** AP-4: who is connected to a member in reach, or beats at one, is shown there, and as healthy. */
export function falseRemoval(): ClusterCheck {
  return {
    name: "AP-4",
    look(world) {
      const viewers = viewersOf(world);
      for (const truth of world.certain) {
        if (truth.state !== "wanted") continue;
        for (const viewer of viewers) {
          const shown = viewer.shows(truth.service);
          if (shown === undefined || shown.get(truth.address) === true) continue;
          const lateMs = world.now - dueAt(world, truth, viewer);
          if (!(lateMs > 0)) continue;
          const what = shown.has(truth.address) ? "unhealthy" : "missing";
          throw new Error(
            `AP-4: ${truth.service} ${truth.address} of ${truth.publisher.name} is ${what} on ${viewer.name}, ${lateMs.toFixed()} ms after it had to be there${causesOf(viewer, truth)}`,
          );
        }
      }
    },
  };
}

/** From when on the instance has to be there. */
function dueAt(world: ClusterWorld, truth: Truth, viewer: Viewer): number {
  if (truth.publisher instanceof SimBeater) {
    // Its owner follows from the ring, which changes some seconds after members do.
    const since = Math.max(world.calmSince + LONG_MS, truth.heldSince);
    return since + REPAIR_MS;
  }
  if (truth.holder === undefined) return Number.POSITIVE_INFINITY;
  const pairSince = world.pairSince(truth.holder, viewer.member);
  const isUsual = Math.max(pairSince, world.calmSince) + LONG_MS < truth.heldSince;
  return Math.max(truth.heldSince, pairSince) + (isUsual ? SOON_MS : REPAIR_MS);
}
