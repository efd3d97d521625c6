import assert from "node:assert/strict";
import { test } from "node:test";
import { configName, history, putConfig } from "@nacre/testkit/config-store-suite";
import { applyWrites } from "./apply-writes.ts";
import type { Query, Sqlite } from "./sqlite.ts";

test("no two statements that write a content are run without a pause between them", () => {
  const steps: string[][] = [[]];
  const table = (sql: string) =>
    /config_info_gray|his_config_info|config_info|config_tags|staged_config/.exec(sql)?.[0];
  const sqlite = {
    // Nothing is there yet: every update finds no row.
    run: ({ sql }: Query) => {
      steps.at(-1)?.push(`${sql.slice(0, 6)} ${table(sql)}`);
      return 0;
    },
    get: () => ({ id: 1, tags: "[]" }),
  } as unknown as Sqlite;
  const name = configName("a");
  const by = { user: "", ip: "" };
  const promote = { kind: "promote", importId: "i", nid: 1, ids: [1], revision: 1, at: 1, by } as const;
  for (const _ of applyWrites(sqlite, [history(1, name, "I"), putConfig(name, "text"), promote])) steps.push([]);
  const written = ["update config_info", "insert config_info", "insert his_config_info"];
  assert.deepEqual(
    steps.filter((step) => step.length > 0),
    [...written, ...written].map((statement) => [statement]),
  );
});

test("no two rows of history, each with its content, are removed without a pause between them", () => {
  let removed = 0;
  const sqlite = { run: () => ++removed, all: () => [{ nid: 1 }, { nid: 2 }, { nid: 3 }] } as unknown as Sqlite;
  const seen: number[] = [];
  for (const _ of applyWrites(sqlite, [{ kind: "pruneHistory", before: 1, max: 3 }])) {
    seen.push(removed);
    removed = 0;
  }
  assert.deepEqual(
    seen.filter((count) => count > 0),
    [1, 1, 1],
  );
});
