import { self } from "@nacre/core/membership";
import type { SimMember } from "../cluster-sim-member.ts";
import type { ClusterCheck, ClusterWorld } from "../cluster-sim-world.ts";

const SETTLED_MS = 6000;
const DEAD_MS = 5000;
const RING_MS = 8000;
const MINUTE_MS = 60_000;
const KEYS = Array.from({ length: 20 }, (_, at) => `10.1.0.${at}:80#true`);

/** MB-1, MB-2, MB-3 and AP-10, on what members hold while clients and Distro keep them busy. */
export function members(): ClusterCheck {
  const states = new Map<string, string>();
  const departures = new Map<string, number[]>();
  const diedAt = new Map<string, number>();
  return {
    name: "MB-2",
    look(world) {
      const ids = new Map(world.members.map((member) => [member.id, member]));
      for (const member of world.members) {
        if (world.foreign.has(member.machine)) continue;
        for (const peer of member.cluster.members.state.members.values()) {
          const other = ids.get(peer.id);
          if (other !== undefined && world.foreign.has(other.machine))
            throw new Error(`MB-3: ${member.machine.place} takes ${other.machine.place} of another cluster`);
          if (other === undefined && !diedAt.has(peer.id)) diedAt.set(peer.id, world.now);
          if (other !== undefined) diedAt.delete(peer.id);
          lookAt(world, member, peer, other, diedAt.get(peer.id));
          countFlips(world, member, peer, states, departures);
        }
      }
      if (world.now - world.calmSince > RING_MS) assertOneOwner(world);
      if (world.now - world.calmSince > DEAD_MS) assertSameMembers(world);
    },
  };
}

interface Peer {
  readonly id: string;
  readonly state: string;
  readonly cause: string;
  readonly incarnation: number;
}

function lookAt(
  world: ClusterWorld,
  member: SimMember,
  { state, cause }: Peer,
  other: SimMember | undefined,
  diedAt: number | undefined,
): void {
  const { place } = member.machine;
  if (!member.process.isRunning || world.now - member.process.continuedAt < MINUTE_MS / 2) return;
  if (other !== undefined && state === "DOWN" && world.now - world.pairSince(member, other) > SETTLED_MS)
    throw new Error(`MB-2: ${place} has ${other.machine.place} DOWN, which lives and is in reach (${cause})`);
  // What was held up by a cut tells of beats from before.
  const deadMs = world.now - Math.max(diedAt ?? Number.POSITIVE_INFINITY, member.readyAt, world.calmSince);
  if (other === undefined && state !== "DOWN" && deadMs > DEAD_MS)
    throw new Error(`MB-2: ${place} has a member ${state} ${deadMs.toFixed()} ms after its death`);
}

function countFlips(
  world: ClusterWorld,
  member: SimMember,
  { id, state, incarnation }: Peer,
  states: Map<string, string>,
  departures: Map<string, number[]>,
): void {
  const key = `${member.id}/${member.incarnation}>${id}/${incarnation}`;
  const before = states.get(key);
  states.set(key, state);
  // One that joins another cluster forgets whom it knew, and meets them anew.
  if (before !== "UP" || (state !== "SUSPICIOUS" && state !== "DOWN")) return;
  const lately = (departures.get(key) ?? []).filter((at) => world.now - at < MINUTE_MS - 1000);
  departures.set(key, [...lately, world.now]);
  if (lately.length >= 2) throw new Error(`MB-2: ${id} flips for ${member.machine.place}, three times in a minute`);
}

/** AP-10. */
function assertOneOwner(world: ClusterWorld): void {
  const side = world.ready.filter(({ machine }) => !world.foreign.has(machine));
  for (const key of KEYS) {
    const owners = new Set(side.map(({ cluster }) => cluster.ownerOf(key)));
    const [owner] = owners;
    if (owners.size > 1 || !side.some(({ id }) => id === owner))
      throw new Error(`AP-10: ${key} belongs to ${[...owners].join(" and to ")}`);
  }
}

/** MB-1: who lives and is in reach is everybody's member. */
function assertSameMembers(world: ClusterWorld): void {
  const side = world.ready.filter(({ machine }) => !world.foreign.has(machine));
  const clusterIds = new Set(side.map(({ cluster }) => self(cluster.members.state).clusterId));
  if (clusterIds.size > 1) throw new Error(`MB-1: cluster ids ${[...clusterIds].join(" and ")}`);
  for (const one of side)
    for (const other of side)
      if (one !== other && !one.cluster.members.state.members.has(other.id))
        throw new Error(`MB-1: ${one.machine.place} does not know ${other.machine.place}`);
}
