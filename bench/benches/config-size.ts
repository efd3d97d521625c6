import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bench, type Cell, median, round, type Scale, say, type Table } from "../lib/bench.ts";
import { GrpcConnection, message } from "../lib/grpc-connection.ts";
import { configContent, configJson, publishRequest } from "../lib/operations.ts";
import { ServerProcess } from "../lib/server-process.ts";

const ITEMS = 100_000;
const WRITERS = 64;
const AIM_START_MS = 2_000;
/** Configurations that one listen call carries. */
const LISTENED = 3_000;

const SEARCHES = [
  ["exact name", "search=accurate&dataId=item-4777&groupName=DEFAULT_GROUP"],
  ["first page of all", "search=blur&dataId=&groupName="],
  ["last page of all", "search=blur&dataId=&groupName=&pageNo=LAST"],
  ["part of the name", "search=blur&dataId=*777*&groupName=*"],
  ["inside the content", "search=blur&dataId=&groupName=&configDetail=*value 4777*"],
  ["in all contents", "search=blur&dataId=&groupName=&configDetail=*value*"],
] as const;

export const configSize: Bench = {
  name: "config-size",
  title: "A hundred thousand configurations",
  method:
    `${ITEMS} configurations of 1 kB are published over ${WRITERS} connections, and 100,000 listeners registered by 34 ` +
    "connections. Memory is the growth of the server's heap, after forced collections, divided by their number; the " +
    "cache of contents is bounded and not in it. The server is then stopped and started on the same folder. Searches are " +
    "pages of 100 through the admin API of v3, the median of several; `the first of a process` is a first page of all right " +
    "after the start. `loop held` is the longest time in which the event loop did nothing else meanwhile.",
  async run(scale: Scale): Promise<Table> {
    const items = scale.pick(ITEMS, 5_000);
    const folder = await mkdtemp(join(tmpdir(), "nacre-bench-"));
    const rows: Cell[][] = [];
    const row = (...cells: Cell[]): void => {
      rows.push(cells);
      say(`  ${cells.join("  ")}`);
    };
    try {
      const first = await ServerProcess.start({ data: folder });
      const before = await first.memory();
      const startedAt = performance.now();
      await fill(first, items);
      row("publish, 64 writers", Math.round((items / (performance.now() - startedAt)) * 1000), "/s", "", "");
      const filled = await first.memory();
      const listeners = await listen(first, items);
      const listened = await first.memory();
      const cacheBytes = Math.min(items * 1_000, 64 * 2 ** 20);
      const perItem = (filled.heapUsed + filled.external - before.heapUsed - before.external - cacheBytes) / items;
      row("memory of an item", round(perItem), "bytes", "", "");
      row("memory of a listener", round((listened.heapUsed - filled.heapUsed) / listeners), "bytes", "", "");
      await first.stop();

      const starts: number[] = [];
      for (let n = 0; n < scale.pick(5, 2); n++) {
        const again = await ServerProcess.start({ probe: false, data: folder });
        starts.push(again.readyMs);
        await again.stop();
      }
      row("start", round(median(starts)), "ms", `≤ ${AIM_START_MS}`, "");

      const server = await ServerProcess.start({ data: folder });
      try {
        const measure = async (name: string, query: string, count: number): Promise<void> => {
          await server.watchLoop();
          const times: number[] = [];
          for (let n = 0; n < count; n++) times.push(await search(server, query.replace("LAST", String(items / 100))));
          row(`search: ${name}`, round(median(times), 1), "ms", "", round(await server.loopHoldMs(), 1));
        };
        await measure("the first of a process", "search=blur&dataId=&groupName=", 1);
        for (const [name, query] of SEARCHES) await measure(name, query, scale.pick(9, 3));
      } finally {
        await server.stop();
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    return { columns: ["figure", "value", "unit", "aim", "loop held ms"], rows, remarks: [] };
  },
};

async function fill(server: ServerProcess, items: number): Promise<void> {
  const connections = await Promise.all(Array.from({ length: WRITERS }, () => GrpcConnection.open(server.grpcPort)));
  let next = 0;
  await Promise.all(
    connections.map(async (connection) => {
      while (next < items) {
        const n = next++;
        const answer = await connection.ask(publishRequest(`item-${n}`, configContent(1_000, 0, n)));
        if (!answer.includes('"resultCode":200')) throw new Error(`a publish failed: ${answer.toString()}`);
      }
    }),
  );
  for (const connection of connections) connection.close();
}

/** @returns how many listeners there are now; their connections stay. */
async function listen(server: ServerProcess, items: number): Promise<number> {
  let listeners = 0;
  for (let from = 0; from < items; from += LISTENED) {
    const connection = await GrpcConnection.open(server.grpcPort);
    // In parts that fit into one frame of the generator.
    for (let part = from; part < Math.min(items, from + LISTENED); part += 100) {
      const count = Math.min(100, items - part);
      const contexts = Array.from({ length: count }, (_, n) => `{${configJson(`item-${part + n}`)},"md5":""}`);
      await connection.ask(
        message("ConfigBatchListenRequest", `{"listen":true,"configListenContexts":[${contexts.join(",")}]}`),
      );
      listeners += count;
    }
  }
  return listeners;
}

async function search(server: ServerProcess, query: string): Promise<number> {
  const page = query.includes("pageNo") ? "" : "&pageNo=1";
  const url = `http://127.0.0.1:${server.httpPort}/nacos/v3/admin/cs/config/list?pageSize=100&${query}${page}`;
  const startedAt = performance.now();
  const answer = await fetch(url);
  const { code, data } = (await answer.json()) as { code: number; data: { pageItems: unknown[] } };
  const tookMs = performance.now() - startedAt;
  if (code !== 0 || data.pageItems.length === 0) throw new Error(`a search failed: ${url}`);
  return tookMs;
}
