import { stateHash } from "@nacre/core/distro";
import { contentsOf, shownAs } from "@nacre/core/naming";
import type { SimMember } from "../cluster-sim-member.ts";
import type { ClusterCheck, ClusterWorld } from "../cluster-sim-world.ts";

/** Two digests, four ways and a second after the last fault (AP-2); a tenth of a second for stages of lost clients. */
const HEAL_MS = 6000;
/** Owners, rings and links are found anew first. */
const FIND_MS = 4000;

/** AP-1 and AP-2: once all hear each other they hold the same, whatever the clients do meanwhile. */
export function agreement(): ClusterCheck {
  let agreedAt = 0;
  return {
    name: "AP-1",
    look(world) {
      const { now, calmSince, changedAt } = world;
      const told = disagreement(world);
      if (told === undefined || !(now > calmSince)) agreedAt = now;
      const since = Math.max(agreedAt, calmSince, changedAt);
      if (now - since > HEAL_MS + FIND_MS)
        throw new Error(`AP-1: ${(now - since).toFixed()} ms after the last change: ${told}`);
    },
    rest(world) {
      const told = disagreement(world);
      if (told !== undefined) throw new Error(`AP-1: at rest: ${told}`);
      for (const member of world.ready) {
        assertTrue(world, member);
        assertTrusted(world, member);
      }
    },
  };
}

/** What two members hold that is not the same. */
function disagreement(world: ClusterWorld): string | undefined {
  const [first, ...more] = world.ready.filter(({ machine }) => !world.foreign.has(machine));
  if (first === undefined) return undefined;
  const hash = stateHash(first.cluster.distro.state);
  for (const member of more) {
    if (stateHash(member.cluster.distro.state) === hash) continue;
    return `${first.machine.place} holds [${held(first)}], and ${member.machine.place} [${held(member)}]`;
  }
  return undefined;
}

function held({ cluster }: SimMember): string {
  return [...cluster.distro.state.table.live()]
    .map(({ id, version }) => `${id} ${version.owner}/${version.incarnation}.${version.counter}`)
    .sort()
    .join(", ");
}

/** At rest a member shows what is wanted, and nothing else. */
function assertTrue(world: ClusterWorld, member: SimMember): void {
  if (world.foreign.has(member.machine)) return;
  const services = new Map<string, Map<string, string>>();
  for (const { service, address, state, publisher } of world.truths.values()) {
    const expected = services.get(service) ?? new Map<string, string>();
    services.set(service, expected);
    if (state === "wanted") expected.set(address, publisher.name);
  }
  for (const [name, expected] of services) {
    const shown = member.shows({ namespace: "public", group: "DEFAULT_GROUP", name });
    for (const [address, publisher] of expected)
      if (shown.get(address) !== true)
        throw new Error(
          `AP-1: at rest ${member.machine.place} does not show ${name} ${address} of ${publisher} as healthy`,
        );
    for (const address of shown.keys())
      if (!expected.has(address)) throw new Error(`AP-1: at rest ${member.machine.place} shows ${name} ${address}`);
  }
}

/** At rest everything is shown on the word of an owner that is there. */
function assertTrusted({ foreign }: ClusterWorld, { machine, naming }: SimMember): void {
  if (foreign.has(machine)) return;
  for (const service of naming.state.services.values())
    for (const key of service.hosts.keys()) {
      const as = shownAs(service, key);
      if (as !== "asPublished") throw new Error(`AP-1: at rest ${machine.place} shows ${service.key} ${key} as ${as}`);
    }
}

/** D8 and N12 joined: what naming holds of each client is what Distro's table says, and neither holds more. */
export function hashes(): ClusterCheck {
  return {
    name: "hashes",
    look(world) {
      for (const { cluster, naming, machine, process } of world.members) {
        if (!process.isRunning || cluster.distro.isApplying) continue;
        const { table } = cluster.distro.state;
        for (const { id, contentHash } of table.live()) {
          const client = naming.state.clients.get(id);
          // Of a copy whose last instance went with a newer client nothing is left to hold.
          if ((client?.contentHash ?? 0) !== contentHash)
            throw new Error(
              `hashes: ${machine.place} has ${id} as ${contentHash}, and naming as ${client?.contentHash}`,
            );
        }
        for (const [id, { kind }] of naming.state.clients)
          if (kind !== "persistent" && table.get(id)?.gone !== undefined && contentsOf(naming.state, id) !== undefined)
            throw new Error(`hashes: ${machine.place} shows ${id}, which Distro knows to be ${table.get(id)?.gone}`);
      }
    },
  };
}
