import { type Bench, type Cell, median, mib, round, type Scale, say, type Table } from "../lib/bench.ts";
import { Remote } from "../lib/remote.ts";
import { ServerProcess } from "../lib/server-process.ts";
import { FILLED_EACH, type SizedOperation, type Wire } from "../lib/sized-operations.ts";
import type { Round } from "../load/server-size.ts";

const SIZES: readonly number[] = [10_000, 100_000, 1_000_000];
/** Room for what the calls add to the largest of them. */
const LIMITS: readonly string[] = ["--nacre.naming.instances.max=2000000", "--nacre.naming.services.max=2000000"];
const RATIO_AIM = 1.3;
/** Calls of one operation before it is the next server's turn: few, so that a slow moment of the machine meets all. */
const CALLS = 2000;
/** Rounds before those that count: code that has not run often is not compiled yet. */
const WARM_UP = 4;

const OPERATIONS: Record<Wire, readonly SizedOperation[]> = {
  grpc: ["register", "register again", "query", "query the same", "deregister"],
  http: ["register", "register again", "beat", "query", "query the same", "deregister"],
};
const WIRES: Record<Wire, string> = { grpc: "gRPC", http: "HTTP v1" };

/** One server of a size, and the process that makes its calls. */
interface Sized {
  readonly server: ServerProcess;
  readonly load: Remote;
  readonly rss: number;
  /** Of the process, JavaScript heap and buffers outside of it, over the same process without the instances. */
  readonly bytesEach: number;
}

export const serverSize: Bench = {
  name: "server-size",
  title: "The server by the number of instances",
  method:
    "The whole server process for each size, all at the same time and asked in turns of " +
    `${CALLS.toLocaleString("en-US")} calls by one generator process with eight connections: user and system time of ` +
    "all threads of the server process, divided by the calls, as the median over all turns. `mean of all calls` takes " +
    "every turn of every operation of the wire together: full collections fall into few turns, and only this row shows " +
    "what they cost. Every " +
    `server is filled over gRPC with services of ${FILLED_EACH} instances, one batch each. Calls leap over all services; ` +
    "one registration of five makes a service. What a turn registers is registered again, kept alive and taken back in " +
    "the next ones. `query the same` reads the same thousand services, whatever the size; `query` any service, so that " +
    "a large server has fewer of their lists at hand. Memory is read after full collections, before the first call.",
  async run(scale: Scale): Promise<Table> {
    const sizes = scale.pick(SIZES, SIZES.slice(0, 2));
    const sized: Sized[] = [];
    try {
      for (const instances of sizes) sized.push(await filled(instances));
      return await measured(sizes, sized, scale.pick(30, 3));
    } finally {
      for (const { load, server } of sized) {
        await load.end();
        await server.stop();
      }
    }
  },
};

async function filled(instances: number): Promise<Sized> {
  const server = await ServerProcess.start({ flags: LIMITS });
  const load = Remote.load("server-size.ts");
  const { grpcPort, httpPort } = server;
  await load.call("open", { grpcPort, httpPort });
  const before = await server.memory();
  const startedAt = performance.now();
  await load.call("fill", instances);
  const tookMs = performance.now() - startedAt;
  const { rss, heapUsed, external } = await server.memory();
  const bytesEach = (heapUsed + external - before.heapUsed - before.external) / instances;
  say(`  filled with ${instances.toLocaleString("en-US")} in ${round(tookMs / 1000, 1)} s`);
  return { server, load, rss, bytesEach };
}

async function measured(sizes: readonly number[], sized: readonly Sized[], rounds: number): Promise<Table> {
  const largest = (sizes.at(-1) as number).toLocaleString("en-US");
  const rows: Cell[][] = [];
  const over: string[] = [];
  const remarks: string[] = [];
  const ratioOf = (values: readonly number[]): number => round((values.at(-1) as number) / (values[0] as number), 2);
  rows.push(["resident set", "MiB", ...sized.map(({ rss }) => mib(rss)), ""]);
  const bytes = sized.map(({ bytesEach }) => round(bytesEach));
  rows.push(["memory per instance", "bytes", ...bytes, ratioOf(bytes)]);

  for (const wire of Object.keys(WIRES) as Wire[]) {
    const operations = OPERATIONS[wire];
    /** Microseconds of each call by operation, size and round. */
    const costs = operations.map(() => sized.map(() => [] as number[]));
    for (let number = 0; number < WARM_UP + rounds; number++)
      for (const [at, operation] of operations.entries())
        for (const size of turns(sized.length, number)) {
          const { server, load } = sized[size] as Sized;
          const before = await server.cpuMs();
          const turn: Round = { wire, operation, number, calls: CALLS };
          await load.call("run", turn);
          const busyMs = (await server.cpuMs()) - before;
          if (number >= WARM_UP) costs[at]?.[size]?.push((busyMs * 1000) / CALLS);
        }
    const line = (name: string, values: readonly number[]): void => {
      const ratio = ratioOf(values);
      rows.push([`${name} (${WIRES[wire]})`, "CPU µs", ...values.map((value) => round(value, 1)), ratio]);
      if (ratio > RATIO_AIM) over.push(`${name} (${WIRES[wire]})`);
      say(`  ${rows.at(-1)?.join("  ")}`);
    };
    for (const [at, operation] of operations.entries()) line(operation, (costs[at] as number[][]).map(median));
    const all = sized.map((_, size) => costs.flatMap((bySize) => bySize[size] as number[]));
    line(
      "mean of all calls",
      all.map((values) => values.reduce((sum, value) => sum + value, 0) / values.length),
    );
  }
  if (over.length > 0) remarks.push(`Above the aim at ${largest} instances: ${over.join(", ")}.`);
  return {
    columns: [
      "operation",
      "unit",
      ...sizes.map((size) => size.toLocaleString("en-US")),
      `ratio (aim ≤ ${RATIO_AIM} for calls)`,
    ],
    rows,
    remarks,
  };
}

/** Whose turn it is, one way and then the other: being the first after another operation must not always hit the same. */
function turns(count: number, number: number): number[] {
  const forth = Array.from({ length: count }, (_, at) => at);
  return number % 2 === 0 ? forth : forth.toReversed();
}
