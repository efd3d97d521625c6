import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConfigName } from "@nacre/protocol";
import { config, md5 } from "@nacre/testkit/config-bench";
import { type Applied, ConfigLog, content, OPERATOR } from "@nacre/testkit/config-log";
import { IMPORT_ITEMS_MAX, type ImportPolicy, type StagedItem } from "./commands.ts";
import { IMPORTS_MAX } from "./import.ts";
import { findItem } from "./state.ts";

const [a, b, c] = [config("a"), config("b"), config("c")];

function staged(name: ConfigName, text: string): StagedItem {
  return { name, content: content(text), fields: {} };
}

function stage(log: ConfigLog, items: readonly StagedItem[], importId = "import-1"): Applied {
  return log.apply({ type: "stageConfigs", importId, items });
}

function commit(log: ConfigLog, policy: ImportPolicy, importId = "import-1"): Applied {
  return log.apply({ type: "commitConfigs", importId, policy, by: OPERATOR });
}

function held(log: ConfigLog, name: ConfigName): string | undefined {
  return log.store.texts.get(`${name.dataId}+DEFAULT_GROUP+public`);
}

describe("an import (G7)", () => {
  test("is seen by nobody before its commit, and then as a whole", () => {
    const log = new ConfigLog();
    stage(log, [staged(a, "1"), staged(b, "2")]);
    const second = stage(log, [staged(c, "3")]);
    assert.equal(second.writes[0]?.kind === "stage" && second.writes[0].position, 2, "positions go on over batches");
    assert.equal(log.state.items.size, 0);

    const { result, effects } = commit(log, "ABORT");
    assert.deepEqual(result, { type: "imported", succeeded: 3, failed: [], skipped: [] });
    assert.equal(findItem(log.state, c)?.formal?.md5, md5("3"));
    assert.equal(findItem(log.state, c)?.id, 3 * 2 ** 20 + 2, "an id for each position of the entry");
    assert.equal(effects.find((effect) => effect.type === "changed")?.keys.length, 3);
    assert.deepEqual([log.state.staged.size, log.store.staged.size], [0, 0], "nothing stays staged");
  });
  test("with ABORT writes nothing when one exists, and names the first in the order staged", () => {
    const log = new ConfigLog();
    log.publish(b, "old");
    log.publish(c, "old");
    stage(log, [staged(a, "1"), staged(c, "3"), staged(b, "2")]);
    assert.deepEqual(commit(log, "ABORT").result, { type: "imported", succeeded: 0, failed: [c], skipped: [a, b] });
    assert.deepEqual([held(log, a), held(log, b)], [undefined, "old"]);
    assert.deepEqual([log.state.staged.size, log.store.staged.size], [0, 0], "what was staged is dropped");
  });
  test("with SKIP keeps what exists", () => {
    const log = new ConfigLog();
    log.publish(b, "old");
    stage(log, [staged(a, "1"), staged(b, "2")]);
    assert.deepEqual(commit(log, "SKIP").result, { type: "imported", succeeded: 1, failed: [], skipped: [b] });
    assert.deepEqual([held(log, a), held(log, b)], ["1", "old"]);
  });
  test("is one write of the store, which leaves out what is skipped and keeps the ids of what exists", () => {
    const log = new ConfigLog();
    log.publish(b, "old");
    stage(log, [staged(a, "1"), staged(b, "2"), staged(c, "345")]);
    const { writes } = commit(log, "SKIP");
    const nid = 3 * 2 ** 20;
    const [promote, dropped] = writes;
    assert.deepEqual(dropped, { kind: "dropStaged", importId: "import-1", items: 3, bytes: 5 }, "all of the import");
    assert.ok(promote?.kind === "promote");
    assert.deepEqual([promote.nid, promote.ids], [nid, [nid, 0, nid + 2]]);
    stage(log, [staged(b, "4")]);
    const again = commit(log, "OVERWRITE").writes[0];
    assert.deepEqual(again?.kind === "promote" && again.ids, [findItem(log.state, b)?.id]);
  });
  test("with OVERWRITE replaces what exists, which stays in history and keeps its id and type", () => {
    const log = new ConfigLog();
    log.publish(b, "old", { fields: { type: "yaml" } });
    const id = findItem(log.state, b)?.id;
    stage(log, [staged(a, "1"), staged(b, "2")]);
    assert.deepEqual(commit(log, "OVERWRITE").result, { type: "imported", succeeded: 2, failed: [], skipped: [] });
    const item = findItem(log.state, b);
    assert.deepEqual([item?.id, item?.formal?.type, item?.formal?.md5], [id, "yaml", md5("2")]);
    assert.deepEqual(log.store.history.at(-1)?.text, "old");
  });
  test("that holds one twice treats the second copy as one that exists", () => {
    const twice = [staged(a, "first"), staged(b, "2"), staged(a, "last")];
    const outcome = (policy: ImportPolicy) => {
      const log = new ConfigLog();
      stage(log, twice);
      return [commit(log, policy).result, held(log, a)];
    };
    assert.deepEqual(outcome("ABORT"), [{ type: "imported", succeeded: 0, failed: [a], skipped: [a, b] }, undefined]);
    assert.deepEqual(outcome("SKIP"), [{ type: "imported", succeeded: 2, failed: [], skipped: [a] }, "first"]);
    assert.deepEqual(outcome("OVERWRITE"), [{ type: "imported", succeeded: 3, failed: [], skipped: [] }, "last"]);
  });
  test("of nothing is not there to be committed", () => {
    const log = new ConfigLog();
    assert.equal(stage(log, []).refused, undefined);
    assert.match(commit(log, "SKIP").refused ?? "", /^illegalState/);
  });
  test("that was dropped or committed can not be committed", () => {
    const log = new ConfigLog();
    stage(log, [staged(a, "1")]);
    log.apply({ type: "dropStaged", importId: "import-1" });
    assert.equal(log.store.staged.size, 0);
    assert.match(commit(log, "SKIP").refused ?? "", /^illegalState: import 'import-1'/);
    assert.equal(log.apply({ type: "dropStaged", importId: "unknown" }).refused, undefined, "dropping nothing is fine");
  });
  test("is bounded in items, and in how many wait at once", () => {
    const log = new ConfigLog({}, false);
    const many = Array.from({ length: IMPORT_ITEMS_MAX }, () => staged(a, "1"));
    assert.equal(stage(log, many).refused, undefined);
    assert.match(stage(log, [staged(b, "2")]).refused ?? "", /^invalidParameter: .*at most 10000/);
    for (let at = 2; at <= IMPORTS_MAX; at++)
      assert.equal(stage(log, [staged(a, "1")], `import-${at}`).refused, undefined);
    assert.match(stage(log, [staged(b, "2")], "one-more").refused ?? "", /^overThreshold: 8 imports/);
  });
});
