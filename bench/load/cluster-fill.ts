/** Load generator: fills members with clients that then stay. */
import { GrpcConnection } from "../lib/grpc-connection.ts";
import { HttpConnection } from "../lib/http-connection.ts";
import { batch, instanceJson, named } from "../lib/operations.ts";
import { answer } from "../lib/remote.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
}

export interface FillConnections {
  /** gRPC ports of members, in turns. */
  readonly targets: readonly Target[];
  readonly connections: number;
  /** Services of each connection, with so many instances each. */
  readonly services: number;
  readonly instances: number;
}

export interface FillAddresses {
  /** Main ports of members, in turns. */
  readonly targets: readonly Target[];
  /** Number of the first of these clients. */
  readonly first: number;
  readonly count: number;
  readonly maxMs: number;
}

/** HTTP connections to each member. */
const HTTP_EACH = 16;
/** Clients by address that share a service. */
const PER_SERVICE = 10;
/** Nobody beats: they have to stay for as long as anything is measured. */
const HOURS_MS = 10 * 3_600_000;
const METADATA = JSON.stringify({
  "preserved.heart.beat.timeout": String(HOURS_MS),
  "preserved.ip.delete.timeout": String(HOURS_MS),
});

const connections: GrpcConnection[] = [];

answer({ connections: fillConnections, addresses });

async function fillConnections({ targets, connections: count, services, instances }: FillConnections): Promise<void> {
  const open = async (n: number): Promise<void> => {
    const { host, port } = targets[n % targets.length] as Target;
    const connection = await GrpcConnection.open(port, undefined, host);
    connections.push(connection);
    for (let s = 0; s < services; s++) {
      const published = Array.from({ length: instances }, (_, at) =>
        instanceJson(`10.${n >> 8}.${n & 255}.${s}`, 8080 + at),
      );
      const body = await connection.ask(batch(`filled-${n}-${s}`, published));
      if (!body.includes('"resultCode":200')) throw new Error(`a batch was refused: ${body.toString("latin1")}`);
    }
  };
  for (let from = 0; from < count; from += 20)
    await Promise.all(Array.from({ length: Math.min(20, count - from) }, (_, n) => open(from + n)));
}

/** Clients that are known by their address, one instance each. @returns how many were registered in time. */
async function addresses({ targets, first, count, maxMs }: FillAddresses): Promise<number> {
  const until = performance.now() + maxMs;
  let next = first;
  let done = 0;
  const metadata = encodeURIComponent(METADATA);
  async function work(target: Target): Promise<void> {
    const connection = await HttpConnection.open(target.port, target.host);
    while (next < first + count && performance.now() < until) {
      const n = next++;
      const ip = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
      const own = `${named(`addresses-${Math.floor(n / PER_SERVICE)}`)}&ip=${ip}&port=8080&ephemeral=true`;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      connection.call("POST", `/nacos/v1/ns/instance?${own}&metadata=${metadata}`, (ok, body) =>
        ok ? resolve() : reject(new Error(`a registration was refused: ${body.toString("latin1")}`)),
      );
      await promise;
      done++;
    }
    connection.close();
  }
  await Promise.all(targets.flatMap((target) => Array.from({ length: HTTP_EACH }, () => work(target))));
  return done;
}
