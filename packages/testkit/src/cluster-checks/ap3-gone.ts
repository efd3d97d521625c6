import { SimBeater } from "../cluster-sim-beats.ts";
import type { SimMember } from "../cluster-sim-member.ts";
import type { ClusterCheck, ClusterWorld, Truth } from "../cluster-sim-world.ts";
import { causesOf, type Viewer, viewersOf } from "./shown.ts";

const SOON_MS = 900;
const REPAIR_MS = 7000;
const LONG_MS = 10_000;
/** A connection that nobody ends is found dead after 20 s of silence and 5 s for an answer, and what comes of that. */
const SILENT_MS = 28_000;
const UNHEALTHY_MS = 20_000;
const LOST_MS = 46_000;
const FORMER_MS = 60_000;
/** Heartbeats are missed for 30 s before an instance goes, and once more by a member that took over in between. */
const BEATS_MS = 31_000;

/**
 * AP-3, AP-8 and AP-9: what was deregistered is gone soon and stays away; what died is gone when that can be known; and
 * what a lost member leaves is unhealthy after the grace and gone after 45 s.
 */
export function gone(): ClusterCheck {
  const followed = new Map<Truth, Followed>();
  return {
    name: "AP-3",
    look(world) {
      const viewers = viewersOf(world);
      for (const truth of world.certain) {
        if (truth.state === "wanted") {
          followed.delete(truth);
          continue;
        }
        let by = followed.get(truth);
        if (by?.changedAt !== truth.changedAt)
          by = { changedAt: truth.changedAt, lives: new Set(), members: new Set() };
        followed.set(truth, by);
        for (const viewer of viewers) {
          const isHealthy = viewer.shows(truth.service)?.get(truth.address);
          // One that came later may not show it because it never knew of it.
          if (isHealthy !== undefined) check(world, truth, viewer, isHealthy, by);
          else if (viewer.shows(truth.service) !== undefined && viewer.member.readyAt < truth.changedAt) {
            by.lives.add(viewer.life);
            by.members.add(viewer.member);
          }
        }
      }
    },
  };
}

/** Who was seen not to show it any more since its end. */
interface Followed {
  readonly changedAt: number;
  readonly lives: Set<string>;
  readonly members: Set<SimMember>;
}

/** Until what is noted is in a file, and what is told at another member. */
const KEPT_MS = 500;

/** Whether anybody is left who knows of a removal: members that followed it, or its taker by the journal of its machine. */
function isKnown({ holder, changedAt }: Truth, { members }: Followed): boolean {
  if ([...members].some(({ process }) => process.isAlive)) return true;
  const { ended, id, machine } = holder ?? {};
  if (ended === undefined) return holder !== undefined;
  return ended.power === "on" && ended.at - changedAt > KEPT_MS && machine?.member?.id === id;
}

function check(world: ClusterWorld, truth: Truth, viewer: Viewer, isHealthy: boolean, by: Followed): void {
  const { service, address, publisher, holder, changedAt } = truth;
  const state = truth.state === "asked" && !isKnown(truth, by) ? "unknown" : truth.state;
  const what = `${service} ${address} of ${publisher.name}`;
  const pairSince = holder === undefined ? world.calmSince : world.pairSince(holder, viewer.member);
  if (state === "asked" && by.lives.has(viewer.life) && Math.max(pairSince, world.calmSince) + LONG_MS < changedAt)
    throw new Error(
      `AP-3: ${what} is back on ${viewer.name}, ${(world.now - changedAt).toFixed()} ms after it was deregistered`,
    );
  const [name, dueAt] = due(world, truth, state, pairSince);
  if (world.now > dueAt)
    throw new Error(
      `${name}: ${what} (${state}) is left on ${viewer.name}, ${(world.now - changedAt).toFixed()} ms after its end${causesOf(viewer, truth)}`,
    );
  if (holder === undefined || holder.process.isAlive || publisher instanceof SimBeater || !isHealthy) return;
  const unhealthyAt = Math.max(changedAt, world.calmSince) + UNHEALTHY_MS;
  // Nobody probes an instance that is simulated, so nothing keeps it healthy.
  if (world.now > unhealthyAt)
    throw new Error(`AP-9: ${what} is healthy on ${viewer.name}, although its owner is lost`);
}

/** The name of what has to hold, and from when on the instance has to be gone. */
function due(world: ClusterWorld, truth: Truth, state: Truth["state"], pairSince: number): [string, number] {
  const { publisher, holder, changedAt } = truth;
  const { calmSince } = world;
  if (publisher instanceof SimBeater) {
    const since = Math.max(changedAt, calmSince);
    return state === "asked" ? ["AP-3", since + REPAIR_MS] : ["AP-8", since + LOST_MS + BEATS_MS];
  }
  const ownerEnded = holder === undefined || !holder.process.isAlive;
  if (ownerEnded || state === "unknown") return ["AP-9", Math.max(changedAt, calmSince) + LOST_MS];
  const isUsual = Math.max(pairSince, calmSince) + LONG_MS < changedAt;
  const soon = Math.max(changedAt, pairSince) + (isUsual ? SOON_MS : REPAIR_MS);
  const hasMoved = changedAt - publisher.movedAt < FORMER_MS;
  // Who was away then and comes back with its journal knows only the former connection.
  if (state === "asked" && hasMoved && calmSince > changedAt) return ["AP-9", calmSince + LOST_MS];
  // Where its former connection ends is another member's to tell.
  const hasFormer = changedAt - publisher.leftAt < FORMER_MS;
  if (state === "asked" && hasFormer) return ["AP-3", Math.max(changedAt, calmSince) + SILENT_MS + REPAIR_MS];
  if (state === "asked") return ["AP-3", soon];
  if (isUsual && !hasMoved) return ["AP-8", publisher.process.machine.isOn ? soon : soon + SILENT_MS];
  // An older connection of it may be left, or in the journal of a member that was away.
  return ["AP-9", Math.max(changedAt + SILENT_MS, calmSince) + LOST_MS];
}
