/** Load generator: every connection makes one call after the other. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createHistogram } from "node:perf_hooks";
import { gunzipSync } from "node:zlib";
import { GrpcConnection } from "../lib/grpc-connection.ts";
import { HttpConnection } from "../lib/http-connection.ts";
import { grpcRequest, httpRequest, type Operation } from "../lib/operations.ts";
import { answer } from "../lib/remote.ts";

export interface Open {
  readonly protocol: "grpc" | "http";
  readonly port: number;
  readonly connections: number;
}

export interface Phase {
  readonly operation: Operation;
  readonly maxMs: number;
  /** Calls of each connection at most. */
  readonly callsMax: number;
  /** Calls of each connection so many as its last `register` phase made. */
  readonly asRegistered?: boolean;
}

export interface Measured {
  readonly calls: number;
  readonly failed: number;
  readonly tookMs: number;
  /** The generator's own. */
  readonly cpuMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

type Done = (ok: boolean) => void;
type Caller = { call(operation: Operation, n: number, done: Done): void; close(): void; registered: number };

let callers: Caller[] = [];

answer({
  open: async ({ protocol, port, connections }: Open) => {
    // A few at a time: hundreds of handshakes at once measure the backlog and nothing else.
    for (let c = 0; c < connections; c += 50)
      callers.push(
        ...(await Promise.all(
          Array.from({ length: Math.min(50, connections - c) }, (_, at) =>
            protocol === "grpc" ? overGrpc(port, c + at) : overHttp(port, c + at),
          ),
        )),
      );
  },
  run,
  close: () => {
    for (const caller of callers) caller.close();
    callers = [];
  },
});

async function run({ operation, maxMs, callsMax, asRegistered = false }: Phase): Promise<Measured> {
  const latency = createHistogram();
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const endsAt = startedAt + maxMs;
  let calls = 0;
  let failed = 0;
  await Promise.all(
    callers.map(
      (caller) =>
        new Promise<void>((resolve) => {
          const max = asRegistered ? caller.registered : callsMax;
          let n = 0;
          const next = (): void => {
            if (n >= max || performance.now() >= endsAt) {
              if (operation === "register") caller.registered = n;
              return resolve();
            }
            const sentAt = performance.now();
            caller.call(operation, n++, (ok) => {
              latency.record(Math.max(1, Math.round((performance.now() - sentAt) * 1000)));
              calls++;
              if (!ok) failed++;
              next();
            });
          };
          next();
        }),
    ),
  );
  const tookMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  const at = (percentile: number): number => latency.percentile(percentile) / 1000;
  return { calls, failed, tookMs, cpuMs: (user + system) / 1000, p50Ms: at(50), p99Ms: at(99) };
}

async function overGrpc(port: number, c: number): Promise<Caller> {
  const connection = await GrpcConnection.open(port);
  return {
    registered: 0,
    call: (operation, n, done) => connection.call(grpcRequest(operation, c, n), done),
    close: () => connection.close(),
  };
}

async function overHttp(port: number, c: number): Promise<Caller> {
  const connection = await HttpConnection.open(port);
  const udp = await udpSubscriber();
  const udpPort = udp.address().port;
  return {
    registered: 0,
    call(operation, n, done) {
      const [method, target] = httpRequest(operation, c, n, udpPort);
      connection.call(method, target, done);
    },
    close() {
      connection.close();
      udp.close();
    },
  };
}

/** Answers pushes as 1.x clients do. */
async function udpSubscriber(): Promise<Socket> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.on("message", (packet, from) => {
    const text = (packet[0] === 0x1f ? gunzipSync(packet) : packet).toString();
    const refTime = /"lastRefTime":"?(\d+)/.exec(text)?.[1] ?? "0";
    socket.send(`{"type":"push-ack","lastRefTime":${refTime},"data":""}`, from.port, from.address);
  });
  return socket;
}
