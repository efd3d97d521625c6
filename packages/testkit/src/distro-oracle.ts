import type { PeerState } from "@nacre/core/distro";
import { DOWN_MS, LOOK_MS, type SimMember } from "./distro-model.ts";
import type { World } from "./distro-world.ts";

/** What a failure detector would tell this member, a little later than it is. */
export function see(world: World, member: SimMember): void {
  for (const peer of world.members) {
    if (peer === member) continue;
    const seen = member.sees.get(peer.id);
    if (seen === undefined) continue;
    const direct = world.direct(member, peer);
    const heard = direct || world.members.some((via) => world.direct(member, via) && world.direct(via, peer));
    if (!direct) seen.directSince = Infinity;
    else seen.directSince = Math.min(seen.directSince, world.now);
    if (heard) seen.lastAt = world.now;
    let state = seen.state;
    if (world.now - seen.directSince >= (state === "down" ? 2 : 0) * LOOK_MS) state = "up";
    else if (world.now - seen.lastAt >= DOWN_MS) state = "down";
    else if (state === "up" || (state === "down" && heard)) state = "suspicious";
    const incarnation = direct ? peer.incarnation : seen.incarnation;
    if (state === seen.state && incarnation === seen.incarnation) continue;
    seen.state = state;
    seen.incarnation = incarnation;
    world.feed(member, { type: "peer", id: peer.id, state, incarnation });
  }
  const states = [...member.sees].map(([id, { state }]) => ({ id, state }));
  const reached = 1 + states.filter(({ state }) => state === "up" || state === "suspicious").length;
  const isolated = reached * 2 <= world.members.length && states.every(({ state }) => state !== "unknown");
  if (isolated !== member.isolated) {
    member.isolated = isolated;
    world.feed(member, { type: "isolated", isolated });
  }
  if (member.isolated) member.isolatedUntil = world.now;
  turnRing(world, member, states);
}

function turnRing(world: World, member: SimMember, states: readonly { id: string; state: PeerState }[]): void {
  const members = [
    member.id,
    ...states.filter(({ state }) => state !== "down" && state !== "unknown").map(({ id }) => id),
  ];
  members.sort();
  if (members.join() !== member.ringNext.members.join()) member.ringNext = { members, since: world.now };
  if (members.join() === member.ring.join() || states.some(({ state }) => state === "unknown")) return;
  if (member.ring.length > 0 && world.now - member.ringNext.since < DOWN_MS) return;
  member.ring = members;
  member.ringAt = world.now;
  world.feed(member, { type: "ring", ownerOf: (id) => world.ownerOf(member, id) });
}
