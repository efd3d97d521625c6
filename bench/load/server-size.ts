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

type Done = (ok: boolean, body: Buffer) => void;
type Caller = (operation: SizedOperation, at: number, service: string, done: Done) => void;

const fillers: GrpcConnection[] = [];
const callers: Partial<Record<Wire, readonly Caller[]>> = {};
let ports: Open = { grpcPort: 0, httpPort: 0 };
let services = 0;

answer({ open, fill, run });

async function open(given: Open): Promise<void> {
  ports = given;
  for (let c = 0; c < CONNECTIONS; c++) fillers.push(await GrpcConnection.open(ports.grpcPort));
}

function fill(instances: number): Promise<void> {
  services = instances / FILLED_EACH;
  return each(fillers, services, (connection, n, done) => connection.call(fillBatch(n), done));
}

async function run({ wire, operation, number, calls }: Round): Promise<void> {
  // Only now: a server ends HTTP connections on which nothing comes while other servers are filled.
  callers[wire] ??= await Promise.all(Array.from({ length: CONNECTIONS }, wire === "grpc" ? overGrpc : overHttp));
  await each(callers[wire], calls, (call, n, done) => {
    const at = number * calls + n;
    call(operation, at, serviceOf(operation, at, n), done);
  });
}

async function overGrpc(): Promise<Caller> {
  const connection = await GrpcConnection.open(ports.grpcPort);
  return (operation, at, service, done) => connection.call(grpcCall(operation, at, service), done);
}

async function overHttp(): Promise<Caller> {
  const connection = await HttpConnection.open(ports.httpPort);
  return (operation, at, service, done) => connection.call(...httpCall(operation, at, service), done);
}

function serviceOf(operation: SizedOperation, at: number, n: number): string {
  if (operation === "query the same") return readName(services, n);
  if (operation !== "query" && n % NEW_EVERY === 0) return `new-${at}`;
  return filledName((at * LEAP) % services);
}

/**
 * Shares `calls` out among the connections; each takes the next when its last one is answered. The first refusal ends it:
 * a server that is over a limit answers late on purpose, and would be measured doing nothing.
 */
async function each<T>(
  connections: readonly T[],
  calls: number,
  call: (connection: T, n: number, done: Done) => void,
): Promise<void> {
  const worker = (connection: T, first: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const next = (n: number): void => {
        if (n >= calls) return resolve();
        call(connection, n, (ok, body) => {
          if (!ok) return reject(new Error(`call ${n} failed: ${body.toString("latin1")}`));
          next(n + connections.length);
        });
      };
      next(first);
    });
  await Promise.all(connections.map(worker));
}
