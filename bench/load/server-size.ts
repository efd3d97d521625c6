/** Load generator of one server of a known size: fills it, then makes calls all over what is in it. */
import { GrpcConnection } from "../lib/grpc-connection.ts";
import { HttpConnection } from "../lib/http-connection.ts";
import { answer } from "../lib/remote.ts";
import {
  FILLED_EACH,
  fillBatch,
  filledName,
  grpcCall,
  httpCall,
  readName,
  type SizedOperation,
  type Wire,
} from "../lib/sized-operations.ts";

export interface Open {
  readonly grpcPort: number;
  readonly httpPort: number;
}

export interface Round {
  readonly wire: Wire;
  readonly operation: SizedOperation;
  /** Rounds of one number visit the same services: what one operation registers, the next ones find. */
  readonly number: number;
  readonly calls: number;
}

/** Connections that fill a server, and as many again of each wire that make the calls: one call after the other each. */
const CONNECTIONS = 8;
/** Of so many registrations one is into a service that is not there yet. */
const NEW_EVERY = 5;
/** Visits all services in leaps; a prime, so that no number of services shares a factor with it. */
const LEAP = 104_729;

const fillers: GrpcConnection[] = [];
const callers: Record<Wire, Caller[]> = { grpc: [], http: [] };
let services = 0;

type Caller = (operation: SizedOperation, at: number, service: string, done: (ok: boolean) => void) => void;

answer({ open, fill, run });

async function open({ grpcPort, httpPort }: Open): Promise<void> {
  for (let c = 0; c < CONNECTIONS; c++) {
    fillers.push(await GrpcConnection.open(grpcPort));
    const grpc = await GrpcConnection.open(grpcPort);
    callers.grpc.push((operation, at, service, done) => grpc.call(grpcCall(operation, at, service), done));
    const http = await HttpConnection.open(httpPort);
    callers.http.push((operation, at, service, done) => http.call(...httpCall(operation, at, service), done));
  }
}

/** @returns calls that failed. */
async function fill(instances: number): Promise<number> {
  services = instances / FILLED_EACH;
  return each(fillers, services, (connection, n, done) => connection.call(fillBatch(n), done));
}

/** @returns calls that failed. */
function run({ wire, operation, number, calls }: Round): Promise<number> {
  return each(callers[wire], calls, (call, n, done) => {
    const at = number * calls + n;
    call(operation, at, serviceOf(operation, at, n), done);
  });
}

function serviceOf(operation: SizedOperation, at: number, n: number): string {
  if (operation === "query the same") return readName(services, n);
  if (operation !== "query" && n % NEW_EVERY === 0) return `new-${at}`;
  return filledName((at * LEAP) % services);
}

/** Shares `calls` out among the connections; each takes the next when its last one is answered. */
async function each<T>(
  connections: readonly T[],
  calls: number,
  call: (connection: T, n: number, done: (ok: boolean) => void) => void,
): Promise<number> {
  let failed = 0;
  const worker = (connection: T, first: number): Promise<void> =>
    new Promise((resolve) => {
      const next = (n: number): void => {
        if (n >= calls) return resolve();
        call(connection, n, (ok) => {
          if (!ok) failed++;
          next(n + connections.length);
        });
      };
      next(first);
    });
  await Promise.all(connections.map(worker));
  return failed;
}
