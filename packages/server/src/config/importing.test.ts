import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConfigCommand } from "@nacre/core/config";
import { RegistryError } from "@nacre/protocol";
import { ConfigLog } from "@nacre/testkit/config-log";
import { Imports } from "./importing.ts";
import { BY, named } from "./member.fixture.ts";
import type { ProposeConfig } from "./propose.ts";
import { contentOf } from "./sealing.ts";

const items = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ name: named(`a${at}`), content: "x", fields: {} }));

/** Imports over the core itself, with a log that refuses what the test says. */
function newImports() {
  const log = new ConfigLog();
  const refused = new Set<ConfigCommand["type"]>();
  const propose: ProposeConfig = async (command) => {
    if (refused.has(command.type)) throw new RegistryError("overThreshold", "too many writes are waiting");
    const applied = log.apply(command);
    if (applied.refused !== undefined) throw new Error(applied.refused);
    return applied.result as never;
  };
  const seal = async (_: unknown, text: string) => contentOf(text);
  const of = (memberId: string) => new Imports({ state: log.state, sealing: { seal }, propose, memberId });
  return { log, refused, imports: of("m"), others: of("n") };
}

describe("an import that fails", () => {
  test("and cannot even be dropped, because the log is full, does not count against later ones", async () => {
    const { log, refused, imports } = newImports();
    for (let broken = 0; broken < 20; broken++) {
      refused.add("dropStaged").add("commitConfigs");
      const failing = imports.all(items(3), "ABORT", BY);
      if (broken === 0) await assert.rejects(failing, /too many writes/);
      else await assert.rejects(failing);
      refused.clear();
    }
    assert.ok(log.state.staged.size <= 1, `${log.state.staged.size} are staged`);
    assert.equal((await imports.all(items(3), "ABORT", BY)).succeeded, 3);
    assert.equal(log.state.staged.size, 0);
  });

  test("leaves others that are under way alone", async () => {
    const { log, imports } = newImports();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: staged, resolve: stage } = Promise.withResolvers<void>();
    async function* slow() {
      yield* items(300);
      stage();
      await released;
    }
    const long = imports.all(slow(), "OVERWRITE", BY);
    await staged;
    const failing = (function* () {
      yield* items(2);
      throw new Error("the archive ends here");
    })();
    await assert.rejects(imports.all(failing, "ABORT", BY), /ends here/);
    assert.equal((await imports.all(items(2), "ABORT", BY)).succeeded, 2);
    for (let looks = 0; looks < 2; looks++) await imports.dropStalled();
    assert.equal(log.state.staged.size, 1);
    release();
    assert.equal((await long).succeeded, 300);
  });

  test("because it stood still and another member dropped it, commits nothing of what it stages later", async () => {
    const { log, imports, others } = newImports();
    async function* slow() {
      yield* items(300);
      for (let looks = 0; looks < 2; looks++) await others.dropStalled();
      yield { name: named("last"), content: "x", fields: {} };
    }
    await assert.rejects(imports.all(slow(), "OVERWRITE", BY), /of the 301 configurations .* are staged/);
    assert.deepEqual([log.state.items.size, log.state.staged.size], [0, 0]);
  });
});
