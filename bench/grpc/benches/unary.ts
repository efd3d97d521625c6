import { newAuthority } from "@nacre/testkit/certificates";
import { percentile, type Scale } from "../../lib/bench.ts";
import type { Figure, GrpcBench, Sample } from "../lib/bench.ts";
import { check } from "../lib/check.ts";
import { EchoServer, type Subject } from "../lib/echo-server.ts";
import { type H2LoadRun, h2load, Unsettled } from "../lib/h2load.ts";
import { type Steady, steady } from "../lib/steady.ts";

const MESSAGE = Buffer.alloc(400, 0x61);
const ANSWER_BYTES = MESSAGE.length + 5;
const LOADS = [
  { connections: 1, streams: 1, methods: ["Unary"] },
  { connections: 10, streams: 10, methods: ["Unary"] },
  { connections: 10, streams: 10, methods: ["Unary", "Other"] },
  { connections: 50, streams: 1, methods: ["Unary"] },
  { connections: 500, streams: 1, methods: ["Unary"] },
];
/** Headers are the same with TLS. */
const TLS_LOADS = LOADS.filter(({ methods }) => methods.length === 1);
const SETTLE_MS = 500;
const SETTLE_MAX_MS = 10_000;
/** How long a server usually needs to take a connection in, at most. */
const CONNECT_MS = { plain: 1, tls: 3 };
/** The load must not end before the second reading. */
const OVERHANG_MS = 300;

const FIGURES: readonly Figure[] = [
  { name: "Calls per second", digits: 0 },
  { name: "Calls per CPU second of the server", digits: 0 },
  { name: "p50, milliseconds", digits: 2 },
  { name: "p99, milliseconds", digits: 2 },
  { name: "p99.9, milliseconds", digits: 2 },
];

const METHOD =
  "h2load calls `/bench.Echo/Unary` with 400 bytes, which the server sends back, over so many connections with so many " +
  "calls at the same time on each (connections x streams). All calls of a connection have the same headers, which a " +
  "server may make use of; with two methods, no call has those of the call before it. Rates are those between two " +
  "readings of the server, on its own clock, while the load runs; CPU seconds are user and system time of all its " +
  "threads. Latencies are those of the calls between the two readings. Each round has new server processes, which are " +
  "warmed up first; a client of grpc-js checks answers and statuses before and after.";

export const unary: GrpcBench = {
  name: "unary",
  title: "Unary calls",
  method: METHOD,
  figures: FIGURES,
  rounds: (scale) => scale.pick(3, 1),
  measure: (subject, scale) => measure(subject, scale, false),
};

export const tls: GrpcBench = {
  name: "tls",
  title: "Unary calls over TLS",
  method: "As above, over TLS 1.3 with a P-256 certificate and the cipher that both sides agree on.",
  figures: FIGURES,
  rounds: (scale) => scale.pick(2, 1),
  measure: (subject, scale) => measure(subject, scale, true),
};

async function measure(subject: Subject, scale: Scale, encrypted: boolean): Promise<Sample[]> {
  const authority = encrypted ? newAuthority() : undefined;
  const server = await EchoServer.start(subject, authority?.issue("bench"));
  const url = `${encrypted ? "https" : "http"}://127.0.0.1:${server.port}/bench.Echo`;
  const samples: Sample[] = [];
  try {
    await check(server.port, authority?.cert);
    await h2load({
      urls: [`${url}/Unary`],
      connections: 10,
      streams: 10,
      durationMs: scale.pick(2500, 300),
      message: MESSAGE,
    });
    for (const { connections, streams, methods } of encrypted ? TLS_LOADS : LOADS) {
      const load = { connections, streams, urls: methods.map((method) => `${url}/${method}`) };
      const settleMs = SETTLE_MS + connections * (encrypted ? CONNECT_MS.tls : CONNECT_MS.plain);
      const values = await patiently(settleMs, (ms) => measureLoad(server, load, ms, scale.pick(1500, 500)));
      const name = `${connections} x ${streams}${methods.length > 1 ? ", two methods" : ""}`;
      samples.push({ load: name, values });
    }
    await check(server.port, authority?.cert);
    return samples;
  } finally {
    await server.end();
  }
}

/** Tries again with more time to connect when a machine is too busy for what is given first. */
async function patiently<T>(settleMs: number, attempt: (settleMs: number) => Promise<T>): Promise<T> {
  for (let waitMs = settleMs; ; waitMs *= 2) {
    try {
      return await attempt(waitMs);
    } catch (thrown) {
      if (!(thrown instanceof Unsettled) || waitMs > SETTLE_MAX_MS) throw thrown;
    }
  }
}

async function measureLoad(
  server: EchoServer,
  load: Pick<H2LoadRun, "urls" | "connections" | "streams">,
  settleMs: number,
  windowMs: number,
): Promise<Record<string, number>> {
  const durationMs = settleMs + windowMs + OVERHANG_MS;
  const [latencies, rates] = await Promise.all([
    checkedLoad({ ...load, durationMs, message: MESSAGE }),
    steady(server, settleMs, windowMs),
  ]);
  return { ...rateValues(rates), ...latencies(rates) };
}

/** @returns the latencies in a window. */
async function checkedLoad(given: H2LoadRun): Promise<(window: Steady) => Record<string, number>> {
  const { calls, dataBytes } = await h2load(given);
  const answers = dataBytes / ANSWER_BYTES;
  const running = given.connections * given.streams;
  if (!(Math.abs(answers - calls.length) <= running)) {
    throw new Error(`h2load counts ${calls.length} calls, but bytes for ${answers} answers`);
  }
  return ({ from, to }) => {
    const within = calls.filter(({ atUs, tookUs }) => atUs >= from.atUs && atUs + tookUs <= to.atUs);
    const sorted = Float64Array.from(within, ({ tookUs }) => tookUs).sort();
    return {
      "p50, milliseconds": percentile(sorted, 0.5) / 1000,
      "p99, milliseconds": percentile(sorted, 0.99) / 1000,
      "p99.9, milliseconds": percentile(sorted, 0.999) / 1000,
    };
  };
}

function rateValues({ callsPerSecond, callsPerCpuSecond }: Steady): Record<string, number> {
  return { "Calls per second": callsPerSecond, "Calls per CPU second of the server": callsPerCpuSecond };
}
