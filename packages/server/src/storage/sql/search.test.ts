import assert from "node:assert/strict";
import { describe, test } from "node:test";
import Database from "better-sqlite3";
import { sqliteSchema } from "./schema.ts";
import type { Query } from "./sqlite.ts";
import { searches } from "./statements.ts";

/** What SQLite does, step by step, with no value given for any filter. */
function planOf({ sql, parameters }: Query): string[] {
  const database = new Database(":memory:");
  database.exec(sqliteSchema());
  const given = parameters.map((parameter) => parameter ?? null);
  const steps = database.prepare<unknown[], { detail: string }>(`explain query plan ${sql}`).all(...given);
  database.close();
  return steps.map(({ detail }) => detail);
}

describe("a search, whatever it filters by", () => {
  test("walks a namespace inside the index that holds all it compares, in its order", () => {
    const covering = "SEARCH config_info USING COVERING INDEX config_info_walk";
    assert.deepEqual(planOf(searches.namespaceSliceEnd({})), [`${covering} (tenant_id=? AND id>?)`]);
    const plan = planOf(searches.namespaceSlice({}));
    assert.equal(plan[0], `${covering} (tenant_id=? AND id>? AND id<?)`);
    assert.ok(!plan.some((step) => step.includes("TEMP B-TREE FOR ORDER BY")));
  });

  test("walks a label in its key, and looks up each row and its other labels", () => {
    const key = "SEARCH first USING PRIMARY KEY";
    assert.deepEqual(planOf(searches.labelSliceEnd({})), [`${key} (tag=? AND tenant_id=? AND config_id>?)`]);
    const plan = planOf(searches.labelSlice({}));
    assert.equal(plan[0], `${key} (tag=? AND tenant_id=? AND config_id>? AND config_id<?)`);
    assert.equal(plan[1], "SEARCH config_info USING INTEGER PRIMARY KEY (rowid=?)");
    assert.ok(plan.some((step) => step.startsWith("SEARCH config_tags USING") && step.includes("config_id=?")));
    assert.ok(!plan.some((step) => step.includes("TEMP B-TREE FOR ORDER BY") || step.startsWith("SCAN config")));
  });

  test("looks an exact data id up by its name, and a content by its row", () => {
    assert.match(planOf(searches.idsOfDataId({})).join(), /^SEARCH .* \(tenant_id=\? AND data_id=\?\)$/);
    for (const query of [searches.contentHas({}), searches.contentLike({})])
      assert.deepEqual(planOf(query), ["SEARCH config_info USING INTEGER PRIMARY KEY (rowid=?)"]);
  });
});
