/** Load generator: publishes at one member, listens at others, and reads what changed as SDKs do, all on one clock. */
import { acknowledge, GrpcConnection, headText, message } from "../lib/grpc-connection.ts";
import { configJson, publishRequest } from "../lib/operations.ts";
import { answer } from "../lib/remote.ts";

export interface SpreadSetup {
  /** gRPC port of the member where everything is published. */
  readonly publisher: number;
  /** gRPC ports of members with a listener for each configuration; one row of figures each. */
  readonly listeners: readonly number[];
  readonly configs: number;
}

export interface SpreadMeasured {
  /** Milliseconds from just before each publish until a listener holds its content, by listeners' ports, sorted. */
  readonly tookMs: readonly Float64Array[];
  /** Publishes that failed. */
  readonly failed: number;
  /** Contents that never came. */
  readonly missing: number;
}

let publisher: GrpcConnection | undefined;
let configs = 0;
let listeners = 0;
/** When the newest content of each configuration was sent, and its number. */
let sent: { at: number; n: number }[] = [];
let tookMs: number[][] = [];
let failed = 0;
/** In all runs: contents have numbers that grow. */
let published = 0;

answer({
  open: async (setup: SpreadSetup) => {
    configs = setup.configs;
    listeners = setup.listeners.length;
    publisher = await GrpcConnection.open(setup.publisher);
    sent = Array.from({ length: configs }, () => ({ at: 0, n: -1 }));
    for (let c = 0; c < configs; c++) await publisher.ask(publishRequest(idOf(c), "n=-1;"));
    for (const [row, port] of setup.listeners.entries()) for (let c = 0; c < configs; c++) await listen(row, port, c);
  },
  run: async ({ perSecond, seconds }: { perSecond: number; seconds: number }): Promise<SpreadMeasured> => {
    tookMs = Array.from({ length: listeners }, () => []);
    failed = 0;
    const first = published;
    const startedAt = performance.now();
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        const due = first + Math.floor(((performance.now() - startedAt) * perSecond) / 1000);
        for (; published < due; published++) publishNext();
        if (published < first + perSecond * seconds) return;
        clearInterval(timer);
        resolve();
      }, 1);
    });
    // For those on their way.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const came = tookMs.reduce((sum, all) => sum + all.length, 0);
    return {
      tookMs: tookMs.map((all) => Float64Array.from(all).sort()),
      failed,
      missing: (published - first - failed) * listeners - came,
    };
  },
});

function publishNext(): void {
  const c = published % configs;
  const n = published;
  sent[c] = { at: performance.now(), n };
  publisher?.call(publishRequest(idOf(c), `n=${n};`), (ok) => {
    if (!ok) failed++;
  });
}

async function listen(row: number, port: number, c: number): Promise<void> {
  const seen = { n: -1 };
  const connection = await GrpcConnection.open(port, (from, payload) => {
    acknowledge(from, payload);
    if (!headText(payload).includes("ConfigChangeNotifyRequest")) return;
    from.call(message("ConfigQueryRequest", `{"headers":{},${configJson(idOf(c))}}`), (_ok, body) => {
      const n = Number(/n=(-?\d+);/.exec(body.toString("latin1"))?.[1] ?? Number.NaN);
      const { at, n: newest } = sent[c] as { at: number; n: number };
      // A configuration changes again only when everybody has had time to be told.
      if (n !== newest || n <= seen.n) return;
      seen.n = n;
      tookMs[row]?.push(performance.now() - at);
    });
  });
  const context = `{${configJson(idOf(c))},"md5":""}`;
  await connection.ask(
    message("ConfigBatchListenRequest", `{"headers":{},"listen":true,"configListenContexts":[${context}]}`),
  );
}

function idOf(c: number): string {
  return `spread-${c}`;
}
