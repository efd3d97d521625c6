import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { hash, randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { findItem } from "@nacre/core/config";
import { Random } from "@nacre/testkit/random";
import { IMPORTED } from "./import-kill.fixture.ts";
import { nameOf, openConfigs } from "./kill.fixture.ts";

const ROUNDS = 8;
const FIXTURE = join(import.meta.dirname, "import-kill.fixture.ts");

/** Runs imports in a process, which is killed within the import behind some number of acknowledged ones. */
async function killedImports(directory: string, round: number, random: Random): Promise<readonly string[]> {
  const child = spawn(process.execPath, [FIXTURE, directory, String(round)], { stdio: ["ignore", "pipe", "pipe"] });
  const failure = text(child.stderr);
  const askedMax = 1 + random.below(3);
  let output = "";
  let askedAt = 0;
  let tookMs = 250;
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
    if (chunk.includes("!")) tookMs = performance.now() - askedAt;
    if (!chunk.includes("?")) return;
    askedAt = performance.now();
    // Anywhere within what the import before it took.
    if (output.split("?").length > askedMax) setTimeout(() => child.kill("SIGKILL"), random.below(Math.ceil(tookMs)));
  });
  const signal = await new Promise((resolve) => child.on("close", (_, name) => resolve(name)));
  assert.equal(signal, "SIGKILL", await failure);
  return output.slice(0, output.lastIndexOf("\n")).split("\n");
}

describe("a large import of a process that is killed", () => {
  test("is there wholly, once, or not at all", { timeout: 280_000 }, async (t) => {
    const seed = Number(process.env.NACRE_SEED ?? randomInt(1, 2 ** 31 - 1));
    t.diagnostic(`seed ${seed}: repeat with NACRE_SEED=${seed}`);
    const random = new Random(seed);
    const directory = await mkdtemp(join(tmpdir(), "nacre-import-kill-"));
    t.after(() => rm(directory, { recursive: true, force: true }));
    let newest = "";
    let imports = 0;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const lines = await killedImports(directory, round, random);
      const where = `seed ${seed}, round ${round}`;
      const acknowledged = lines.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
      newest = acknowledged.at(-1) ?? newest;
      imports += acknowledged.length;
      const open = lines.at(-1)?.startsWith("?") ? lines.at(-1)?.slice(1) : undefined;
      const { configs, close } = await openConfigs(directory);
      try {
        const texts = new Set<string | undefined>();
        for (let at = 0; at < IMPORTED; at += 1) {
          const name = nameOf(`item.${at}`);
          const content = await configs.store.content(name);
          texts.add(content);
          assert.equal(
            findItem(configs.state, name)?.formal?.md5,
            content && hash("md5", content),
            `${where}: item ${at}`,
          );
        }
        const [found] = texts;
        assert.equal(texts.size, 1, `${where}: a part of an import`);
        if (open !== undefined && found === open) {
          newest = open;
          imports += 1;
        }
        assert.equal(found ?? "", newest, where);
        for (const at of [0, IMPORTED - 1]) {
          const query = { name: nameOf(`item.${at}`), headsOnly: true };
          const { total } = await configs.store.history(query, { page: 1, size: 1 });
          assert.equal(total, imports, `${where}: changes of item ${at}`);
        }
      } finally {
        await close();
      }
      assert.equal(configs.state.staged.size, 0, `${where}: what was staged and never committed is dropped`);
    }
    t.diagnostic(`${imports} imports`);
  });
});
