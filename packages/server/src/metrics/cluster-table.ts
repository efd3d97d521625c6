import type { ClusterCounts, ClusterPeerCounts } from "./sources.ts";
import type { MetricRow } from "./table.ts";

const PEER = "address of the other member";

/** What a member sees of its cluster. The matrix of who sees whom is that of `nacre_cluster_sees` over all members. */
export const CLUSTER_METRICS: readonly MetricRow[] = [
  {
    name: "nacre_cluster_members",
    type: "gauge",
    help: "Members as this one sees them, itself among them",
    labels: { state: "`STARTING`, `UP`, `SUSPICIOUS`, `DOWN` or `LEAVING`" },
    samples: ({ cluster }) =>
      Object.entries(cluster?.members ?? {}).map(([state, value]) => ({ labels: { state }, value })),
  },
  plain("nacre_cluster_reached", "gauge", "Members in reach, this one among them", ({ reached }) => reached),
  plain("nacre_cluster_expected", "gauge", "Members that there are, as far as this one knows", (one) => one.expected),
  {
    name: "nacre_cluster_peer_state",
    type: "gauge",
    help: "1 for the state that this member sees another one in",
    labels: { peer: PEER, state: "as above" },
    samples: ({ cluster }) => (cluster?.peers ?? []).map(({ peer, state }) => ({ labels: { peer, state }, value: 1 })),
  },
  {
    name: "nacre_cluster_sees",
    type: "gauge",
    help: "1 while the other member is heard",
    labels: { peer: PEER, direction: "`out`: its answers come; `in`: its probes come" },
    samples: ({ cluster }) =>
      (cluster?.peers ?? []).flatMap(({ peer, hears }) => [
        { labels: { peer, direction: "out" }, value: Number(hears.out) },
        { labels: { peer, direction: "in" }, value: Number(hears.in) },
      ]),
  },
  perPeer(
    "nacre_cluster_clock_offset_seconds",
    "gauge",
    "What the clock of the other member is ahead of this one by",
    (peer) => peer.clockOffsetSeconds,
  ),
  perPeer(
    "nacre_cluster_round_trip_seconds",
    "gauge",
    "The quickest of the last eight probes of the other member",
    (peer) => peer.roundTripSeconds,
  ),
  perPeer(
    "nacre_distro_lag_seconds",
    "gauge",
    "Age of the oldest change that the other member has not acknowledged, 0 without one",
    (peer) => peer.lagSeconds,
  ),
  perPeer("nacre_distro_pending", "gauge", "Clients whose changes wait to be sent", (peer) => peer.pending),
  perPeer("nacre_distro_in_flight", "gauge", "Batches of changes without an acknowledgement", (peer) => peer.inFlight),
  perPeer(
    "nacre_distro_overflows_total",
    "counter",
    "Times that all waiting changes were dropped at their bound, which the next comparison repairs, since the start",
    (peer) => peer.overflows,
  ),
  perPeer(
    "nacre_distro_equal_age_seconds",
    "gauge",
    "How long ago a comparison last found both members equal; absent before the first time",
    (peer) => peer.equalSeconds,
  ),
  perPeer(
    "nacre_distro_differs_seconds",
    "gauge",
    "How long comparisons have found a difference",
    (peer) => peer.differsSeconds,
  ),
  perPeer(
    "nacre_distro_difference_clients",
    "gauge",
    "Clients that one of both members holds and the other does not, by the last comparison",
    (peer) => peer.differingClients,
  ),
  plain("nacre_distro_ready", "gauge", "1 once this member has loaded, or serves what it has", (one) =>
    Number(one.distro.ready),
  ),
  {
    name: "nacre_distro_load_clients",
    type: "gauge",
    help: "While this member loads: clients that have come, and those that the other member announced",
    labels: { what: "`come` or `announced`" },
    samples: ({ cluster }) => {
      const load = cluster?.distro.load;
      if (load === undefined) return [];
      return [
        { labels: { what: "come" }, value: load.clients },
        { labels: { what: "announced" }, value: load.expected },
      ];
    },
  },
  plain(
    "nacre_distro_clients",
    "gauge",
    "Clients that this member holds, its own and copies",
    (one) => one.distro.clients,
  ),
  plain("nacre_distro_tombstones", "gauge", "Removed clients that are remembered", (one) => one.distro.tombstones),
  {
    name: "nacre_distro_orphans",
    type: "gauge",
    help: "Clients whose member does not speak for them",
    labels: { shown: "`waiting`: as they were; `unhealthy`; `answering`: as they were, because a probe found them" },
    samples: ({ cluster }) =>
      Object.entries(cluster?.distro.orphans ?? {}).map(([shown, value]) => ({ labels: { shown }, value })),
  },
  plain(
    "nacre_distro_unconfirmed",
    "gauge",
    "Clients of this member's earlier life that have not come back",
    (one) => one.distro.unconfirmed,
  ),
  plain(
    "nacre_distro_removals_held",
    "gauge",
    "Clients of lost members whose removal is held back",
    (one) => one.distro.removalsHeld,
  ),
  perPeer(
    "nacre_forwarding_failed_clients",
    "gauge",
    "Clients whose writes are made here because the other member, which owns them, can not be reached",
    (peer) => peer.forwardingFailed,
  ),
  {
    name: "nacre_link_bytes_total",
    type: "counter",
    help: "Bytes over the links that stand with the other member",
    labels: { peer: PEER, direction: "`in` or `out`" },
    samples: ({ cluster }) =>
      (cluster?.peers ?? []).flatMap(({ peer, link }) => [
        { labels: { peer, direction: "in" }, value: link.bytesIn },
        { labels: { peer, direction: "out" }, value: link.bytesOut },
      ]),
  },
  perPeer(
    "nacre_link_queued_bytes",
    "gauge",
    "Bytes that wait to leave for the other member",
    ({ link }) => link.queuedBytes,
  ),
  perPeer(
    "nacre_link_messages_dropped_total",
    "counter",
    "Messages of Distro that found the queue of the link full",
    ({ link }) => link.messagesDropped,
  ),
  {
    name: "nacre_link_calls_total",
    type: "counter",
    help: "Calls over the links that stand with the other member",
    labels: { peer: PEER, what: "`answered` by it, or `served` by this member" },
    samples: ({ cluster }) =>
      (cluster?.peers ?? []).flatMap(({ peer, link }) => [
        { labels: { peer, what: "answered" }, value: link.callsAnswered },
        { labels: { peer, what: "served" }, value: link.callsServed },
      ]),
  },
  perPeer(
    "nacre_link_calls_in_flight",
    "gauge",
    "Calls that wait for an answer of the other member",
    ({ link }) => link.callsInFlight,
  ),
  plain("nacre_links_opened_total", "counter", "Links that came about since the start", ({ links }) => links.opened),
  plain(
    "nacre_links_failed_total",
    "counter",
    "Links that did not come about since the start",
    ({ links }) => links.failed,
  ),
  plain(
    "nacre_links_malformed_total",
    "counter",
    "Links that were closed because of what came over them since the start",
    ({ links }) => links.malformed,
  ),
  {
    name: "nacre_findings",
    type: "gauge",
    help: "What this member finds wrong at the moment, see troubleshooting",
    labels: { code: "of the catalogue", severity: "`error`, `warning` or `info`" },
    samples: ({ cluster }) =>
      (cluster?.findings ?? []).map(({ code, severity, count }) => ({ labels: { code, severity }, value: count })),
  },
];

function plain(
  name: string,
  type: "gauge" | "counter",
  help: string,
  read: (cluster: ClusterCounts) => number,
): MetricRow {
  const samples: MetricRow["samples"] = ({ cluster }) => (cluster === undefined ? [] : [{ value: read(cluster) }]);
  return { name, type, help, labels: {}, samples };
}

function perPeer(
  name: string,
  type: "gauge" | "counter",
  help: string,
  read: (peer: ClusterPeerCounts) => number | undefined,
): MetricRow {
  const samples: MetricRow["samples"] = ({ cluster }) =>
    (cluster?.peers ?? []).flatMap((one) => {
      const value = read(one);
      return value === undefined ? [] : [{ labels: { peer: one.peer }, value }];
    });
  return { name, type, help, labels: { peer: PEER }, samples };
}
