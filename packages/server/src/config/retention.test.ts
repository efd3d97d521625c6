import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { registerHooks } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { turn } from "../storage/turn.ts";
import { Member } from "./member.fixture.ts";

const loaded = new Set<string>();
registerHooks({
  resolve(specifier, context, next) {
    loaded.add(specifier);
    return next(specifier, context);
  },
});

test("a server without history does not load its queries to clean it", async () => {
  const directory = await mkdtemp(join(tmpdir(), "nacre-retention-"));
  try {
    for (const folder of [undefined, directory]) {
      const member = await Member.open({}, folder);
      member.clock.advance(3_600_000);
      assert.equal(await member.configs.store.oldestHistoryAt(), undefined);
      for (let turns = 0; turns < 20; turns++) await turn();
      assert.ok(!loaded.has("kysely"));
      await member.close();
    }
    const member = await Member.open();
    await member.publish("a", "1");
    assert.equal(await member.configs.store.oldestHistoryAt(), member.clock.wall());
    assert.ok(!loaded.has("kysely"), "a publish needs none that is not compiled already");
    await member.configs.store.search({ namespace: "public", wildcards: true }, { page: 1, size: 1 });
    assert.ok(!loaded.has("kysely"), "nor does a search");
    await member.close();
  } finally {
    await rm(directory, { recursive: true });
  }
});
