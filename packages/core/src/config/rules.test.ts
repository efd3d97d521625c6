import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { config } from "@nacre/testkit/config-bench";
import { ConfigLog, content, OPERATOR } from "@nacre/testkit/config-log";
import { refuses } from "./apply.ts";
import type { ConfigCommand, ConfigFields, Content } from "./commands.ts";
import { betaTarget, tagTarget } from "./gray-rule.ts";
import type { ConfigOptions } from "./state.ts";

type Publish = Extract<ConfigCommand, { type: "publishConfig" }>;

function publish(given: Partial<Publish>): Publish {
  return {
    type: "publishConfig",
    name: config(),
    content: content("x"),
    fields: {},
    terms: {},
    by: OPERATOR,
    ...given,
  };
}

function asked(given: Partial<Publish>, options: Partial<ConfigOptions> = {}): string {
  const refused = refuses(new ConfigLog(options).state, publish(given));
  return refused === undefined ? "" : `${refused.failure}: ${refused.message}`;
}

describe("before a publish goes into the log", () => {
  test("its names keep the rules, unless parameters are not checked", () => {
    assert.equal(asked({}), "");
    for (const name of [config("a/b"), config("a", "a b"), config("a", "g", "n.s"), config("a".repeat(257))]) {
      assert.match(asked({ name }), /^invalidParameter: Param '(dataId|group|namespaceId\/tenant)' is illegal/);
      assert.equal(asked({ name }, { checkParams: false }), "");
    }
  });
  test("a data id and a group are required", () => {
    for (const name of [config(""), config("a", " ")])
      assert.match(asked({ name }, { checkParams: false }), /^parameterMissing: Param '(dataId|group)' is required/);
  });
  test("its content is not blank and not too large", () => {
    for (const text of ["", " \n\t"])
      assert.match(asked({ content: content(text) }), /^invalidParameter: Param 'content'/);
    assert.equal(asked({ content: content("ää") }, { contentBytesMax: 4 }), "");
    assert.match(asked({ content: content("ää") }, { contentBytesMax: 3 }), /4 bytes are more than 3 \(maxContent\)/);
  });
  test("who does it has a name that a row of history has room for", () => {
    const by = (length: number) => ({ ...OPERATOR, user: "u".repeat(length) });
    assert.equal(asked({ by: by(128) }), "");
    assert.match(asked({ by: by(129) }), /^invalidParameter: Param 'src_user' is illegal, .* exceed 128\.$/);
    const removal = { type: "removeConfigs", names: [config()], by: by(129) } as const;
    assert.equal(refuses(new ConfigLog().state, removal)?.failure, "invalidParameter");
  });
  test("each of its fields has room in every store", () => {
    const fits: [keyof ConfigFields | keyof Content, number][] = [
      ["appName", 128],
      ["description", 128],
      ["use", 32],
      ["effect", 32],
      ["schema", 32_768],
      ["encryptedDataKey", 1024],
    ];
    for (const [field, length] of fits) {
      const given = (text: string) =>
        field === "encryptedDataKey" ? { content: content("x", text) } : { fields: { [field]: text } };
      assert.equal(asked(given("a".repeat(length))), "", field);
      assert.match(asked(given("a".repeat(length + 1))), new RegExp(`exceed ${length}\\.$`), field);
    }
    assert.equal(asked({ fields: { tags: ["a".repeat(64), "2", "3", "4", "5"] } }), "");
    assert.match(
      asked({ fields: { tags: ["1", "2", "3", "4", "5", "6"] } }),
      /'config_tags' \('configTags'.*more than 5/,
    );
    assert.match(asked({ fields: { tags: ["a".repeat(65)] } }), /'config_tags'.*exceed 64/);
  });
  test("its terms are looked at as things stand, so that a lost race costs no write", () => {
    assert.match(asked({ terms: { expectedMd5: "0" } }), /^configConflict/);
  });
  test("a gray version more than a configuration may have is refused", () => {
    const log = new ConfigLog({ grayVersionsMax: 1 });
    assert.equal(refuses(log.state, publish({ gray: betaTarget("10.0.0.1") })), undefined, "there is room for one");
    log.publish(config(), "x", { gray: tagTarget("blue") });
    assert.equal(refuses(log.state, publish({ gray: tagTarget("blue") })), undefined, "it replaces the one there is");
    const refused = refuses(log.state, publish({ gray: betaTarget("10.0.0.1") }));
    assert.equal(refused?.failure, "grayVersionsOverMax");
    assert.match(refused?.message ?? "", /nacos\.config\.gray\.version\.max\.count = 1/);
  });
  test("a configuration more than this member may hold is refused, gray ones counted", () => {
    const log = new ConfigLog({ configsMax: 1 });
    log.publish(config(), "x", { gray: tagTarget("blue") });
    assert.equal(refuses(log.state, publish({})), undefined, "it is one already");
    assert.match(refuses(log.state, publish({ name: config("b") }))?.message ?? "", /may hold 1 \(nacre\./);
  });
});

describe("before a batch goes into the log", () => {
  const names = Array.from({ length: 257 }, (_, at) => config(`c${at}`));
  test("it is short enough to be applied at once", () => {
    const { state } = new ConfigLog();
    assert.match(refuses(state, { type: "removeConfigs", names, by: OPERATOR })?.message ?? "", /at most 256/);
    const items = names.map((name) => ({ name, content: content("x"), fields: {} }));
    assert.match(refuses(state, { type: "stageConfigs", importId: "i", items })?.message ?? "", /at most 256/);
  });
  test("a staged item that breaks a rule is named with it", () => {
    const items = [{ name: config("a"), content: content(" "), fields: {} }];
    const refused = refuses(new ConfigLog().state, { type: "stageConfigs", importId: "i", items });
    assert.match(refused?.message ?? "", /^dataId 'a' in group 'DEFAULT_GROUP': Param 'content'/);
  });
  test("an import has to fit among the configurations of this member", () => {
    const log = new ConfigLog({ configsMax: 2 });
    log.publish(config("a"), "x");
    const commit = { type: "commitConfigs", importId: "i", policy: "OVERWRITE", by: OPERATOR } as const;
    const stage = (id: string) =>
      log.apply({
        type: "stageConfigs",
        importId: "i",
        items: [{ name: config(id), content: content("x"), fields: {} }],
      });
    for (const id of ["a", "b", "b"]) stage(id);
    assert.equal(refuses(log.state, commit), undefined);
    stage("c");
    assert.equal(refuses(log.state, commit)?.failure, "overThreshold");
  });
});

describe("an entry of the log", () => {
  test("is not refused by an option that was changed since", () => {
    const log = new ConfigLog({ configsMax: 0, contentBytesMax: 0, grayVersionsMax: 0, namespacesMax: 0 });
    assert.equal(log.publish(config("a/b"), "x").refused, undefined);
    assert.equal(log.publish(config("a/b"), "x", { gray: tagTarget("blue") }).refused, undefined);
    assert.equal(log.apply({ type: "createNamespace", id: "dev", name: "d", description: "" }).refused, undefined);
  });
});
