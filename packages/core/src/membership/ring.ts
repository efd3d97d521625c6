import { hashText } from "../lib/hash.ts";
import type { Millis } from "../lib/units.ts";
import type { MemberId } from "./frames.ts";
import { isAlone } from "./self.ts";
import type { Membership, Out } from "./state.ts";

/**
 * The member that owns an address client, by rendezvous hashing: equal rings name equal owners, and a member that comes
 * or goes moves only the clients that it gets or had.
 *
 * @returns undefined while the ring is empty: this member has not looked around for long enough to say.
 */
export function responsible(state: Membership, clientKey: string): MemberId | undefined {
  return ownerIn(state.ring, clientKey);
}

export function ownerIn(ring: readonly MemberId[], clientKey: string): MemberId | undefined {
  let best: MemberId | undefined;
  let bestWeight = -1;
  for (const id of ring) {
    const weight = weightOf(id, clientKey);
    if (weight > bestWeight || (weight === bestWeight && best !== undefined && id < best)) {
      best = id;
      bestWeight = weight;
    }
  }
  return best;
}

function weightOf(id: MemberId, clientKey: string): number {
  // FNV alone carries the difference of two ids too little: finish as Murmur does.
  let hash = hashText(clientKey, hashText(id));
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Follows states that have held: a member that flaps moves nobody's clients (M13). */
export function ringTick(state: Membership, now: Millis, out: Out): void {
  const before = state.ring;
  for (const member of state.members.values()) {
    const fit = member.state === "UP" || member.state === "SUSPICIOUS";
    if (fit === member.inRing) {
      member.ringChangeAt = undefined;
      continue;
    }
    member.ringChangeAt ??= now;
    // A planned stop is no flap: its clients may move before it is gone.
    if (member.state !== "LEAVING" && now - member.ringChangeAt < state.options.ringStableMs) continue;
    member.inRing = fit;
    member.ringChangeAt = undefined;
  }
  state.selfInRing = selfFit(state, now);
  const ring = state.selfInRing ? [state.start.id] : [];
  for (const { inRing, id } of state.members.values()) if (inRing) ring.push(id);
  ring.sort();
  if (ring.length === before.length && ring.every((id, at) => id === before[at])) return;
  state.ring = ring;
  out.push({ type: "ringChanged", members: ring });
}

/** A member that starts among others does not own what they own until it had time to see them. */
function selfFit(state: Membership, now: Millis): boolean {
  if (state.upAt === undefined || state.selfState === "STARTING") return false;
  if (state.selfState === "LEAVING") return ![...state.members.values()].some(({ inRing }) => inRing);
  if (state.selfInRing || isAlone(state)) return true;
  return now - state.upAt >= state.options.ringStableMs;
}
