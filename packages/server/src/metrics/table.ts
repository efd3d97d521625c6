import { CLUSTER_METRICS } from "./cluster-table.ts";
import type { Latency } from "./latency.ts";
import { RAFT_METRICS } from "./raft-table.ts";
import type { MetricSources } from "./sources.ts";
import type { Timing } from "./timings.ts";

export interface Sample {
  readonly labels?: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Appended to the name: `_count`, `_sum`, `_bucket`. */
  readonly suffix?: string;
}

type SourceName = keyof MetricSources;
type Reading<S extends SourceName> = ReturnType<NonNullable<MetricSources[S]>>;
/** What the sources gave for one scrape; a source that this server does not have is absent. */
export type Readings = { readonly [S in SourceName]?: Reading<S> };

export interface MetricRow {
  readonly name: string;
  readonly type: "gauge" | "counter" | "summary" | "histogram";
  readonly help: string;
  /** Label and what its values are, for the reference. */
  readonly labels: Readonly<Record<string, string>>;
  readonly samples: (readings: Readings) => readonly Sample[];
}

const TOP_CHANGES = 10;

/** Every metric, in the order of the page. The first part has the names that dashboards of the reference read. */
export const METRICS: readonly MetricRow[] = [
  {
    name: "nacos_monitor",
    type: "gauge",
    help: "Counts of naming, configuration and connections under the names of the reference; costs are in milliseconds",
    labels: { module: "`naming`, `config`, `core` or the module of connections", name: "what is counted" },
    samples: ({ naming, config, connections, health }) => [
      ...(naming === undefined
        ? []
        : monitor("naming", {
            serviceCount: naming.services,
            ipCount: naming.instances,
            subscriberCount: naming.subscribers.v1 + naming.subscribers.v2,
            maxPushCost: naming.pushCostMsMax,
            avgPushCost: naming.pushesAcked === 0 ? -1 : naming.pushCostMsSum / naming.pushesAcked,
            leaderStatus: naming.leads ? 1 : 0,
            totalPush: naming.pushes,
            totalPushCountForAvg: naming.pushesAcked,
            totalPushCostForAvg: naming.pushCostMsSum,
            failedPush: naming.pushesFailed,
            emptyPush: naming.pushesEmpty,
            serviceSubscribedEventQueueSize: naming.subscribedWaiting,
            serviceChangedEventQueueSize: naming.changedWaiting,
            pushPendingTaskCount: naming.pushesPending,
          })),
      ...(health === undefined
        ? []
        : monitor("naming", {
            mysqlHealthCheck: health.started.MYSQL,
            httpHealthCheck: health.started.HTTP,
            tcpHealthCheck: health.started.TCP,
          })),
      ...(config === undefined
        ? []
        : monitor("config", {
            getConfig: config.reads,
            publish: config.writes,
            longPolling: config.polls,
            configCount: config.configs,
            notifyTask: config.changedWaiting,
            notifyClientTask: config.noticesPending,
            dumpTask: config.storeWaiting,
            fuzzySearch: config.fuzzyPatterns,
          })),
      ...(connections === undefined ? [] : longConnections(connections.byModule)),
    ],
  },
  {
    name: "nacos_config_subscriber",
    type: "gauge",
    help: "Who waits for changes of configurations: held long polls, and configurations listened to over gRPC",
    labels: { version: "`v1` HTTP, `v2` gRPC" },
    samples: ({ config }) => (config === undefined ? [] : byVersion({ v1: config.polls, v2: config.listeners })),
  },
  ...timed("nacos_timer_seconds", "work on configurations", ({ config }) => config?.timings, {
    module: "`config`",
    name: "`readConfigRt`, `writeConfigRt`, `notifyRt` from a notice to its acknowledgement, `dumpRt` from a change until the store has it",
  }),
  {
    name: "nacos_naming_subscriber",
    type: "gauge",
    help: "Subscriptions by protocol",
    labels: { version: "`v1` HTTP, `v2` gRPC" },
    samples: ({ naming }) => (naming === undefined ? [] : byVersion(naming.subscribers)),
  },
  {
    name: "nacos_naming_publisher",
    type: "gauge",
    help: "Clients that publish instances, by protocol",
    labels: { version: "`v1` HTTP, `v2` gRPC" },
    samples: ({ naming }) => (naming === undefined ? [] : byVersion(naming.publishers)),
  },
  {
    name: "service_change_count",
    type: "gauge",
    help: `Changes since the start of the ${TOP_CHANGES} services that changed most`,
    labels: { service: "`namespace##group@@name`" },
    samples: ({ naming }) =>
      [...(naming?.topChanges ?? [])]
        .sort((a, b) => b.changes - a.changes)
        .slice(0, TOP_CHANGES)
        .map(({ service, changes }) => ({ labels: { service }, value: changes })),
  },
  {
    name: "nacos_exception_total",
    type: "counter",
    help: "Failures by module and name since the start",
    labels: { module: "the part that failed", name: "what failed" },
    samples: ({ exceptions = [] }) =>
      exceptions.map(({ module, name, count }) => ({ labels: { module, name }, value: count })),
  },
  ...timed("grpc_server_requests_seconds", "gRPC calls", ({ grpc }) => grpc?.calls, {
    module: "module of the request",
    requestClass: "type of the request; `UNKNOWN` for one that nobody serves",
    success: "`true` or `false`",
    errorCode: "0 for success",
    throwableClass: "name of the failure, `None` for none",
  }),
  {
    name: "grpc_server_executor",
    type: "gauge",
    help: "Calls on each gRPC port; one event loop stands in for the thread pool of the reference",
    labels: { module: "`core`", type: "`grpcSdkServer` or `grpcClusterServer`", name: "what is counted" },
    samples: ({ grpc }) =>
      (grpc?.executors ?? []).flatMap(({ type, active, queued, completed }) =>
        Object.entries({
          activeCount: active,
          poolSize: 1,
          corePoolSize: 1,
          maximumPoolSize: 1,
          inQueueTaskCount: queued,
          taskCount: active + queued + completed,
          completedTaskCount: completed,
        }).map(([name, value]) => ({ labels: { module: "core", type, name }, value })),
      ),
  },
  ...timed("http_server_requests_seconds", "HTTP requests", ({ http }) => http?.requests, {
    uri: "pattern of the route; `UNKNOWN` for a path without one",
    method: "HTTP method",
    status: "HTTP status",
    exception: "name of the failure, `None` for none",
    outcome: "`SUCCESS`, `CLIENT_ERROR`, `SERVER_ERROR`, `REDIRECTION`, `INFORMATIONAL`",
  }),
  processGauge("system_cpu_usage", "Share of the machine's CPU in use since the last scrape", (p) => p.systemCpu),
  processGauge(
    "process_cpu_usage",
    "Share of the machine's CPU used by this process since the last scrape",
    (p) => p.processCpu,
  ),
  processGauge("system_load_average_1m", "Load average of the machine over one minute", (p) => p.loadAverage1m),
  processGauge("process_uptime_seconds", "Seconds since the process started", (p) => p.uptimeSeconds),
  {
    name: "jvm_memory_used_bytes",
    type: "gauge",
    help: "Memory in use: the V8 heap, and what lives outside of it",
    labels: { area: "`heap` or `nonheap`", id: "`v8` or `external`" },
    samples: ({ process: p }) =>
      p === undefined
        ? []
        : [
            { labels: { area: "heap", id: "v8" }, value: p.heapUsedBytes },
            { labels: { area: "nonheap", id: "external" }, value: p.externalBytes },
          ],
  },
  {
    name: "jvm_memory_max_bytes",
    type: "gauge",
    help: "Limit of the V8 heap; -1 where there is none",
    labels: { area: "`heap` or `nonheap`", id: "`v8` or `external`" },
    samples: ({ process: p }) =>
      p === undefined
        ? []
        : [
            { labels: { area: "heap", id: "v8" }, value: p.heapMaxBytes },
            { labels: { area: "nonheap", id: "external" }, value: -1 },
          ],
  },
  {
    name: "jvm_gc_pause_seconds",
    type: "summary",
    help: "Garbage collections of V8",
    labels: { action: "`minor`, `major`, `incremental` or `weakCallbacks`" },
    samples: ({ process: p }) =>
      (p?.gc ?? []).flatMap(({ kind, count, sumSeconds }) => [
        { suffix: "_count", labels: { action: kind }, value: count },
        { suffix: "_sum", labels: { action: kind }, value: sumSeconds },
      ]),
  },
  {
    name: "jvm_gc_pause_seconds_max",
    type: "gauge",
    help: "Longest garbage collection of V8 since the start",
    labels: { action: "as above" },
    samples: ({ process: p }) =>
      (p?.gc ?? []).map(({ kind, maxSeconds }) => ({ labels: { action: kind }, value: maxSeconds })),
  },
  {
    name: "nacre_event_loop_lag_seconds",
    type: "gauge",
    help: "How late the event loop was since the last scrape",
    labels: { quantile: "`mean`, `0.5`, `0.99` or `max`" },
    samples: ({ process: p }) =>
      p === undefined
        ? []
        : [
            { labels: { quantile: "mean" }, value: p.loopLagSeconds.mean },
            { labels: { quantile: "0.5" }, value: p.loopLagSeconds.p50 },
            { labels: { quantile: "0.99" }, value: p.loopLagSeconds.p99 },
            { labels: { quantile: "max" }, value: p.loopLagSeconds.max },
          ],
  },
  processGauge("nacre_resident_memory_bytes", "Resident memory of this process", (p) => p.residentBytes),
  {
    name: "nacre_push_latency_seconds",
    type: "histogram",
    help: "From a change of a service until its push is sent, and until it is acknowledged",
    labels: { until: "`sent` or `acked`" },
    samples: ({ naming }) =>
      naming === undefined
        ? []
        : [
            ...histogram(naming.pushLatency.sent, { until: "sent" }),
            ...histogram(naming.pushLatency.acked, { until: "acked" }),
          ],
  },
  count(
    "nacre_connections_refused_total",
    "Connections that were not let in",
    ({ connections }) => connections?.refused,
  ),
  count("nacre_connections_ended_total", "Connections that this server ended", ({ connections }) => connections?.ended),
  gauge("nacre_log_applied_index", "Last entry of the durable log that is applied", ({ log }) => log?.appliedIndex),
  gauge(
    "nacre_log_snapshot_index",
    "Last entry of the durable log that a snapshot holds",
    ({ log }) => log?.snapshotIndex,
  ),
  gauge("nacre_log_bytes", "Size of the durable log on disk", ({ log }) => log?.logBytes),
  gauge("nacre_log_pending", "Proposals that wait to be durable and applied", ({ log }) => log?.pending),
  gauge("nacre_log_refusing", "1 while durable writes are refused", ({ log }) =>
    log === undefined ? undefined : log.refusing === undefined ? 0 : 1,
  ),
  {
    name: "nacre_log_commit_latency_seconds",
    type: "histogram",
    help: "From a proposal until it is durable and applied",
    labels: {},
    samples: ({ log }) => (log === undefined ? [] : histogram(log.commitLatency, {})),
  },
  {
    name: "nacre_config_notices_total",
    type: "counter",
    help: "Notices of changed configurations by how they ended, since the start",
    labels: { outcome: "`sent`, `acked`, `failed`, `givenUp`" },
    samples: ({ config }) =>
      Object.entries(config?.notices ?? {}).map(([outcome, value]) => ({ labels: { outcome }, value })),
  },
  gauge(
    "nacre_config_content_cache_bytes",
    "Contents and encoded answers in memory",
    ({ config }) => config?.contents.bytes,
  ),
  gauge("nacre_config_content_cache_entries", "Contents in memory", ({ config }) => config?.contents.entries),
  {
    name: "nacre_config_content_cache_total",
    type: "counter",
    help: "Contents that were found in memory, read from the store, or let go to make room, since the start",
    labels: { what: "`hit`, `miss` or `eviction`" },
    samples: ({ config }) =>
      config === undefined
        ? []
        : Object.entries({
            hit: config.contents.hits,
            miss: config.contents.misses,
            eviction: config.contents.evictions,
          }).map(([what, value]) => ({ labels: { what }, value })),
  },
  gauge("nacre_journal_size", "Entries in the journal of causes", ({ journal }) => journal?.size),
  count(
    "nacre_journal_dropped_total",
    "Entries of the journal that made room for newer ones",
    ({ journal }) => journal?.dropped,
  ),
  gauge("nacre_udp_push_pending", "UDP pushes that wait for their acknowledgement", ({ udp }) => udp?.pending),
  {
    name: "nacre_udp_push_total",
    type: "counter",
    help: "UDP pushes by how they ended",
    labels: { outcome: "`acked`, `unanswered`, `failed`, `superseded` or `untracked`" },
    samples: ({ udp }) =>
      Object.entries(udp?.settled ?? {}).map(([outcome, value]) => ({ labels: { outcome }, value })),
  },
  gauge(
    "nacre_health_targets",
    "Persistent instances that this server checks or could check",
    ({ health }) => health?.targets,
  ),
  gauge("nacre_health_checks_in_flight", "Health checks on the wire", ({ health }) => health?.inFlight),
  gauge(
    "nacre_health_checks_waiting",
    "Health checks that are due and wait for a place",
    ({ health }) => health?.waiting,
  ),
  ...CLUSTER_METRICS,
  ...RAFT_METRICS,
];

function gauge(name: string, help: string, read: (readings: Readings) => number | undefined): MetricRow {
  return plain("gauge", name, help, read);
}

function count(name: string, help: string, read: (readings: Readings) => number | undefined): MetricRow {
  return plain("counter", name, `${help} since the start`, read);
}

function plain(
  type: "gauge" | "counter",
  name: string,
  help: string,
  read: (r: Readings) => number | undefined,
): MetricRow {
  const samples = (readings: Readings) => {
    const value = read(readings);
    return value === undefined ? [] : [{ value }];
  };
  return { name, type, help, labels: {}, samples };
}

function processGauge(name: string, help: string, read: (process: Reading<"process">) => number): MetricRow {
  return gauge(name, help, ({ process: p }) => (p === undefined ? undefined : read(p)));
}

/** Count and sum as a summary and the recent maximum as a gauge of its own, as Java servers show their timers. */
function timed(
  name: string,
  what: string,
  read: (readings: Readings) => Iterable<Timing> | undefined,
  labels: Readonly<Record<string, string>>,
): readonly MetricRow[] {
  return [
    {
      name,
      type: "summary",
      help: `Number and duration of ${what}`,
      labels,
      samples: (readings) =>
        [...(read(readings) ?? [])].flatMap((timing) => [
          { suffix: "_count", labels: timing.labels, value: timing.count },
          { suffix: "_sum", labels: timing.labels, value: timing.sumSeconds },
        ]),
    },
    {
      name: `${name}_max`,
      type: "gauge",
      help: `Longest of the ${what} of the last one to two minutes`,
      labels,
      samples: (readings) =>
        [...(read(readings) ?? [])].map((timing) => ({ labels: timing.labels, value: timing.maxSeconds })),
    },
  ];
}

function monitor(module: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { module, name }, value }));
}

/** All of them under `core`, and each module's own; a blank module is `unknown`. */
function longConnections(byModule: Iterable<readonly [string, number]>): Sample[] {
  const modules = [...byModule];
  const all = modules.reduce((sum, [, connections]) => sum + connections, 0);
  return [
    ...monitor("core", { longConnection: all }),
    ...modules.flatMap(([module, connections]) => monitor(module || "unknown", { longConnection: connections })),
  ];
}

function byVersion({ v1, v2 }: { v1: number; v2: number }): Sample[] {
  return [
    { labels: { version: "v1" }, value: v1 },
    { labels: { version: "v2" }, value: v2 },
  ];
}

function histogram(latency: Latency, labels: Readonly<Record<string, string>>): Sample[] {
  let below = 0;
  const buckets = latency.counts.map((held, at) => {
    below += held;
    return { suffix: "_bucket", labels: { ...labels, le: latency.boundsSeconds[at] ?? "+Inf" }, value: below };
  });
  return [
    ...buckets,
    { suffix: "_sum", labels, value: latency.sumSeconds },
    { suffix: "_count", labels, value: below },
  ];
}
