/** Load generator: changes instances at a steady rate, over one connection or several that take turns. */
import { GrpcConnection, message } from "../lib/grpc-connection.ts";
import { instanceJson, serviceJson } from "../lib/operations.ts";
import { answer } from "../lib/remote.ts";

export interface Change {
  readonly services: readonly string[];
  readonly perSecond: number;
  readonly count: number;
  /** Number of the first change: one that was sent before would change nothing. */
  readonly first: number;
}

export interface Changed {
  /** Epoch milliseconds with fractions at which each change was sent; change `first + n` was of service `n % services`. */
  readonly sentAt: Float64Array;
  readonly failed: number;
}

let connections: readonly GrpcConnection[] = [];

answer({
  open: async (port: number) => {
    connections = [await GrpcConnection.open(port)];
  },
  /** With as many connections as services, each service has a client of its own. */
  openMany: async ({ port, count }: { port: number; count: number }) => {
    connections = await Promise.all(Array.from({ length: count }, () => GrpcConnection.open(port)));
  },
  change,
});

/** `change` stands in the metadata. */
function registration(service: string, change: number): Uint8Array {
  const instance = instanceJson("10.50.0.1", 8080, `{"zone":"a","change":"${change}"}`);
  return message(
    "InstanceRequest",
    `{"headers":{},${serviceJson(service)},"type":"registerInstance","instance":${instance}}`,
  );
}

/** Sends what is due each millisecond: a timer for each change could not keep a rate of a thousand a second. */
function change({ services, perSecond, count, first }: Change): Promise<Changed> {
  const sentAt = new Float64Array(count);
  const startedAt = performance.now();
  let sent = 0;
  let settled = 0;
  let failed = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(count, Math.floor(((performance.now() - startedAt) * perSecond) / 1000));
      for (; sent < due; sent++) {
        const payload = registration(services[sent % services.length] as string, first + sent);
        sentAt[sent] = performance.timeOrigin + performance.now();
        connections[sent % connections.length]?.call(payload, (ok) => {
          if (!ok) failed++;
          settled++;
          if (settled === count) resolve({ sentAt, failed });
        });
      }
      if (sent === count) clearInterval(timer);
    }, 1);
  });
}
