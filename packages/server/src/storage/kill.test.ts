import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { ConfigRegisterMachine } from "@nacre/testkit/config-registers";
import { configName } from "@nacre/testkit/config-store-suite";
import { openDurableLog } from "./durable-log.ts";

const ROUNDS = 10;
const FIXTURE = join(import.meta.dirname, "log-writer.fixture.ts");

/** Park and Miller's generator: enough to draw kill moments that a printed seed repeats. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
}

/** Runs a writer until about `acks` commands were acknowledged, kills it, and returns all that it acknowledged. */
async function killedWriter(directory: string, round: number, acks: number): Promise<Map<number, string>> {
  const child = spawn(process.execPath, [FIXTURE, directory, String(round)], { stdio: ["ignore", "pipe", "pipe"] });
  const failure = text(child.stderr);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
    if (output.split("\n").length > acks) child.kill("SIGKILL");
  });
  const signal = await new Promise((resolve) => child.on("close", (_, name) => resolve(name)));
  assert.equal(signal, "SIGKILL", await failure);
  const lines = output.slice(0, output.lastIndexOf("\n")).split("\n");
  return new Map(lines.map((line) => [Number.parseInt(line, 10), line.slice(line.indexOf(" ") + 1)]));
}

describe("a log whose process is killed", () => {
  test("keeps every acknowledged command, in order, however often it happens", async (t) => {
    const seed = Number(process.env.NACRE_SEED ?? randomInt(1, 2 ** 31 - 1));
    t.diagnostic(`seed ${seed}: repeat with NACRE_SEED=${seed}`);
    const random = generator(seed);
    const directory = await mkdtemp(join(tmpdir(), "nacre-kill-"));
    t.after(() => rm(directory, { recursive: true }));
    const acknowledged = new Map<number, string>();

    for (let round = 1; round <= ROUNDS; round += 1) {
      for (const [index, key] of await killedWriter(directory, round, 1 + random(1000))) {
        assert.equal(acknowledged.get(index), undefined, `index ${index} was given twice`);
        acknowledged.set(index, key);
      }

      // Half the rounds distrust the store, as after a reboot, so that snapshot and log alone must hold everything.
      const rebooted = random(2) === 1;
      const machine = new ConfigRegisterMachine();
      const log = await openDurableLog({ directory, machine, ...(rebooted ? { boot: `boot ${round}` } : {}) });
      const where = `seed ${seed}, round ${round}, ${rebooted ? "rebooted" : "same boot"}`;
      for (const [index, key] of acknowledged) {
        assert.ok(index <= log.appliedIndex, `${where}: index ${index} is behind the end ${log.appliedIndex}`);
        assert.equal(machine.registers.get(key), key.slice(0, key.lastIndexOf("/")), `${where}: ${key} at ${index}`);
      }
      for (const { index, command } of machine.entries) {
        const key = acknowledged.get(index);
        if (key !== undefined) assert.equal(command.type === "put" && command.key, key, `${where}: index ${index}`);
      }
      // One entry is one key here, and a writer waits for each answer: no entry is lost or doubled between two others.
      assert.equal(machine.registers.size, log.appliedIndex, where);
      for (const key of machine.registers.keys()) {
        const [base, count] = [key.slice(0, key.lastIndexOf("/")), Number(key.slice(key.lastIndexOf("/") + 1))];
        if (count > 1) assert.ok(machine.registers.has(`${base}/${count - 1}`), `${where}: ${base} skips ${count - 1}`);
      }
      // Every put made one configuration and one row of history, however often it was replayed.
      const all = await log.configs.search({ namespace: "public", wildcards: true }, { page: 1, size: 1 });
      assert.equal(all.total, machine.registers.size, where);
      const labelled = { namespace: "public", wildcards: true, tags: ["every"] };
      assert.equal((await log.configs.search(labelled, { page: 1, size: 1 })).total, all.total, where);
      for (const [key, value] of [...machine.registers].slice(-50)) {
        const name = configName(key);
        assert.equal(await log.configs.content(name), value, where);
        const { total, items } = await log.configs.history({ name }, { page: 1, size: 2 });
        assert.deepEqual([total, items[0]?.op, items[0]?.content], [1, "I", value], where);
      }
      await log.close();
    }
    assert.ok(acknowledged.size > ROUNDS);
  });
});
