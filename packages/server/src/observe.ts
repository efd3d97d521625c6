import { type HealthState, waitingCount } from "@nacre/core/health";
import { countsOf } from "@nacre/core/naming";
import { configMessages, connectionMessages, namingMessages } from "@nacre/protocol";
import type { Configs } from "./config/configs.ts";
import type { Connections } from "./connections/connections.ts";
import {
  type ClusterCounts,
  type ConfigCounts,
  GRPC_LABELS,
  grpcLabels,
  type MetricSources,
  type NamingCounts,
  type RaftMetrics,
  type Timing,
  type Timings,
} from "./metrics/index.ts";
import type { ProcessWatch } from "./metrics/process.ts";
import type { Naming } from "./naming/naming.ts";
import type { UdpPush } from "./naming/udp.ts";
import type { DurableLog } from "./storage/port.ts";

/** Services in the list of those that change most. */
const TOP_CHANGES = 10;

export interface Observed {
  readonly naming: Naming;
  readonly configs: Configs;
  readonly connections: Connections;
  readonly requests: () => Timings;
  readonly durable: Pick<DurableLog<never, never>, "status">;
  readonly health: HealthState;
  readonly udp: UdpPush | undefined;
  readonly process: ProcessWatch;
  readonly cluster: () => ClusterCounts;
  readonly raft: () => RaftMetrics | undefined;
  /** Whether this member changes durable data. */
  readonly leads: () => boolean;
}

/** Where the figures of the metrics come from: plain readings of the parts, made when somebody scrapes. */
export function metricSources({
  naming,
  configs,
  connections,
  requests,
  durable,
  health,
  udp,
  process,
  cluster,
  raft,
  leads,
}: Observed): MetricSources {
  return {
    naming: () => namingCounts(naming, leads()),
    config: () => configCounts(configs),
    connections: () => ({
      byModule: connections.counters.connections,
      refused: connections.counters.refused,
      ended: connections.counters.ended,
    }),
    grpc: () => ({ calls: grpcCalls(connections), executors: [] }),
    http: () => ({ requests: requests() }),
    log: () => ({ ...durable.status(), commitLatency: naming.commits }),
    journal: () => ({ size: naming.state.journal.size, dropped: naming.state.journal.dropped }),
    ...(udp === undefined ? {} : { udp: () => ({ pending: udp.pending, settled: udp.settled }) }),
    health: () => ({
      started: health.started,
      targets: health.targets.size,
      inFlight: health.inFlight.size,
      waiting: waitingCount(health),
    }),
    process: () => process.read(),
    cluster,
    raft,
  };
}

function namingCounts({ state, pushes }: Naming, leads: boolean): NamingCounts {
  const { services, instances } = countsOf(state);
  const subscribers = { v1: 0, v2: 0 };
  const publishers = { v1: 0, v2: 0 };
  for (const { kind, publications, subscriptions } of state.clients.values()) {
    const protocol = kind === "connection" ? "v2" : "v1";
    subscribers[protocol] += subscriptions?.size ?? 0;
    publishers[protocol] += publications.size;
  }
  let changedWaiting = 0;
  const changed: { service: string; changes: number }[] = [];
  for (const { name, changes, dirtySince } of state.services.values()) {
    if (dirtySince !== undefined) changedWaiting++;
    keepLargest(changed, changes, () => `${name.namespace}##${name.group}@@${name.name}`);
  }
  return {
    services,
    instances,
    subscribers,
    publishers,
    pushes: state.pushes.total,
    pushesFailed: state.pushes.failed,
    pushesEmpty: state.pushes.empty,
    pushCostMsSum: pushes.ackedMsSum,
    pushCostMsMax: pushes.ackedMsMax,
    pushesAcked: pushes.ackedCount,
    changedWaiting,
    // First pushes wait in the same queue as all others.
    subscribedWaiting: 0,
    pushesPending: state.fanOuts.size,
    leads,
    pushLatency: { sent: pushes.sentLatency, acked: pushes.ackedLatency },
    topChanges: changed,
  };
}

function configCounts({ state, contents, times }: Configs): ConfigCounts {
  return {
    configs: state.counts.total,
    reads: times.reads,
    writes: times.writes,
    listeners: state.listenerCount,
    polls: state.polls.size,
    changedWaiting: state.unnoted.size + state.unsent.size + state.answerable.size,
    noticesPending: state.notices.size,
    fuzzyPatterns: state.fuzzy.patterns.size,
    storeWaiting: times.unsaved,
    notices: state.notifications,
    timings: times.timings,
    contents: { bytes: contents.bytes, entries: contents.size, ...contents.counts },
  };
}

/** Keeps the services with the most changes, largest first, without sorting all of them. */
function keepLargest(held: { service: string; changes: number }[], changes: number, name: () => string): void {
  const smallest = held[TOP_CHANGES - 1]?.changes ?? 0;
  if (changes === 0 || changes <= smallest) return;
  if (held.length === TOP_CHANGES) held.pop();
  const at = held.findIndex((other) => other.changes < changes);
  held.splice(at === -1 ? held.length : at, 0, { service: name(), changes });
}

const MODULES: Readonly<Record<string, { readonly module: string }>> = {
  ...connectionMessages,
  ...namingMessages,
  ...configMessages,
};

function* grpcCalls({ counters }: Connections): Iterable<Timing> {
  for (const { type, errorCode, count, seconds, maxSeconds } of counters.calls) {
    const values = grpcLabels(MODULES[type]?.module, type, errorCode);
    const labels = Object.fromEntries(GRPC_LABELS.map((name, at) => [name, values[at] as string]));
    yield { labels, count, sumSeconds: seconds, maxSeconds };
  }
}
