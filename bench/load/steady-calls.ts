/** Load generator: asks one server for a service at a steady rate, however long answers take. */
import { GrpcConnection, message } from "../lib/grpc-connection.ts";
import { serviceJson } from "../lib/operations.ts";
import { answer } from "../lib/remote.ts";

export interface Calls {
  /** Milliseconds of each call that was answered, from when it was due, sorted. */
  readonly tookMs: Float64Array;
  readonly failed: number;
  /** Not answered yet. */
  readonly open: number;
}

let connection: GrpcConnection | undefined;
let timer: NodeJS.Timeout | undefined;
let tookMs: number[] = [];
let failed = 0;
let sent = 0;

answer({
  open: async (port: number) => {
    connection = await GrpcConnection.open(port);
  },
  start: ({ service, perSecond }: { service: string; perSecond: number }) => {
    const body = `{"headers":{},${serviceJson(service)},"cluster":"","healthyOnly":false,"udpPort":0}`;
    const payload = message("ServiceQueryRequest", body);
    const startedAt = performance.now();
    [tookMs, failed, sent] = [[], 0, 0];
    timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1000);
      for (; sent < due; sent++) {
        // What had to wait for this process counts as well: it is as if the answer was late.
        const dueAt = startedAt + ((sent + 1) * 1000) / perSecond;
        connection?.call(payload, (ok) => {
          if (ok) tookMs.push(performance.now() - dueAt);
          else failed++;
        });
      }
    }, 1);
  },
  stop: (): Calls => {
    clearInterval(timer);
    return { tookMs: Float64Array.from(tookMs).sort(), failed, open: sent - tookMs.length - failed };
  },
});
