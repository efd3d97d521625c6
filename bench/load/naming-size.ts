/** Measures naming at one size, in a process of its own so that no earlier size has left anything behind. */
import {
  type Caller,
  type Event,
  type InstanceInput,
  type NamingState,
  newNaming,
  nextWakeAt,
  step,
  viewOf,
} from "@nacre/core/naming";
import type { ServiceName } from "@nacre/protocol";
import { answer } from "../lib/remote.ts";

export interface Size {
  readonly shape: "addresses" | "batches";
  readonly instances: number;
  /** Calls of each operation that are timed. */
  readonly samples: number;
}

export interface Sized {
  readonly bytesEach: number;
  readonly operations: readonly { readonly name: string; readonly microseconds: number }[];
}

/** Instances of one service. */
const PER_SERVICE = 10;
/** Instances that one connection publishes in a batch: ten services of ten. */
const BATCH = 10;
/** Services that are read again and again: a consumer asks for the few that it calls. */
const READ_AGAIN = 500;
const START = Date.UTC(2026, 0, 1);
const CALLER: Caller = { ip: "10.0.0.1", app: "shop", agent: "Nacos-Java-Client:v2.4.3" };

answer({ measure });

function measure({ shape, instances, samples }: Size): Sized {
  // Everything that is timed has run before, on a state of its own, so that what is compared is compiled alike.
  const warm = newState();
  fill(warm, shape, 20_000);
  operations(warm, shape, 20_000, 20_000);

  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  const state = newState();
  fill(state, shape, instances);
  globalThis.gc?.();
  const bytesEach = (process.memoryUsage().heapUsed - before) / instances;
  return { bytesEach, operations: operations(state, shape, instances, samples) };
}

function newState(): NamingState {
  return newNaming({ servicesMax: 10_000_000, instancesMax: 10_000_000 }, 1, 0);
}

const now = START;

function send(state: NamingState, event: Event): void {
  // What the shell asks after every event.
  step(state, event, now);
  nextWakeAt(state);
}

function fill(state: NamingState, shape: Size["shape"], instances: number): void {
  if (shape === "addresses") for (let n = 0; n < instances; n++) register(state, n);
  else for (let n = 0; n < instances; n += BATCH) publish(state, n / BATCH, 0);
}

function service(n: number): ServiceName {
  return { namespace: "public", group: "DEFAULT_GROUP", name: `service-${n}` };
}

function instance(n: number, weight: number): InstanceInput {
  return {
    ip: `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`,
    port: 8080,
    weight,
    healthy: true,
    enabled: true,
    clusterName: "DEFAULT",
    metadata: { zone: "a", version: "1.2.3" },
    instanceId: "",
  };
}

/** Instance `n` by itself, as a 1.x client registers it. */
function register(state: NamingState, n: number): void {
  send(state, {
    type: "publishAddress",
    service: service(Math.floor(n / PER_SERVICE)),
    instance: instance(n, 1),
    caller: CALLER,
  });
}

/** Batch `b`, of one connection and into one service, as gateways and sidecars register what is behind them. */
function publish(state: NamingState, b: number, change: number): void {
  const clientId = `connection-${Math.floor(b / BATCH)}`;
  if (!state.clients.has(clientId))
    send(state, { type: "connected", clientId, ip: "10.0.0.1", port: 1, caller: CALLER });
  const instances = Array.from({ length: BATCH }, (_, at) => instance(b * BATCH + at, 1 + (at === 0 ? change : 0)));
  send(state, { type: "publish", clientId, service: service(b), instances, caller: CALLER });
}

/** Visits all of the state in leaps, so that nothing is near what was touched before. */
const LEAP = 7919;

function operations(state: NamingState, shape: Size["shape"], instances: number, samples: number) {
  const count = Math.min(samples, instances / 2);
  const units = shape === "addresses" ? instances : instances / BATCH;
  const timed = shape === "addresses" ? addressOperations(state, instances) : batchOperations(state, instances / BATCH);
  return Object.entries(timed).map(([name, run]) => {
    const calls = Math.min(count, units / 2);
    if (name === "query again") for (let n = 0; n < READ_AGAIN; n++) query(state, n);
    globalThis.gc?.();
    const startedAt = performance.now();
    for (let n = 0; n < calls; n++) run((n * LEAP) % units, n);
    return { name, microseconds: ((performance.now() - startedAt) * 1000) / calls };
  });
}

type Timed = Record<string, (n: number, count: number) => void>;

function addressOperations(state: NamingState, instances: number): Timed {
  return {
    "register the same again": (n) => register(state, n),
    beat: (n) => {
      const { ip, port } = instance(n, 1);
      send(state, {
        type: "beat",
        service: service(Math.floor(n / PER_SERVICE)),
        ip,
        port,
        instance: undefined,
        caller: CALLER,
      });
    },
    "query after a change": (n) => {
      send(state, {
        type: "publishAddress",
        service: service(Math.floor(n / PER_SERVICE)),
        instance: instance(n, 2),
        caller: CALLER,
      });
      query(state, Math.floor(n / PER_SERVICE));
    },
    "query again": (_n, count) => query(state, count % READ_AGAIN),
    "register a new one": (_n, count) => register(state, instances + count),
    deregister: (n) => {
      const { ip, port } = instance(n, 1);
      send(state, { type: "withdrawAddress", service: service(Math.floor(n / PER_SERVICE)), ip, port, caller: CALLER });
    },
  };
}

function batchOperations(state: NamingState, batches: number): Timed {
  return {
    "register the same again": (n) => publish(state, n, 0),
    "query after a change": (n) => {
      publish(state, n, 1);
      query(state, n);
    },
    "register a new one": (_n, count) => publish(state, batches + count, 0),
    deregister: (n) =>
      send(state, {
        type: "withdraw",
        clientId: `connection-${Math.floor(n / BATCH)}`,
        service: service(n),
        caller: CALLER,
      }),
  };
}

function query(state: NamingState, n: number): void {
  viewOf(state, service(n), { clusters: "", healthyOnly: false, consumerIp: undefined }, now);
}
