/** Load generator: many listeners that note when each notice arrives. */
import { acknowledge, GrpcConnection, headText, message } from "../lib/grpc-connection.ts";
import { configJson } from "../lib/operations.ts";
import { answer } from "../lib/remote.ts";

export interface Listen {
  readonly port: number;
  readonly count: number;
  /** Connection `n` listens to configuration `n % configs`, named by prefix and number. */
  readonly configs: number;
  readonly prefix: string;
}

export interface Notices {
  /** Epoch milliseconds with fractions. */
  readonly at: Float64Array;
}

const connections: GrpcConnection[] = [];
let at: number[] = [];
let wanted = 0;
let reached: (() => void) | undefined;

answer({
  listen,
  reset: () => {
    at = [];
  },
  untilNotices: (count: number) =>
    new Promise<void>((resolve) => {
      wanted = count;
      reached = resolve;
      check();
    }),
  notices: (): Notices => ({ at: Float64Array.from(at) }),
});

function check(): void {
  if (at.length < wanted || reached === undefined) return;
  reached();
  reached = undefined;
}

async function listen({ port, count, configs, prefix }: Listen): Promise<void> {
  async function open(n: number): Promise<void> {
    const connection = await GrpcConnection.open(port, (from, payload) => {
      const now = performance.timeOrigin + performance.now();
      acknowledge(from, payload);
      if (!headText(payload).includes("ConfigChangeNotifyRequest")) return;
      at.push(now);
      check();
    });
    connections.push(connection);
    const context = `{${configJson(`${prefix}${n % configs}`)},"md5":""}`;
    await connection.ask(
      message("ConfigBatchListenRequest", `{"headers":{},"listen":true,"configListenContexts":[${context}]}`),
    );
  }
  for (let from = 0; from < count; from += 50)
    await Promise.all(Array.from({ length: Math.min(50, count - from) }, (_, n) => open(from + n)));
}
