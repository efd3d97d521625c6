import { type Bench, type Cell, round, type Scale, say, type Table } from "../lib/bench.ts";
import { GrpcConnection } from "../lib/grpc-connection.ts";
import {
  configContent,
  type Operation,
  READ_CONFIGS,
  READ_INSTANCES,
  READ_SERVICES,
  readId,
  readServiceBatch,
} from "../lib/operations.ts";
import { Remote } from "../lib/remote.ts";
import { ServerProcess } from "../lib/server-process.ts";
import type { Measured, Open, Phase } from "../load/rates.ts";

const CONNECTIONS = [1, 50, 500] as const;
/** Registrations of all connections together, so that a phase ends before its instances fill the memory. */
const REGISTERED_MAX = 50_000;
/** A generator that is busy for more of its time than this could not have asked for more. */
const SATURATED = 0.9;

type Protocol = Open["protocol"];

/** What is called, in this order, and what has to be there before. */
interface Calls {
  readonly operations: readonly Operation[];
  prepare(server: ServerProcess): Promise<void>;
}

const NAMING: Record<Protocol, Calls> = {
  grpc: { operations: ["register", "deregister", "query", "subscribe"], prepare: publishServices },
  http: { operations: ["register", "beat", "deregister", "query", "subscribe"], prepare: publishServices },
};

const CONFIG: Record<Protocol, Calls> = {
  grpc: { operations: ["publish", "read 1 kB", "read 100 kB"], prepare: publishConfigs },
  http: {
    operations: ["publish", "read 1 kB", "read 100 kB", "v3 read 1 kB", "v3 read 100 kB"],
    prepare: publishConfigs,
  },
};

async function publishServices(server: ServerProcess): Promise<void> {
  const publisher = await GrpcConnection.open(server.grpcPort);
  for (let n = 0; n < READ_SERVICES; n++) await publisher.ask(readServiceBatch(n));
  // Stays open: what it published lives as long as its connection.
}

async function publishConfigs(server: ServerProcess): Promise<void> {
  for (let n = 0; n < READ_CONFIGS; n++)
    for (const [operation, bytes] of [
      ["read 1 kB", 1_000],
      ["read 100 kB", 100_000],
    ] as const) {
      const body = new URLSearchParams({
        dataId: readId(operation, 0, n),
        group: "DEFAULT_GROUP",
        content: configContent(bytes, 0, n),
      });
      const answer = await fetch(`http://127.0.0.1:${server.httpPort}/nacos/v1/cs/configs`, { method: "POST", body });
      if (!answer.ok) throw new Error(`a configuration was refused: ${await answer.text()}`);
    }
}

function bench(protocol: Protocol, title: string): Bench {
  return {
    name: protocol,
    title,
    method:
      "A server process and one generator process on the loopback; each connection makes one call after the other. " +
      "`register` publishes a new instance with every call and `deregister` takes it back; `query` and `subscribe` go " +
      `over ${READ_SERVICES} services of ${READ_INSTANCES} instances, and a subscription includes the push that follows ` +
      "it and its acknowledgement. CPU seconds are user and system time of all threads of the server process, as it " +
      "reports them itself.",
    run: (scale) => run(protocol, NAMING[protocol], scale),
  };
}

function configBench(protocol: Protocol, title: string): Bench {
  return {
    name: `config-${protocol}`,
    title,
    method:
      "As above. `publish` writes 1 kB that differs from what was there, and is answered when it is durable; each " +
      `connection goes through a hundred configurations of its own. Reads go over ${READ_CONFIGS} configurations of ` +
      "each size. `read` over HTTP is v1, `v3 read` the client API of v3.",
    run: (scale) => run(protocol, CONFIG[protocol], scale),
  };
}

export const grpcRates: Bench = bench("grpc", "Calls over gRPC");
export const httpRates: Bench = bench("http", "Calls over HTTP v1");
export const configGrpcRates: Bench = configBench("grpc", "Configuration over gRPC");
export const configHttpRates: Bench = configBench("http", "Configuration over HTTP");

async function run(protocol: Protocol, { operations, prepare }: Calls, scale: Scale): Promise<Table> {
  const server = await ServerProcess.start();
  const load = Remote.load("rates.ts");
  const rows: Cell[][] = [];
  const remarks: string[] = [];
  try {
    await prepare(server);
    const port = protocol === "grpc" ? server.grpcPort : server.httpPort;
    const maxMs = scale.pick(2000, 400);
    // Code that has not run often is not compiled yet: what is measured is a server that has been up for a while.
    await phases(server, load, operations, { protocol, port, connections: 20 }, scale.pick(1500, 300), () => {});
    for (const connections of CONNECTIONS)
      await phases(
        server,
        load,
        operations,
        { protocol, port, connections },
        maxMs,
        (operation, measured, serverCpuMs) => {
          const { calls, tookMs, p50Ms, p99Ms, failed, cpuMs } = measured;
          const busy = serverCpuMs / tookMs;
          rows.push([
            operation,
            connections,
            Math.round((calls / tookMs) * 1000),
            Math.round((calls / serverCpuMs) * 1000),
            `${Math.round(busy * 100)} %`,
            round(p50Ms, 2),
            round(p99Ms, 2),
          ]);
          const where = `${operation} with ${connections} connections`;
          say(
            `  ${protocol} ${where}: ${rows.at(-1)?.slice(2).join("  ")}, generator ${Math.round((cpuMs / tookMs) * 100)} %`,
          );
          if (failed > 0) remarks.push(`${where}: ${failed} of ${calls} calls failed.`);
          if (cpuMs / tookMs > SATURATED && busy < SATURATED)
            remarks.push(
              `${where}: the generator was busy all the time, so that calls/s are its limit; calls/CPU s are not.`,
            );
        },
      );
  } finally {
    await load.end();
    await server.stop();
  }
  return {
    columns: ["operation", "connections", "calls/s", "calls/CPU s", "server CPU", "p50 ms", "p99 ms"],
    rows,
    remarks,
  };
}

async function phases(
  server: ServerProcess,
  load: Remote,
  operations: readonly Operation[],
  open: Open,
  maxMs: number,
  report: (operation: Operation, measured: Measured, serverCpuMs: number) => void,
): Promise<void> {
  await load.call("open", open);
  const registeredMax = Math.floor(REGISTERED_MAX / open.connections);
  for (const operation of operations) {
    const limits: Partial<Record<Operation, Omit<Phase, "operation">>> = {
      register: { maxMs, callsMax: registeredMax },
      beat: { maxMs, callsMax: 0, asRegistered: true },
      // Whatever was registered goes, so that every run begins alike.
      deregister: { maxMs: maxMs * 4, callsMax: 0, asRegistered: true },
      subscribe: { maxMs, callsMax: READ_SERVICES },
    };
    const before = await server.cpuMs();
    const measured = await load.call<Measured>("run", {
      operation,
      ...(limits[operation] ?? { maxMs, callsMax: Number.MAX_SAFE_INTEGER }),
    });
    report(operation, measured, (await server.cpuMs()) - before);
  }
  await load.call("close");
}
