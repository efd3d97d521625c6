import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Clock } from "../clock.ts";
import { CONFIG_TIMER_LABELS } from "../config/times.ts";
import { renderMetricsDoc } from "./doc.ts";
import { Latency } from "./latency.ts";
import { newMetrics } from "./metrics.ts";
import type { ClusterPeerCounts, MetricSources, NamingCounts } from "./sources.ts";
import { METRICS } from "./table.ts";
import { GRPC_LABELS, grpcLabels, HTTP_LABELS, httpLabels, Timings } from "./timings.ts";

function handClock() {
  let now = 0;
  const clock: Clock = { now: () => now, wall: () => now, schedule: () => ({ cancel() {} }) };
  return { clock, forward: (ms: number) => (now += ms) };
}

function namingCounts(given: Partial<NamingCounts> = {}): NamingCounts {
  return {
    services: 3,
    instances: 7,
    subscribers: { v1: 1, v2: 4 },
    publishers: { v1: 2, v2: 5 },
    pushes: 20,
    pushesFailed: 2,
    pushesEmpty: 1,
    pushCostMsSum: 90,
    pushCostMsMax: 40,
    pushesAcked: 18,
    changedWaiting: 0,
    subscribedWaiting: 0,
    pushesPending: 6,
    leads: true,
    pushLatency: { sent: new Latency([0.01, 0.1]), acked: new Latency([0.01, 0.1]) },
    topChanges: [],
    ...given,
  };
}

/** Every source with figures of its own. */
function everySource(): Required<MetricSources> {
  const { clock } = handClock();
  const http = new Timings(clock, HTTP_LABELS);
  http.record(httpLabels("/nacos/v1/ns/instance/list", "GET", 200), 0.5);
  http.record(httpLabels("/nacos/v1/ns/instance/list", "GET", 200), 0.25);
  http.record(httpLabels(undefined, "POST", 404), 0.001);
  const grpc = new Timings(clock, GRPC_LABELS);
  grpc.record(grpcLabels("naming", "InstanceRequest", 0), 0.002);
  grpc.record(grpcLabels(undefined, undefined, 302, "noHandler"), 0.001);
  const config = new Timings(clock, CONFIG_TIMER_LABELS);
  config.record(["config", "readConfigRt"], 0.004);
  return {
    config: () => ({
      configs: 30,
      reads: 31,
      writes: 32,
      listeners: 33,
      polls: 34,
      changedWaiting: 35,
      noticesPending: 36,
      fuzzyPatterns: 37,
      storeWaiting: 38,
      notices: { sent: 39, acked: 40, failed: 41, givenUp: 42 },
      timings: config,
      contents: { bytes: 43, entries: 44, hits: 45, misses: 46, evictions: 47 },
    }),
    naming: () => namingCounts({ topChanges: [{ service: "public##DEFAULT_GROUP@@orders", changes: 9 }] }),
    connections: () => ({
      byModule: [
        ["naming", 3],
        ["", 1],
      ],
      refused: 2,
      ended: 1,
    }),
    grpc: () => ({ calls: grpc, executors: [{ type: "grpcSdkServer", active: 1, queued: 2, completed: 3 }] }),
    http: () => ({ requests: http }),
    log: () => ({
      appliedIndex: 12,
      snapshotIndex: 10,
      logBytes: 4096,
      pending: 1,
      refusing: undefined,
      commitLatency: new Latency(),
    }),
    journal: () => ({ size: 5, dropped: 1 }),
    udp: () => ({ pending: 1, settled: { acked: 3 } }),
    health: () => ({ started: { TCP: 11, HTTP: 12, MYSQL: 13 }, targets: 3, inFlight: 1, waiting: 0 }),
    process: () => ({
      systemCpu: 0.5,
      processCpu: 0.25,
      loadAverage1m: 1.5,
      uptimeSeconds: 60,
      heapUsedBytes: 1000,
      heapMaxBytes: 2000,
      externalBytes: 10,
      residentBytes: 5000,
      gc: [{ kind: "minor", count: 4, sumSeconds: 0.04, maxSeconds: 0.02 }],
      loopLagSeconds: { mean: 0.001, p50: 0.001, p99: 0.01, max: 0.02 },
    }),
    raft: () => ({
      role: "leader",
      term: 61,
      epoch: 1,
      hasLeader: true,
      voters: 3,
      learners: 1,
      commitIndex: 62,
      appliedIndex: 63,
      lastIndex: 64,
      firstIndex: 65,
      followers: [{ peer: "10.0.0.2:8848", lag: 66, heardSeconds: 0.1, snapshotRatio: undefined }],
      proposals: { done: 67, notDone: 68, unknown: 69, refused: 70 },
      elections: 71,
      leaders: 72,
      passedOver: 77,
      syncSeconds: 0.073,
      snapshotIndex: 74,
      snapshotAgeSeconds: undefined,
      snapshotBytes: 75,
      logBytes: 76,
      isWhole: true,
    }),
    cluster: () => ({
      members: { UP: 2, DOWN: 1 },
      reached: 2,
      expected: 3,
      peers: [peerCounts("10.0.0.2:8848"), { ...peerCounts("10.0.0.3:8848"), state: "DOWN", equalSeconds: undefined }],
      distro: {
        ready: true,
        load: { clients: 49, expected: 50 },
        clients: 50,
        tombstones: 51,
        orphans: { waiting: 52, unhealthy: 53, answering: 54 },
        unconfirmed: 55,
        removalsHeld: 56,
      },
      links: { opened: 57, failed: 58, malformed: 59 },
      findings: [{ code: "MEMBER_DOWN", severity: "error", count: 1 }],
    }),
    exceptions: () => [{ module: "naming", name: "disk", count: 1 }],
  };
}

function peerCounts(peer: string): ClusterPeerCounts {
  return {
    peer,
    state: "UP",
    hears: { out: true, in: false },
    clockOffsetSeconds: 0.003,
    roundTripSeconds: 0.0004,
    lagSeconds: 1.5,
    pending: 60,
    inFlight: 61,
    overflows: 62,
    equalSeconds: 2,
    differsSeconds: 0,
    differingClients: 63,
    forwardingFailed: 64,
    link: {
      bytesIn: 65,
      bytesOut: 66,
      queuedBytes: 67,
      messagesDropped: 68,
      callsInFlight: 69,
      callsAnswered: 70,
      callsServed: 71,
    },
  };
}

async function lines(sources: MetricSources): Promise<string[]> {
  return (await newMetrics(sources).text()).split("\n");
}

describe("the metrics page", () => {
  test("has the names and labels that dashboards for the reference read", async () => {
    const page = await lines(everySource());
    for (const line of [
      'nacos_monitor{module="naming",name="serviceCount"} 3',
      'nacos_monitor{module="naming",name="ipCount"} 7',
      'nacos_monitor{module="naming",name="subscriberCount"} 5',
      'nacos_monitor{module="naming",name="maxPushCost"} 40',
      'nacos_monitor{module="naming",name="avgPushCost"} 5',
      'nacos_monitor{module="naming",name="leaderStatus"} 1',
      'nacos_monitor{module="naming",name="totalPush"} 20',
      'nacos_monitor{module="naming",name="failedPush"} 2',
      'nacos_monitor{module="naming",name="emptyPush"} 1',
      'nacos_monitor{module="naming",name="pushPendingTaskCount"} 6',
      'nacos_monitor{module="naming",name="mysqlHealthCheck"} 13',
      'nacos_monitor{module="naming",name="httpHealthCheck"} 12',
      'nacos_monitor{module="naming",name="tcpHealthCheck"} 11',
      'nacos_monitor{module="config",name="configCount"} 30',
      'nacos_monitor{module="config",name="getConfig"} 31',
      'nacos_monitor{module="config",name="publish"} 32',
      'nacos_monitor{module="config",name="longPolling"} 34',
      'nacos_monitor{module="config",name="notifyTask"} 35',
      'nacos_monitor{module="config",name="notifyClientTask"} 36',
      'nacos_monitor{module="config",name="fuzzySearch"} 37',
      'nacos_monitor{module="config",name="dumpTask"} 38',
      'nacos_config_subscriber{version="v1"} 34',
      'nacos_config_subscriber{version="v2"} 33',
      'nacos_timer_seconds_count{module="config",name="readConfigRt"} 1',
      'nacos_timer_seconds_sum{module="config",name="readConfigRt"} 0.004',
      'nacos_timer_seconds_max{module="config",name="readConfigRt"} 0.004',
      'nacre_config_notices_total{outcome="givenUp"} 42',
      "nacre_config_content_cache_bytes 43",
      'nacre_config_content_cache_total{what="miss"} 46',
      'nacos_monitor{module="core",name="longConnection"} 4',
      'nacos_monitor{module="naming",name="longConnection"} 3',
      'nacos_monitor{module="unknown",name="longConnection"} 1',
      'nacos_naming_subscriber{version="v2"} 4',
      'nacos_naming_publisher{version="v1"} 2',
      'service_change_count{service="public##DEFAULT_GROUP@@orders"} 9',
      'nacos_exception_total{module="naming",name="disk"} 1',
      'grpc_server_requests_seconds_count{module="naming",requestClass="InstanceRequest",success="true",errorCode="0",throwableClass="None"} 1',
      'grpc_server_requests_seconds_max{module="UNKNOWN",requestClass="UNKNOWN",success="false",errorCode="302",throwableClass="noHandler"} 0.001',
      'grpc_server_executor{module="core",type="grpcSdkServer",name="inQueueTaskCount"} 2',
      'http_server_requests_seconds_count{uri="/nacos/v1/ns/instance/list",method="GET",status="200",exception="None",outcome="SUCCESS"} 2',
      'http_server_requests_seconds_sum{uri="/nacos/v1/ns/instance/list",method="GET",status="200",exception="None",outcome="SUCCESS"} 0.75',
      'http_server_requests_seconds_max{uri="UNKNOWN",method="POST",status="404",exception="None",outcome="CLIENT_ERROR"} 0.001',
      "system_cpu_usage 0.5",
      "process_cpu_usage 0.25",
      "system_load_average_1m 1.5",
      "process_uptime_seconds 60",
      'jvm_memory_used_bytes{area="heap",id="v8"} 1000',
      'jvm_memory_max_bytes{area="heap",id="v8"} 2000',
      'jvm_gc_pause_seconds_count{action="minor"} 4',
      'jvm_gc_pause_seconds_sum{action="minor"} 0.04',
      "nacre_log_applied_index 12",
      "nacre_log_pending 1",
      "nacre_log_refusing 0",
      "nacre_journal_size 5",
      'nacre_udp_push_total{outcome="acked"} 3',
      "nacre_health_checks_in_flight 1",
    ])
      assert.ok(page.includes(line), `missing: ${line}`);
  });

  test("tells of the cluster: states, who is heard, lag and differences, by the address of the other member", async () => {
    const page = await lines(everySource());
    for (const line of [
      'nacre_cluster_members{state="DOWN"} 1',
      'nacre_cluster_peer_state{peer="10.0.0.3:8848",state="DOWN"} 1',
      'nacre_cluster_sees{peer="10.0.0.2:8848",direction="out"} 1',
      'nacre_cluster_sees{peer="10.0.0.2:8848",direction="in"} 0',
      'nacre_distro_lag_seconds{peer="10.0.0.2:8848"} 1.5',
      'nacre_distro_equal_age_seconds{peer="10.0.0.2:8848"} 2',
      'nacre_distro_orphans{shown="unhealthy"} 53',
      "nacre_distro_removals_held 56",
      'nacre_distro_load_clients{what="come"} 49',
      'nacre_link_bytes_total{peer="10.0.0.2:8848",direction="out"} 66',
      'nacre_findings{code="MEMBER_DOWN",severity="error"} 1',
      'nacre_raft_role{role="leader"} 1',
      "nacre_raft_leader_known 1",
      "nacre_raft_commit_index 62",
      'nacre_raft_follower_lag_entries{peer="10.0.0.2:8848"} 66',
      'nacre_raft_proposals_total{outcome="notDone"} 68',
      "nacre_raft_entries_passed_over_total 77",
      "nacre_raft_elections_total 71",
      "nacre_raft_sync_seconds 0.073",
      "nacre_raft_snapshot_bytes 75",
    ])
      assert.ok(page.includes(line), line);
    assert.ok(!page.some((line) => line.startsWith('nacre_distro_equal_age_seconds{peer="10.0.0.3')));
  });

  test("is well-formed: every sample has a type, belongs to it, and stands once", async () => {
    const page = await lines(everySource());
    const types = new Set(
      page.flatMap((line) => /^# TYPE (\S+) (gauge|counter|summary|histogram)$/.exec(line)?.[1] ?? []),
    );
    assert.deepEqual(types, new Set(METRICS.map(({ name }) => name)));
    const samples = page.filter((line) => line !== "" && !line.startsWith("#"));
    assert.equal(new Set(samples.map((line) => line.slice(0, line.lastIndexOf(" ")))).size, samples.length);
    for (const line of samples) {
      const name = /^[a-z0-9_]+/i.exec(line)?.[0] ?? "";
      assert.ok(types.has(name) || types.has(name.replace(/_(count|sum|bucket)$/, "")), line);
      assert.match(line, / (-?[0-9.e+-]+|\+Inf|NaN)$/);
    }
  });

  test("shows a histogram with cumulative buckets", async () => {
    const sent = new Latency([0.01, 0.1]);
    for (const seconds of [0.005, 0.01, 0.05, 3]) sent.observe(seconds);
    const page = await lines({ naming: () => namingCounts({ pushLatency: { sent, acked: new Latency([0.01]) } }) });
    for (const line of [
      "# TYPE nacre_push_latency_seconds histogram",
      'nacre_push_latency_seconds_bucket{until="sent",le="0.01"} 2',
      'nacre_push_latency_seconds_bucket{until="sent",le="0.1"} 3',
      'nacre_push_latency_seconds_bucket{until="sent",le="+Inf"} 4',
      'nacre_push_latency_seconds_count{until="sent"} 4',
      'nacre_push_latency_seconds_count{until="acked"} 0',
    ])
      assert.ok(page.includes(line), `missing: ${line}`);
  });

  test("names at most the ten services that changed most", async () => {
    const topChanges = Array.from({ length: 30 }, (_, n) => ({ service: `s${n}`, changes: n }));
    const page = await lines({ naming: () => namingCounts({ topChanges }) });
    const shown = page.filter((line) => line.startsWith("service_change_count{"));
    assert.equal(shown.length, 10);
    assert.equal(shown[0], 'service_change_count{service="s29"} 29');
  });

  test("reads each source once per scrape, and only then", async () => {
    let reads = 0;
    const metrics = newMetrics({ journal: () => ({ size: ++reads, dropped: 0 }) });
    assert.equal(reads, 0);
    const pages = await Promise.all([metrics.text(), metrics.text()]);
    assert.equal(reads, 2);
    assert.deepEqual(
      pages.map((page) => /^nacre_journal_size (\d)$/m.exec(page)?.[1]),
      ["1", "2"],
      "two scrapes at a time do not mix",
    );
  });

  test("leaves out what this server does not have", async () => {
    const samples = (await lines({})).filter((line) => line !== "" && !line.startsWith("#"));
    assert.deepEqual(samples, []);
  });

  test("of one server says nothing of another", async () => {
    const one = newMetrics({ journal: () => ({ size: 1, dropped: 0 }) });
    const other = newMetrics({ journal: () => ({ size: 2, dropped: 0 }) });
    assert.match(await other.text(), /^nacre_journal_size 2$/m);
    assert.match(await one.text(), /^nacre_journal_size 1$/m);
    assert.match(one.contentType, /^text\/plain; version=0\.0\.4/);
  });
});

describe("timings", () => {
  test("are bounded: further label values share one series", () => {
    const timings = new Timings(handClock().clock, ["uri"], 2);
    for (const uri of ["/a", "/b", "/c", "/d", "/a"]) timings.record([uri], 1);
    assert.deepEqual(
      [...timings].map(({ labels, count }) => [labels.uri, count]),
      [
        ["/a", 2],
        ["/b", 1],
        ["UNKNOWN", 2],
      ],
    );
  });

  test("forget a maximum after one to two minutes, and never the sum", () => {
    const { clock, forward } = handClock();
    const timings = new Timings(clock, []);
    const read = () => [...timings].map(({ maxSeconds, sumSeconds }) => [maxSeconds, sumSeconds]);
    timings.record([], 5);
    forward(60_000);
    timings.record([], 2);
    assert.deepEqual(read(), [[5, 7]]);
    forward(60_000);
    assert.deepEqual(read(), [[2, 7]]);
    forward(120_000);
    assert.deepEqual(read(), [[0, 7]]);
  });
});

describe("the reference of metrics", () => {
  test("has one row for each metric, with its labels", () => {
    const page = renderMetricsDoc();
    const rows = page.split("\n").filter((line) => line.startsWith("| `"));
    assert.equal(rows.length, METRICS.length);
    for (const row of rows) assert.equal(row.match(/(?<!\\)\|/g)?.length, 5, row);
    assert.match(page, /\| `nacos_naming_subscriber` \| gauge \| .* \| `version`: /);
  });
});
