import type { Latency } from "./latency.ts";
import type { Timing } from "./timings.ts";

/** What the metrics are made of. Each owner gives plain numbers, read when somebody scrapes and at no other time. */
export interface MetricSources {
  readonly naming?: () => NamingCounts;
  readonly config?: () => ConfigCounts;
  readonly connections?: () => ConnectionCounts;
  readonly grpc?: () => GrpcCounts;
  readonly http?: () => HttpCounts;
  readonly log?: () => LogCounts;
  readonly journal?: () => JournalCounts;
  readonly udp?: () => UdpCounts;
  readonly health?: () => HealthCounts;
  readonly process?: () => ProcessCounts;
  readonly cluster?: () => ClusterCounts;
  /** Nothing for a server that keeps nothing on disk. */
  readonly raft?: () => RaftMetrics | undefined;
  readonly exceptions?: () => readonly ExceptionCount[];
}

/** By the generation of the protocol: v1 over HTTP, v2 over gRPC. */
export interface ByProtocol {
  readonly v1: number;
  readonly v2: number;
}

export interface NamingCounts {
  readonly services: number;
  readonly instances: number;
  readonly subscribers: ByProtocol;
  readonly publishers: ByProtocol;
  /** Pushes since the start: all, failed, and those with an empty list. */
  readonly pushes: number;
  readonly pushesFailed: number;
  readonly pushesEmpty: number;
  /** From the change to the acknowledgement: of all acknowledged pushes. */
  readonly pushCostMsSum: number;
  readonly pushCostMsMax: number;
  readonly pushesAcked: number;
  /** Services with a change that is not pushed yet, and first pushes that wait. */
  readonly changedWaiting: number;
  readonly subscribedWaiting: number;
  readonly pushesPending: number;
  /** Whether this member leads the durable state; a single member does. */
  readonly leads: boolean;
  /** From a change of a service until its push is sent, and until it is acknowledged. */
  readonly pushLatency: { readonly sent: Latency; readonly acked: Latency };
  /** The services that changed most since the start, as `namespace##group@@name`; more than ten are cut off. */
  readonly topChanges: readonly { readonly service: string; readonly changes: number }[];
}

export interface ConfigCounts {
  readonly configs: number;
  /** Since the start. */
  readonly reads: number;
  readonly writes: number;
  readonly listeners: number;
  /** Long polls that are held. */
  readonly polls: number;
  /** Configurations whose listeners are still to be told, messages that wait for acknowledgements, fuzzy watches. */
  readonly changedWaiting: number;
  readonly noticesPending: number;
  readonly fuzzyPatterns: number;
  /** Entries whose writes are not in the store yet. */
  readonly storeWaiting: number;
  /** Notices since the start, by receiver. */
  readonly notices: {
    readonly sent: number;
    readonly acked: number;
    readonly failed: number;
    readonly givenUp: number;
  };
  /** With the labels `module` and `name`. */
  readonly timings: Iterable<Timing>;
  readonly contents: {
    readonly bytes: number;
    readonly entries: number;
    readonly hits: number;
    readonly misses: number;
    readonly evictions: number;
  };
}

export interface ConnectionCounts {
  /** Registered connections by their label `module`; blank when the client did not say. The names are bounded. */
  readonly byModule: Iterable<readonly [module: string, connections: number]>;
  /** Since the start: not let in, and ended by this server. */
  readonly refused: number;
  readonly ended: number;
}

export interface GrpcCounts {
  /** With the labels of `GRPC_LABELS`. */
  readonly calls: Iterable<Timing>;
  /** Per port: `grpcSdkServer`, `grpcClusterServer`. */
  readonly executors: readonly {
    readonly type: string;
    /** Calls being worked on, and those that wait for it. */
    readonly active: number;
    readonly queued: number;
    readonly completed: number;
  }[];
}

export interface HttpCounts {
  /** With the labels of `HTTP_LABELS`. */
  readonly requests: Iterable<Timing>;
}

export interface LogCounts {
  readonly appliedIndex: number;
  readonly snapshotIndex: number;
  readonly logBytes: number;
  readonly pending: number;
  /** A sentence while writes are refused. */
  readonly refusing: string | undefined;
  /** From the proposal until it is applied. */
  readonly commitLatency: Latency;
}

export interface JournalCounts {
  readonly size: number;
  /** Entries that made room for newer ones since the start. */
  readonly dropped: number;
}

export interface UdpCounts {
  readonly pending: number;
  /** Since the start, by how they ended. */
  readonly settled: Readonly<Record<string, number>>;
}

export interface HealthCounts {
  /** Checks ordered since the start. */
  readonly started: { readonly TCP: number; readonly HTTP: number; readonly MYSQL: number };
  readonly targets: number;
  readonly inFlight: number;
  /** Due, but without a free place. */
  readonly waiting: number;
}

export interface ClusterCounts {
  /** Members by state, this one among them. */
  readonly members: Readonly<Record<string, number>>;
  readonly reached: number;
  readonly expected: number;
  readonly peers: readonly ClusterPeerCounts[];
  readonly distro: {
    readonly ready: boolean;
    /** While it loads: clients that have come, and those that the source announced. */
    readonly load: { readonly clients: number; readonly expected: number } | undefined;
    readonly clients: number;
    readonly tombstones: number;
    /** Clients that nobody speaks for, by how they are shown. */
    readonly orphans: { readonly waiting: number; readonly unhealthy: number; readonly answering: number };
    /** Of these, what this member published in its earlier life. */
    readonly unconfirmed: number;
    /** Clients of lost members whose removal is held back. */
    readonly removalsHeld: number;
  };
  /** Since the start. */
  readonly links: { readonly opened: number; readonly failed: number; readonly malformed: number };
  readonly findings: readonly { readonly code: string; readonly severity: string; readonly count: number }[];
}

/** One other member, by its address. What is undefined is not known. */
export interface ClusterPeerCounts {
  readonly peer: string;
  readonly state: string;
  /** Its answers come; its probes come. */
  readonly hears: { readonly out: boolean; readonly in: boolean };
  readonly clockOffsetSeconds: number | undefined;
  readonly roundTripSeconds: number | undefined;
  readonly lagSeconds: number;
  readonly pending: number;
  readonly inFlight: number;
  /** Times that changes that waited for it were dropped at their bound. */
  readonly overflows: number;
  readonly equalSeconds: number | undefined;
  readonly differsSeconds: number;
  readonly differingClients: number;
  /** Clients whose writes this member makes in its place because it can not be reached. */
  readonly forwardingFailed: number;
  /** Of the links that stand. */
  readonly link: {
    readonly bytesIn: number;
    readonly bytesOut: number;
    readonly queuedBytes: number;
    readonly messagesDropped: number;
    readonly callsInFlight: number;
    readonly callsAnswered: number;
    readonly callsServed: number;
  };
}

/** The group of voters as one member knows it. */
export interface RaftMetrics {
  readonly role: string;
  readonly term: number;
  readonly epoch: number;
  readonly hasLeader: boolean;
  readonly voters: number;
  readonly learners: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly firstIndex: number;
  /** What a leader knows of the others. */
  readonly followers: readonly {
    readonly peer: string;
    readonly lag: number;
    readonly heardSeconds: number;
    /** While it is sent a snapshot. */
    readonly snapshotRatio: number | undefined;
  }[];
  /** Since the start. */
  readonly proposals: Readonly<Record<string, number>>;
  readonly elections: number;
  readonly leaders: number;
  /** Entries that were no command. */
  readonly passedOver: number;
  readonly syncSeconds: number;
  readonly snapshotIndex: number;
  readonly snapshotAgeSeconds: number | undefined;
  readonly snapshotBytes: number | undefined;
  readonly logBytes: number;
  readonly isWhole: boolean;
}

export interface ExceptionCount {
  readonly module: string;
  readonly name: string;
  readonly count: number;
}

export interface ProcessCounts {
  /** Shares from 0 to 1 since the last reading; -1 when they are not known. */
  readonly systemCpu: number;
  readonly processCpu: number;
  readonly loadAverage1m: number;
  readonly uptimeSeconds: number;
  readonly heapUsedBytes: number;
  readonly heapMaxBytes: number;
  readonly externalBytes: number;
  readonly residentBytes: number;
  readonly gc: readonly {
    readonly kind: string;
    readonly count: number;
    readonly sumSeconds: number;
    readonly maxSeconds: number;
  }[];
  /** How late the event loop was since the last reading. */
  readonly loopLagSeconds: { readonly mean: number; readonly p50: number; readonly p99: number; readonly max: number };
}
