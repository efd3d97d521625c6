/** Load generator: many subscribers that note when each push arrives. */
import { acknowledge, GrpcConnection, headText, message } from "../lib/grpc-connection.ts";
import { serviceJson } from "../lib/operations.ts";
import { answer } from "../lib/remote.ts";

export interface Subscribe {
  readonly port: number;
  /** The service of each subscriber. */
  readonly services: readonly string[];
  /** Number of the first of these subscribers; default 0. */
  readonly first?: number;
  /** Where the newest change stands in what is pushed: a number after this text. */
  readonly mark: string;
}

/** One entry per push with the mark: which subscriber, the number after the mark, epoch milliseconds with fractions. */
export interface Arrivals {
  readonly subscriber: Int32Array;
  readonly change: Int32Array;
  readonly at: Float64Array;
  /** Every push, with the mark or without. */
  readonly pushes: number;
  /** Of all pushes together. */
  readonly bytes: number;
}

const connections: GrpcConnection[] = [];
let arrived: { subscriber: number[]; change: number[]; at: number[] } = { subscriber: [], change: [], at: [] };
let pushes = 0;
let bytes = 0;
let wanted = 0;
let reached: (() => void) | undefined;

answer({
  subscribe,
  /** Forgets what has arrived. */
  reset: () => {
    arrived = { subscriber: [], change: [], at: [] };
    pushes = 0;
    bytes = 0;
  },
  /** Resolves when so many pushes have arrived since the last reset. */
  untilPushes: (count: number) =>
    new Promise<void>((resolve) => {
      wanted = count;
      reached = resolve;
      check();
    }),
  arrivals: (): Arrivals => ({
    subscriber: Int32Array.from(arrived.subscriber),
    change: Int32Array.from(arrived.change),
    at: Float64Array.from(arrived.at),
    pushes,
    bytes,
  }),
  close: () => {
    for (const connection of connections.splice(0)) connection.close();
  },
});

function check(): void {
  if (pushes < wanted || reached === undefined) return;
  reached();
  reached = undefined;
}

async function subscribe({ port, services, first = 0, mark }: Subscribe): Promise<void> {
  const marked = Buffer.from(mark);
  async function open(service: string, subscriber: number): Promise<void> {
    const connection = await GrpcConnection.open(port, (from, payload) => {
      const at = performance.timeOrigin + performance.now();
      acknowledge(from, payload);
      if (!headText(payload).includes("NotifySubscriberRequest")) return;
      pushes++;
      bytes += payload.length;
      const found = payload.indexOf(marked);
      if (found !== -1) {
        const from = found + marked.length;
        arrived.subscriber.push(subscriber);
        arrived.change.push(Number.parseInt(payload.toString("latin1", from, from + 12), 10));
        arrived.at.push(at);
      }
      check();
    });
    connections.push(connection);
    await connection.ask(
      message("SubscribeServiceRequest", `{"headers":{},${serviceJson(service)},"subscribe":true,"clusters":""}`),
    );
  }
  for (let from = 0; from < services.length; from += 50)
    await Promise.all(services.slice(from, from + 50).map((service, at) => open(service, first + from + at)));
}
