import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { config } from "@nacre/testkit/config-bench";
import { type Applied, ConfigLog } from "@nacre/testkit/config-log";
import { refuses } from "./apply.ts";
import { betaTarget } from "./gray-rule.ts";
import { findNamespace, itemsIn, listNamespaces } from "./namespaces.ts";

function create(log: ConfigLog, id: string, name = "Development", description = ""): Applied {
  return log.apply({ type: "createNamespace", id, name, description });
}

describe("public", () => {
  test("is there without a row, and first", () => {
    const log = new ConfigLog();
    create(log, "dev");
    log.publish(config(), "x");
    assert.deepEqual(listNamespaces(log.state), [
      { id: "public", name: "public", description: "Default Namespace", configCount: 1, quota: 200, kind: 0 },
      { id: "dev", name: "Development", description: "", configCount: 0, quota: 200, kind: 1 },
    ]);
  });
  test("can not be created, changed or deleted", () => {
    const log = new ConfigLog();
    assert.match(create(log, "public").refused ?? "", /^namespaceExists/);
    const edit = { id: "public", name: "mine", description: "" };
    assert.match(log.apply({ type: "updateNamespace", ...edit }).refused ?? "", /^namespaceIllegal.*always exists/);
    assert.match(log.apply({ type: "deleteNamespace", id: "public" }).refused ?? "", /^namespaceIllegal/);
  });
});

describe("a namespace", () => {
  test("is a row from its creation to its deletion", () => {
    const log = new ConfigLog();
    create(log, "dev");
    assert.deepEqual(
      [...log.store.rows.values()].map(({ key, value }) => [key, JSON.parse(value)]),
      [["dev", { name: "Development", description: "" }]],
    );
    log.apply({ type: "updateNamespace", id: "dev", name: "Dev", description: "of the team" });
    assert.deepEqual(findNamespace(log.restarted(), "dev"), {
      id: "dev",
      name: "Dev",
      description: "of the team",
      configCount: 0,
      quota: 200,
      kind: 1,
    });
    assert.deepEqual(log.apply({ type: "deleteNamespace", id: "dev" }).result, { type: "done" });
    assert.equal(findNamespace(log.state, "dev"), undefined);
    assert.equal(log.store.rows.size, 0);
  });
  test("exists once, and has to exist to be changed or deleted", () => {
    const log = new ConfigLog();
    create(log, "dev");
    assert.equal(create(log, "dev").refused, "namespaceExists: namespaceId [dev] already exist");
    const edit = { id: "prod", name: "x", description: "" };
    assert.match(log.apply({ type: "updateNamespace", ...edit }).refused ?? "", /^namespaceNotFound/);
    assert.match(log.apply({ type: "deleteNamespace", id: "prod" }).refused ?? "", /^namespaceNotFound/);
  });
  test("is not deleted while it holds a configuration, even a gray version alone (G10)", () => {
    const log = new ConfigLog();
    const name = config("a", "g", "dev");
    create(log, "dev");
    log.publish(name, "x");
    log.publish(name, "y", { gray: betaTarget("10.0.0.1") });
    const remove = () => log.apply({ type: "deleteNamespace", id: "dev" }).refused;
    assert.equal(remove(), "namespaceNotEmpty: namespace 'dev' holds 1 configuration: remove what it holds first");
    log.remove([name]);
    assert.match(remove() ?? "", /^namespaceNotEmpty/, "the gray version is left");
    assert.deepEqual(
      [...itemsIn(log.state, "dev")].map((item) => item.name),
      [name],
    );
    log.remove([name], "beta");
    assert.equal(remove(), undefined);
  });
  test("may hold configurations without having been made: nobody checks that it exists", () => {
    const log = new ConfigLog();
    assert.equal(log.publish(config("a", "g", "unknown"), "x").refused, undefined);
    assert.equal(findNamespace(log.state, "unknown"), undefined);
  });
  test("has an id and a name that keep the rules, looked at before the log", () => {
    const { state } = new ConfigLog();
    const refused = (id: string, name: string, description = "") =>
      refuses(state, { type: "createNamespace", id, name, description })?.failure;
    assert.equal(refused("a-b_C9", "Ünïcode name"), undefined);
    assert.equal(refused("a".repeat(128), "x"), undefined);
    for (const [id, name, description] of [
      ["", "x", ""],
      ["a".repeat(129), "x", ""],
      ["a.b", "x", ""],
      ["a", " ", ""],
      ["a", "x@y", ""],
      ["a", "x".repeat(257), ""],
      ["a", "x", "d".repeat(257)],
    ] as const)
      assert.equal(refused(id, name, description), "namespaceIllegal", `${id} ${name}`);
  });
  test("is one of a bounded number", () => {
    const log = new ConfigLog({ namespacesMax: 1 });
    create(log, "dev");
    const refused = refuses(log.state, { type: "createNamespace", id: "prod", name: "x", description: "" });
    assert.match(refused?.message ?? "", /nacre\.namespaces\.max = 1/);
  });
});
