import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { head, version } from "./distro.fixture.ts";
import { entryOf } from "./merge.ts";
import type { Entry } from "./model.ts";
import { ClientTable } from "./table.ts";

function entry(id: string, kind: Entry["kind"] = "connection"): Entry {
  return entryOf(head(id, version("b", 1), { kind }), 0);
}

/** What is left of these tombstones. */
function left(table: ClientTable, entries: readonly Entry[]): string[] {
  return entries.filter((one) => table.get(one.id) === one).map(({ id }) => id);
}

describe("tombstones", () => {
  const all = ["x", "y", "z"].map((id) => entry(id));

  test("go oldest first, as many as asked for, and only those whose time is over", () => {
    const table = new ClientTable(10);
    for (const [at, one] of all.entries()) table.put(one, at);
    assert.equal(table.expire(2, 1), true, "y is left of those");
    assert.deepEqual(left(table, all), ["y", "z"]);
    assert.equal(table.expire(2, 5), false);
    assert.deepEqual(left(table, all), ["z"]);
    assert.equal(table.graves, 1);
  });

  test("go early at the bound, the oldest first, and are counted", () => {
    const table = new ClientTable(2);
    for (const one of all) table.put(one, 0);
    assert.deepEqual(left(table, all), ["y", "z"]);
    assert.equal(table.droppedGraves, 1);
  });

  test("are as old as the last removal", () => {
    const table = new ClientTable(10);
    for (const one of all) table.put(one, 0);
    const [x] = all as [Entry];
    table.put(x, 1, { gone: undefined });
    assert.equal(table.graves, 2);
    table.put(x, 5, { gone: "removed" });
    assert.equal(table.expire(5, 10), false);
    assert.deepEqual(left(table, all), ["x"]);
    assert.equal(table.expire(6, 10), false);
    assert.equal(table.graves, 0);
  });

  test("are one for an id, when a client of the other kind had it before", () => {
    const table = new ClientTable(10);
    const [older, newer] = [entry("x"), entry("x", "address")];
    table.put(older, 0);
    table.put(newer, 1, { gone: undefined });
    table.put(newer, 2, { gone: "removed" });
    assert.equal(table.graves, 1);
    assert.equal(table.expire(2, 10), false, "the older one is not looked for");
    assert.equal(table.expire(3, 10), false);
    assert.equal(table.graves, 0);
  });
});
