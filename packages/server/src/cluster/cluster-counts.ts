import type { Finding } from "@nacre/core/diagnosis";
import { type DistroFacts, distroFacts } from "@nacre/core/distro";
import { type PeerFact, peers, reach } from "@nacre/core/membership";
import type { Clock } from "../clock.ts";
import type { ClusterCounts, ClusterPeerCounts } from "../metrics/index.ts";
import type { Cluster } from "./cluster.ts";
import type { LinkFacts } from "./links/types.ts";

export interface ClusterCountsSetup {
  readonly clock: Clock;
  readonly cluster: Pick<Cluster, "members" | "distro" | "links" | "forwardingFailures">;
  readonly findings: () => readonly Finding[];
}

/** The figures of the cluster for one scrape. Labels are bounded by the bound on members and by the catalogue of findings. */
export function clusterCounts({ clock, cluster, findings }: ClusterCountsSetup): ClusterCounts {
  const now = clock.now();
  const { state } = cluster.members;
  const distro = distroFacts(cluster.distro.state, now);
  const links = cluster.links.facts();
  const others = peers(state, now);
  const linksOf = Map.groupBy(links.links, ({ link }) => state.links.get(link)?.memberId);
  const { reached, expected } = reach(state, now);
  return {
    members: countBy([state.selfState, ...others.map((peer) => peer.state)]),
    reached,
    expected,
    peers: others.map((peer) =>
      peerCounts(peer, distro, linksOf.get(peer.id) ?? [], cluster.forwardingFailures.get(peer.id)?.clients.size ?? 0),
    ),
    distro: {
      ready: distro.ready !== undefined,
      load: distro.load && { clients: distro.load.clients, expected: distro.load.clientsExpected },
      clients: distro.clients,
      tombstones: distro.tombstones,
      orphans: orphanCounts(distro),
      unconfirmed: distro.unconfirmed,
      removalsHeld: distro.orphans.reduce((sum, { held, clients }) => sum + (held ? clients : 0), 0),
    },
    links: { opened: links.opened, failed: links.connectFailures, malformed: links.malformed },
    findings: findingCounts(findings()),
  };
}

function peerCounts(
  peer: PeerFact,
  distro: DistroFacts,
  links: readonly LinkFacts[],
  forwardingFailed: number,
): ClusterPeerCounts {
  const { id, addresses, direction } = peer;
  const told = distro.peers.find((one) => one.id === id);
  const sum = (read: (link: LinkFacts) => number): number => links.reduce((total, link) => total + read(link), 0);
  return {
    peer: addresses[0] ?? id,
    state: peer.state,
    hears: { out: direction === "both" || direction === "out", in: direction === "both" || direction === "in" },
    clockOffsetSeconds: seconds(peer.clockOffsetMs),
    roundTripSeconds: seconds(peer.rttMs),
    lagSeconds: seconds(told?.waitsForMs) ?? 0,
    pending: told?.pending ?? 0,
    inFlight: told?.inFlight ?? 0,
    overflows: told?.overflows ?? 0,
    equalSeconds: seconds(told?.equalForMs),
    differsSeconds: seconds(told?.differsForMs) ?? 0,
    differingClients: told?.differences.reduce((total, { more }) => total + Math.abs(more), 0) ?? 0,
    forwardingFailed,
    link: {
      bytesIn: sum((link) => link.bytesIn),
      bytesOut: sum((link) => link.bytesOut),
      queuedBytes: sum((link) => link.queuedBytes),
      messagesDropped: sum((link) => link.messagesDropped),
      callsInFlight: sum((link) => link.callsInFlight),
      callsAnswered: sum((link) => link.callsAnswered),
      callsServed: sum((link) => link.callsServed),
    },
  };
}

function orphanCounts({ orphans }: DistroFacts): ClusterCounts["distro"]["orphans"] {
  const counts = { waiting: 0, unhealthy: 0, answering: 0 };
  for (const { clients, unhealthy, answering } of orphans) {
    counts.unhealthy += unhealthy;
    counts.answering += answering;
    counts.waiting += clients - unhealthy - answering;
  }
  return counts;
}

function findingCounts(findings: readonly Finding[]): ClusterCounts["findings"] {
  const byCode = Map.groupBy(findings, ({ code }) => code);
  return [...byCode].map(([code, held]) => ({ code, severity: held[0]?.severity ?? "", count: held.length }));
}

function countBy(states: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const state of states) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1_000;
}
