import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { config, md5 } from "@nacre/testkit/config-bench";
import { ConfigLog, content, OPERATOR } from "@nacre/testkit/config-log";
import { betaTarget, tagTarget } from "./gray-rule.ts";
import { findItem } from "./state.ts";

const name = config();
const CAS_LOST = "configConflict: Cas publish fail, server md5 may have changed.";

describe("a publish", () => {
  test("makes a version with the index of its entry as revision and its time as shown time (G1)", () => {
    const log = new ConfigLog();
    log.index = 41;
    const { result, effects } = log.publish(name, "port: 80", { fields: { type: "yaml" } });

    const id = 42 * 2 ** 20;
    assert.deepEqual(result, { type: "published", id, revision: 42, created: true });
    const item = findItem(log.state, name);
    assert.equal(item?.id, id);
    assert.deepEqual(item?.formal, {
      md5: md5("port: 80"),
      bytes: 8,
      type: "yaml",
      encryptedDataKey: "",
      revision: 42,
      modifiedAt: log.store.history[0]?.at,
    });
    assert.deepEqual(
      effects.map((effect) => (effect.type === "write" ? effect.write.kind : effect.type)),
      ["history", "putConfig", "changed", "result"],
      "written, then known to caches, then answered",
    );
  });
  test("keeps the id of what it replaces, and history keeps the state before it (G9)", () => {
    const log = new ConfigLog();
    log.publish(name, "one");
    const { result } = log.publish(name, "two");
    assert.deepEqual(result, { type: "published", id: 2 ** 20, revision: 2, created: false });
    assert.deepEqual(
      log.store.history.map(({ nid, op, text, by }) => ({ nid, op, text, by })),
      [
        { nid: 2 ** 20, op: "I", text: "one", by: OPERATOR },
        { nid: 2 * 2 ** 20, op: "U", text: "one", by: OPERATOR },
      ],
    );
  });
  test("without a type keeps the stored one, and a new one is text (G8)", () => {
    const log = new ConfigLog();
    log.publish(name, "a: 1", { fields: { type: "yaml" } });
    log.publish(name, "a: 2");
    assert.equal(findItem(log.state, name)?.formal?.type, "yaml");
    log.publish(name, "a: 3", { gray: betaTarget("10.0.0.1") });
    assert.equal(findItem(log.state, name)?.grays[0]?.type, "yaml", "a gray version is what the formal one is");
    const { writes } = log.publish(config("plain"), "x");
    assert.equal(writes[1]?.kind === "putConfig" && writes[1].fields.type, "text", "the store is told the type");
  });
  test("of a gray version leaves the formal one alone, and needs none", () => {
    const log = new ConfigLog();
    log.publish(name, "gray", { gray: tagTarget("blue") });
    const item = findItem(log.state, name);
    assert.equal(item?.formal, undefined);
    assert.equal(item?.grays.length, 1);
    assert.equal(log.state.counts.total, 0);
    log.publish(name, "formal");
    assert.equal(findItem(log.state, name)?.formal?.md5, md5("formal"));
    log.publish(name, "newer", { gray: tagTarget("blue") });
    assert.deepEqual(
      item?.grays.map((gray) => [gray.name, gray.md5]),
      [["tag_blue", md5("newer")]],
    );
  });
  test("with a rule that can not be read changes nothing", () => {
    const log = new ConfigLog();
    const { refused, writes } = log.publish(name, "x", { gray: betaTarget(" ") });
    assert.match(refused ?? "", /^grayRuleIllegal/);
    assert.deepEqual(writes, []);
    assert.equal(log.state.items.size, 0);
  });
});

describe("compare-and-set (G3)", () => {
  test("writes only over the version that the writer saw", () => {
    const log = new ConfigLog();
    log.publish(name, "one");
    assert.equal(log.publish(name, "two", { terms: { expectedMd5: md5("one") } }).refused, undefined);
    assert.equal(log.publish(name, "three", { terms: { expectedMd5: md5("one") } }).refused, CAS_LOST);
    assert.equal(findItem(log.state, name)?.formal?.md5, md5("two"));
  });
  test("with a blank md5 writes only where there is none, and with another only where there is one", () => {
    const log = new ConfigLog();
    assert.equal(log.publish(name, "one", { terms: { expectedMd5: md5("zero") } }).refused, CAS_LOST);
    assert.equal(log.publish(name, "one", { terms: { expectedMd5: "" } }).refused, undefined);
    assert.equal(log.publish(name, "one", { terms: { expectedMd5: "" } }).refused, CAS_LOST);
  });
  test("on a gray version looks at the gray version", () => {
    const log = new ConfigLog();
    const gray = betaTarget("10.0.0.1");
    log.publish(name, "formal");
    log.publish(name, "one", { gray });
    assert.equal(log.publish(name, "two", { gray, terms: { expectedMd5: md5("formal") } }).refused, CAS_LOST);
    assert.equal(log.publish(name, "two", { gray, terms: { expectedMd5: md5("one") } }).refused, undefined);
  });
  test("goes for a removal too, of one configuration", () => {
    const log = new ConfigLog();
    log.publish(name, "one");
    const remove = { type: "removeConfigs", names: [name], by: OPERATOR } as const;
    assert.equal(log.apply({ ...remove, expectedMd5: md5("zero") }).refused, CAS_LOST);
    assert.match(
      log.apply({ ...remove, names: [name, config("b")], expectedMd5: md5("one") }).refused ?? "",
      /^invalidParameter: .*one configuration only/,
    );
    assert.equal(log.apply({ ...remove, expectedMd5: md5("one") }).refused, undefined);
    assert.equal(log.apply({ ...remove, expectedMd5: md5("one") }).refused, CAS_LOST, "somebody else removed it");
  });
});

describe("insert-only", () => {
  test("refuses what exists, by its name", () => {
    const log = new ConfigLog();
    assert.equal(log.publish(name, "one", { terms: { insertOnly: true } }).refused, undefined);
    assert.equal(
      log.publish(name, "two", { terms: { insertOnly: true } }).refused,
      "configExists: config already exist, dataId: app.yaml, group: DEFAULT_GROUP, namespaceId: public",
    );
    const gray = betaTarget("10.0.0.1");
    assert.equal(log.publish(name, "g", { gray, terms: { insertOnly: true } }).refused, undefined);
  });
});

describe("a removal", () => {
  test("takes the formal version, leaves gray ones, and keeps the state before it in history", () => {
    const log = new ConfigLog();
    log.publish(name, "formal");
    log.publish(name, "gray", { gray: betaTarget("10.0.0.1") });
    assert.deepEqual(log.remove([name]).result, { type: "removed", removed: [name] });
    const item = findItem(log.state, name);
    assert.deepEqual([item?.id, item?.formal, item?.grays.length], [0, undefined, 1]);
    assert.equal(log.store.history.at(-1)?.op, "D");
    assert.equal(log.store.history.at(-1)?.text, "formal");

    assert.deepEqual(log.remove([name], "beta").result, { type: "removed", removed: [name] });
    assert.equal(log.store.history.at(-1)?.text, "gray");
    assert.equal(log.state.items.size, 0, "nothing is left of it in memory");
  });
  test("of many leaves out what is absent or named twice", () => {
    const log = new ConfigLog();
    const [a, b] = [config("a"), config("b")];
    log.publish(a, "1");
    log.publish(b, "2");
    const { result, effects } = log.remove([a, config("c"), b, a]);
    assert.deepEqual(result, { type: "removed", removed: [a, b] });
    const changed = effects.find((effect) => effect.type === "changed");
    assert.deepEqual(changed?.keys, ["a+DEFAULT_GROUP+public", "b+DEFAULT_GROUP+public"]);
  });
  test("of nothing is a success that writes nothing", () => {
    const { result, effects } = new ConfigLog().remove([name]);
    assert.deepEqual(result, { type: "removed", removed: [] });
    assert.equal(effects.length, 1);
  });
});

describe("pruning history", () => {
  test("is one write, bounded in rows", () => {
    const { writes } = new ConfigLog().apply({ type: "pruneHistory", before: 5 });
    assert.deepEqual(writes, [{ kind: "pruneHistory", before: 5, max: 1000 }]);
  });
});

describe("an encrypted content", () => {
  test("keeps its data key beside its md5", () => {
    const log = new ConfigLog();
    log.publish(name, "x", { content: content("c1ph3r", "key") });
    assert.equal(findItem(log.state, name)?.formal?.encryptedDataKey, "key");
  });
});
