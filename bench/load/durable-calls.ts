/** Load generator: connections to several members change or read durable data, each with one call after the other. */
import { createHistogram } from "node:perf_hooks";
import { GrpcConnection, message } from "../lib/grpc-connection.ts";
import { HttpConnection } from "../lib/http-connection.ts";
import { configContent, publishRequest, serviceJson } from "../lib/operations.ts";
import { answer } from "../lib/remote.ts";

/** Publishes and persistent instances go over gRPC, reads over HTTP. */
export type DurableCall = "publish" | "persist" | "local read" | "linearizable read";

export interface OpenDurable {
  readonly protocol: "grpc" | "http";
  /** Main ports; connection `c` is to one of them in turn. */
  readonly ports: readonly number[];
  readonly connections: number;
}

export interface DurablePhase {
  readonly what: DurableCall;
  readonly maxMs: number;
  /** Of all connections together, each as many. */
  readonly callsMax: number;
  /** What each connection changes or reads, in turn. */
  readonly keys: number;
  readonly contentBytes?: number;
}

export interface DurableMeasured {
  readonly calls: number;
  readonly failed: number;
  readonly tookMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

type Done = (ok: boolean) => void;
type Caller = { call(phase: DurablePhase, c: number, n: number, done: Done): void; close(): void };

let callers: Caller[] = [];
let made = 0;

answer({
  open: async ({ protocol, ports, connections }: OpenDurable) => {
    for (const caller of callers) caller.close();
    callers = [];
    for (let c = 0; c < connections; c++) {
      const port = ports[c % ports.length] as number;
      callers.push(await (protocol === "grpc" ? overGrpc(port) : overHttp(port)));
    }
  },
  run,
  /** Calls of the phase that runs. */
  made: () => made,
});

async function run(phase: DurablePhase): Promise<DurableMeasured> {
  const latency = createHistogram();
  const startedAt = performance.now();
  let failed = 0;
  const each = phase.callsMax / callers.length;
  made = 0;
  await Promise.all(
    callers.map(
      (caller, c) =>
        new Promise<void>((resolve) => {
          let n = 0;
          const next = (): void => {
            if (n >= each || performance.now() - startedAt >= phase.maxMs) return resolve();
            const sentAt = performance.now();
            caller.call(phase, c, n++, (ok) => {
              latency.record(Math.max(1, Math.round((performance.now() - sentAt) * 1000)));
              made++;
              if (ok) next();
              else {
                failed++;
                // Who fails at once is not to fail as fast as it can.
                setTimeout(next, 10);
              }
            });
          };
          next();
        }),
    ),
  );
  return {
    calls: made,
    failed,
    tookMs: performance.now() - startedAt,
    p50Ms: latency.percentile(50) / 1000,
    p99Ms: latency.percentile(99) / 1000,
    longestMs: latency.max / 1000,
  };
}

async function overGrpc(port: number): Promise<Caller> {
  const connection = await GrpcConnection.open(port + 1000);
  return {
    call: ({ what, keys, contentBytes = 100 }, c, n, done) => {
      const key = `${c}-${n % keys}`;
      const payload =
        what === "persist" ? persistRequest(c, n % keys, n) : publishRequest(key, configContent(contentBytes, c, n));
      connection.call(payload, done);
    },
    close: () => connection.close(),
  };
}

async function overHttp(port: number): Promise<Caller> {
  const connection = await HttpConnection.open(port);
  return {
    call: ({ what, keys }, c, n, done) => {
      const mark = what === "linearizable read" ? "&consistency=linearizable" : "";
      const target = `/nacos/v3/admin/cs/config?dataId=${c}-${n % keys}&groupName=DEFAULT_GROUP${mark}`;
      connection.call("GET", target, done);
    },
    close: () => connection.close(),
  };
}

/** An instance that is there already gets other metadata. */
function persistRequest(c: number, key: number, n: number): Uint8Array {
  const instance =
    `{"instanceId":"","ip":"127.1.${c}.${key % 250}","port":${1 + Math.floor(key / 250)},"weight":1.0,"healthy":true,` +
    `"enabled":true,"ephemeral":false,"clusterName":"DEFAULT","serviceName":"","metadata":{"n":"${n}"}}`;
  const body = `{"headers":{},${serviceJson(`durable-${c}`)},"type":"registerInstance","instance":${instance}}`;
  return message("PersistentInstanceRequest", body);
}
