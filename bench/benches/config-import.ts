import { type ArchiveSource, writeArchive } from "../../packages/server/src/config/archive/write-archive.ts";
import { type Bench, type Cell, median, round, type Scale, say, type Table } from "../lib/bench.ts";
import { configContent } from "../lib/operations.ts";
import { Remote } from "../lib/remote.ts";
import { ServerProcess } from "../lib/server-process.ts";

const AIM_MS = 20;

export const configImport: Bench = {
  name: "config-import",
  title: "Imports of ten thousand configurations",
  method:
    "An archive of 10,000 configurations of 1 kB is imported through the admin API of v3 by a client in another process, " +
    "12 times for each policy: `ABORT` into a namespace that is new each time, `OVERWRITE` over the same configurations. " +
    "`loop held` is the longest time in which the server's event loop did nothing else, from the upload to the answer: of " +
    "all imports, the median and the longest. `turn` is the longest turn of the loop in processor time of its thread, " +
    "which leaves out what others took meanwhile. The bystander is a Node process with nothing to do, watched at the same " +
    "time: what its loop is held for, the machine takes from any process.",
  async run(scale: Scale): Promise<Table> {
    const items = scale.pick(10_000, 2_000);
    const rounds = scale.pick(12, 3);
    const rows: Cell[][] = [];
    const server = await ServerProcess.start();
    const bystander = Remote.load("bare-server.ts");
    try {
      for (const policy of ["ABORT", "OVERWRITE"] as const) {
        const holds: number[] = [];
        const turns: number[] = [];
        const bystanders: number[] = [];
        const times: number[] = [];
        for (let n = 0; n < rounds; n++) {
          const namespace = policy === "ABORT" ? `import-${n}` : "import-0";
          if (policy === "ABORT") await createNamespace(server, namespace);
          const archive = await archiveOf(items, n);
          await Promise.all([server.watchLoop(), bystander.call("watchLoop")]);
          const startedAt = performance.now();
          await importInto(server, namespace, policy, archive, items);
          times.push(performance.now() - startedAt);
          const [held, heldBeside] = await Promise.all([server.loopHoldMs(), bystander.call<number>("loopHold")]);
          holds.push(held);
          turns.push(await server.turnCpuMs());
          bystanders.push(heldBeside);
        }
        say(`  ${policy}  ${holds.map((ms) => round(ms, 1)).join(" ")} ms`);
        const both = (held: readonly number[]): Cell[] => [round(median(held), 1), round(Math.max(...held), 1)];
        rows.push([policy, round(median(times)), ...both(holds), ...both(turns), `≤ ${AIM_MS}`, ...both(bystanders)]);
      }
    } finally {
      await bystander.end();
      await server.stop();
    }
    return {
      columns: ["policy", "import ms", "loop held ms, median", "longest", "aim ms", "bystander ms, median", "longest"],
      rows,
      remarks: [],
    };
  },
};

async function archiveOf(items: number, round: number): Promise<Buffer<ArrayBuffer>> {
  async function* sources(): AsyncGenerator<ArchiveSource> {
    for (let n = 0; n < items; n++) {
      const name = { group: "DEFAULT_GROUP", dataId: `item-${n}` };
      yield { name, content: configContent(1_000, round, n), fields: { type: "text" } };
    }
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of writeArchive(sources(), "new", new Date())) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function createNamespace({ httpPort }: ServerProcess, id: string): Promise<void> {
  const body = new URLSearchParams({ namespaceId: id, namespaceName: id });
  await data(await fetch(`http://127.0.0.1:${httpPort}/nacos/v3/admin/core/namespace`, { method: "POST", body }));
}

async function importInto(
  { httpPort }: ServerProcess,
  namespaceId: string,
  policy: string,
  archive: Buffer<ArrayBuffer>,
  items: number,
): Promise<void> {
  const body = new FormData();
  body.set("file", new Blob([archive]), "export.zip");
  const query = new URLSearchParams({ namespaceId, policy });
  const url = `http://127.0.0.1:${httpPort}/nacos/v3/admin/cs/config/import?${query}`;
  const { succCount } = (await data(await fetch(url, { method: "POST", body }))) as { succCount: number };
  if (succCount !== items) throw new Error(`${succCount} of ${items} configurations were imported`);
}

async function data(response: Response): Promise<unknown> {
  const answer = (await response.json()) as { code: number; data: unknown };
  if (answer.code !== 0) throw new Error(`the server refused: ${JSON.stringify(answer)}`);
  return answer.data;
}
