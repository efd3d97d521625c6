import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { ConfigFields, ConfigWrite, Content, GrayTarget } from "@nacre/core/config";
import type { ConfigName } from "@nacre/protocol";
// Types only: nothing of the server is loaded, so that its own tests can use this suite.
import type { ConfigQuery, ConfigStore } from "@nacre/server/storage";

export interface ConfigStoreUnderTest {
  readonly configs: ConfigStore;
  /** Performs the writes of one entry. */
  write(...writes: ConfigWrite[]): Promise<void>;
}

const by = { user: "nacre", ip: "10.0.0.1" };
export const configName = (dataId: string, group = "group", namespace = "public"): ConfigName => ({
  namespace,
  group,
  dataId,
});
export const contentOf = (text: string): Content => ({
  text,
  md5: `md5 of ${text.slice(0, 100)}`,
  bytes: Buffer.byteLength(text),
  encryptedDataKey: "",
});

interface Put {
  readonly id?: number;
  readonly fields?: ConfigFields;
  readonly at?: number;
  readonly revision?: number;
}

export function putConfig(name: ConfigName, text: string, { id = 1, fields = {}, at = 1000, revision = 1 }: Put = {}) {
  return { kind: "putConfig", name, id, content: contentOf(text), fields, revision, at, by } as const;
}

export function putGray(
  name: ConfigName,
  gray: GrayTarget,
  text: string,
  { id = 1, fields = {}, at = 1000 }: Put = {},
) {
  return { kind: "putGray", name, id, gray, content: contentOf(text), fields, revision: 1, at, by } as const;
}

export function history(nid: number, name: ConfigName, op: "I" | "U" | "D", at = 1000, gray?: string): ConfigWrite {
  return { kind: "history", nid, name, gray, op, at, by };
}

const BETA: GrayTarget = { name: "beta", rule: { type: "beta", version: "1.0.0", expr: "10.0.0.9", priority: 9 } };
const ALL_FIELDS = {
  type: "yaml",
  appName: "app",
  tags: ["one", "two"],
  description: "description",
  use: "use",
  effect: "effect",
  schema: "schema",
} as const;
const NO_FIELDS = { type: "text", appName: "", tags: [], description: "", use: "", effect: "", schema: "" };

const FIRST = { page: 1, size: 1 };

/** What every store of configurations does. @param open  an empty store, removed with the test. */
export function configStoreSuite(name: string, open: (t: TestContext) => Promise<ConfigStoreUnderTest>): void {
  describe(`${name}, as a store of configurations`, () => {
    test("gives back long contents as they were, wherever they stand", async (t) => {
      const { configs, write } = await open(t);
      const at = configName("a");
      const [ascii, any] = ["key: value\n".repeat(20_000), "配置 😀 \0 é\n".repeat(20_000)];
      await write(putConfig(at, ascii), putGray(at, BETA, any), history(1, at, "U"), putConfig(at, any));
      const read = [await configs.content(at), (await configs.config(at))?.content, await configs.content(at, "beta")];
      assert.deepEqual([...read, (await configs.gray(at, "beta"))?.content], [any, any, any, any]);
      assert.equal((await configs.historyRow(1))?.content, ascii);
      const query = { namespace: "public", wildcards: false, content: "配置 😀" };
      const { items } = await configs.search(query, { page: 1, size: 1 });
      assert.deepEqual(
        items.map(({ content }) => content),
        [any],
      );
    });

    test("gives back what was put, and nothing where nothing is", async (t) => {
      const { configs, write } = await open(t);
      const at = configName("a");
      assert.equal(await configs.config(at), undefined);
      assert.equal(await configs.content(at), undefined);
      await write(putConfig(at, "text", { id: 7, fields: ALL_FIELDS, at: 5, revision: 3 }));
      assert.deepEqual(await configs.config(at), {
        id: 7,
        name: at,
        content: "text",
        md5: "md5 of text",
        bytes: 4,
        encryptedDataKey: "",
        revision: 3,
        createdAt: 5,
        modifiedAt: 5,
        createdBy: by,
        modifiedBy: by,
        fields: ALL_FIELDS,
      });
      assert.equal(await configs.content(at), "text");
      for (const other of [configName("A"), configName("a", "other"), configName("a", "group", "dev")])
        assert.equal(await configs.content(other), undefined);
    });

    for (const text of ["\0 behind a zero", "a\r\nb\n", "配置 🦪", " ", "x".repeat(1_000_000)]) {
      test(`keeps the content ${JSON.stringify(text.slice(0, 20))} to the byte`, async (t) => {
        const { configs, write } = await open(t);
        await write(history(1, configName("a"), "I"), putConfig(configName("a"), text));
        assert.equal(await configs.content(configName("a")), text);
        assert.equal((await configs.historyRow(1))?.content, text);
      });
    }

    test("changes content and keeps fields that are absent; blank ones clear", async (t) => {
      const { configs, write } = await open(t);
      const at = configName("a");
      await write(putConfig(at, "one", { id: 7, fields: ALL_FIELDS, at: 5 }));
      await write(putConfig(at, "two", { id: 8, at: 6, revision: 2, fields: { description: "new" } }));
      const changed = await configs.config(at);
      assert.deepEqual(changed?.fields, { ...ALL_FIELDS, description: "new" });
      assert.deepEqual(
        [changed?.id, changed?.content, changed?.revision, changed?.createdAt, changed?.modifiedAt],
        [7, "two", 2, 5, 6],
        "an existing row keeps its id",
      );
      const blank = { appName: "", tags: [], description: "", use: "", effect: "", schema: "" };
      await write(putConfig(at, "three", { fields: blank }));
      assert.deepEqual((await configs.config(at))?.fields, { ...NO_FIELDS, type: "yaml" });
    });

    test("gives a new configuration without fields blank ones, and text as its type", async (t) => {
      const { configs, write } = await open(t);
      await write(putConfig(configName("a"), "one"));
      assert.deepEqual((await configs.config(configName("a")))?.fields, NO_FIELDS);
    });

    test("keeps gray versions beside the formal one", async (t) => {
      const { configs, write } = await open(t);
      const at = configName("a");
      await write(putConfig(at, "formal"), putGray(at, BETA, "gray", { id: 2, fields: { type: "json" } }));
      assert.equal(await configs.content(at), "formal");
      assert.equal(await configs.content(at, "beta"), "gray");
      assert.equal(await configs.content(at, "tag_x"), undefined);
      const rule = { ...BETA.rule, expr: "10.0.0.8" };
      await write(putGray(at, { ...BETA, rule }, "new", { id: 3 }));
      const gray = await configs.gray(at, "beta");
      assert.deepEqual([gray?.id, gray?.content, gray?.gray, gray?.rule], [2, "new", "beta", rule]);
      assert.equal(gray?.fields.type, "json");
      await write({ kind: "removeConfig", name: at });
      assert.equal(await configs.content(at, "beta"), "new", "each is removed by itself");
      await write({ kind: "removeGray", name: at, gray: "beta" });
      assert.equal(await configs.gray(at, "beta"), undefined);
    });

    test("finds by ids in the order asked for", async (t) => {
      const { configs, write } = await open(t);
      for (const id of [1, 2, 3]) await write(putConfig(configName(`${id}`), "text", { id }));
      assert.deepEqual(
        (await configs.byIds([3, 9, 1])).map(({ id }) => id),
        [3, 1],
      );
      assert.deepEqual(await configs.byIds([]), []);
    });
  });

  describe(`${name}, when configurations are searched for`, () => {
    async function filled(t: TestContext) {
      const store = await open(t);
      const put = (id: number, dataId: string, group: string, text: string, fields: ConfigFields = {}) =>
        putConfig(configName(dataId, group), text, { id, fields });
      await store.write(
        put(10, "app.yaml", "g1", "port: 80%", { type: "yaml", appName: "shop", tags: ["red", "blue"] }),
        put(11, "app.yaml", "g2", "port: 8080", { type: "yaml", tags: ["red"] }),
        put(12, "app_1.json", "g1", '{"a":1}', { type: "json", appName: "shop", tags: ["blue"] }),
        put(13, "appx1.json", "g1", "zero \0 end", { type: "json" }),
        put(14, "App.yaml", "g1", "PORT: 80", { type: "yaml" }),
        put(15, "100%!", "g*", "wild", { type: "text", tags: ["%", "*"] }),
        putConfig(configName("app.yaml", "g1", "dev"), "port: 80%", { id: 16, fields: { tags: ["red"] } }),
      );
      const ids = async (query: Partial<ConfigQuery>) => {
        const full = { namespace: "public", wildcards: true, ...query };
        const { total, items } = await store.configs.search(full, { page: 1, size: 100 });
        assert.equal(total, items.length);
        const scanned: number[] = [];
        for await (const { id } of store.configs.scan(full)) scanned.push(id);
        assert.deepEqual(
          scanned,
          items.map(({ id }) => id),
          "a scan finds the same",
        );
        return scanned;
      };
      return { ...store, ids };
    }

    const cases: [string, Partial<ConfigQuery>, number[]][] = [
      ["everything of the namespace without a condition", {}, [10, 11, 12, 13, 14, 15]],
      ["another namespace", { namespace: "dev" }, [16]],
      ["nothing in an unknown namespace", { namespace: "none" }, []],
      [
        "blank for anything",
        { dataId: "", group: "", appName: "", content: "", types: [], tags: [] },
        [10, 11, 12, 13, 14, 15],
      ],
      ["an exact name", { dataId: "app.yaml", group: "g1" }, [10]],
      ["an exact data id in any group", { dataId: "app.yaml" }, [10, 11]],
      ["an exact group", { group: "g2" }, [11]],
      ["text in front", { dataId: "*.json" }, [12, 13]],
      ["text behind", { dataId: "app*" }, [10, 11, 12, 13]],
      ["text around", { dataId: "*pp*" }, [10, 11, 12, 13, 14]],
      ["stars alone", { dataId: "*", group: "**" }, [10, 11, 12, 13, 14, 15]],
      ["a star in the middle", { dataId: "a*l", group: "g*1" }, [10]],
      ["an underscore as itself", { dataId: "app_*" }, [12]],
      ["a percent sign and an exclamation mark as themselves", { dataId: "*%!" }, [15]],
      ["a star as itself where wildcards are off", { group: "g*", wildcards: false }, [15]],
      ["letters as they are written", { dataId: "APP*" }, []],
      ["an application", { appName: "shop" }, [10, 12]],
      ["types", { types: ["json", "text"] }, [12, 13, 15]],
      ["a label", { tags: ["red"] }, [10, 11]],
      ["all of several labels", { tags: ["blue", "red"] }, [10]],
      ["a label that is named twice", { tags: ["red", "red"] }, [10, 11]],
      ["a label and an application", { tags: ["red"], appName: "shop" }, [10]],
      ["labels as they are", { tags: ["*"] }, [15]],
      ["a label and an exact name", { tags: ["red"], dataId: "app.yaml", group: "g2" }, [11]],
      ["a part of the content", { content: "port: 80" }, [10, 11]],
      ["a percent sign in the content", { content: "80%" }, [10]],
      ["parts of the content", { content: "p*80" }, [10, 11]],
      ["content behind a zero character", { content: "end" }, [13]],
      ["a star in the content where wildcards are off", { content: "p*80", wildcards: false }, []],
      [
        "everything together",
        { dataId: "app*", group: "g1", appName: "shop", types: ["yaml"], tags: ["red"], content: "port" },
        [10],
      ],
    ];
    for (const [what, query, expected] of cases) {
      test(`finds ${what}`, async (t) => {
        const { ids } = await filled(t);
        assert.deepEqual(await ids(query), expected);
      });
    }

    test("gives pages by ascending id, whatever was changed last, with the number of all", async (t) => {
      const { configs, write } = await open(t);
      const count = 1234;
      const puts = Array.from({ length: count }, (_, at) => putConfig(configName(`${at}`), "text", { id: count - at }));
      await write(...puts);
      await write(putConfig(configName("600"), "changed"));
      const seen: number[] = [];
      for (let page = 1; page <= 4; page += 1) {
        const { total, items } = await configs.search({ namespace: "public", wildcards: true }, { page, size: 400 });
        assert.equal(total, count);
        for (const { id } of items) seen.push(id);
      }
      assert.deepEqual(
        seen,
        Array.from({ length: count }, (_, at) => at + 1),
      );
      const beyond = await configs.search({ namespace: "public", wildcards: true }, { page: 5, size: 400 });
      assert.deepEqual(beyond, { total: count, items: [] });
    });

    test("finds an exact data id in any number of groups, and walks what carries a label", async (t) => {
      const { configs, write } = await open(t);
      const groups = Array.from({ length: 1200 }, (_, at) => `group-${at}`);
      await write(
        ...groups.map((group, at) =>
          putConfig(configName("a", group), "text", { id: 2000 - at, fields: { tags: at % 2 === 0 ? ["even"] : [] } }),
        ),
        putConfig(configName("b", "group-0"), "text", { id: 3000, fields: { tags: ["even"] } }),
      );
      const found = async (query: Partial<ConfigQuery>) => {
        const { total, items } = await configs.search({ namespace: "public", wildcards: true, ...query }, FIRST);
        return [total, ...items.map(({ id }) => id)];
      };
      assert.deepEqual(await found({ dataId: "a" }), [1200, 801]);
      assert.deepEqual(await found({ dataId: "a", group: "group-7" }), [1, 1993]);
      assert.deepEqual(await found({ dataId: "a", group: "*-11" }), [1, 1989]);
      assert.deepEqual(await found({ dataId: "a", tags: ["even"] }), [600, 802]);
      assert.deepEqual(await found({ tags: ["even"] }), [601, 802]);
      assert.deepEqual(await found({ group: "group-0" }), [2, 2000]);
    });

    test("leaves contents out where only heads are asked for", async (t) => {
      const { configs } = await filled(t);
      const query = { namespace: "public", wildcards: false, dataId: "app.yaml", headsOnly: true };
      const { items } = await configs.search(query, { page: 1, size: 1 });
      assert.deepEqual([items[0]?.content, items[0]?.md5], ["", "md5 of port: 80%"]);
    });

    test("follows labels that change and rows that go", async (t) => {
      const { ids, write } = await filled(t);
      await write(putConfig(configName("app.yaml", "g1"), "text", { fields: { tags: ["green"] } }));
      await write({ kind: "removeConfig", name: configName("app.yaml", "g2") });
      assert.deepEqual(await ids({ tags: ["red"] }), []);
      assert.deepEqual(await ids({ tags: ["green"] }), [10]);
    });

    test("refuses more searches at once than its bound, and takes them again", async (t) => {
      const { configs } = await filled(t);
      const query = { namespace: "public", wildcards: true, content: "port" };
      const searches = Array.from({ length: 40 }, () => configs.search(query, { page: 1, size: 1 }));
      const outcomes = await Promise.allSettled(searches);
      assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 32);
      const refused = outcomes.find((outcome) => outcome.status === "rejected");
      assert.equal(refused?.reason.failure, "overThreshold");
      assert.equal((await configs.search(query, { page: 1, size: 1 })).total, 2);
    });
  });

  describe(`${name}, as a history`, () => {
    test("holds the state before a change and before a removal, and the one that an insert made", async (t) => {
      const { configs, write } = await open(t);
      const at = configName("a");
      await write(history(1, at, "I", 10), putConfig(at, "one", { id: 5, at: 10, fields: ALL_FIELDS }));
      await write(history(2, at, "U", 20), putConfig(at, "two", { id: 6, at: 20, fields: { tags: [] } }));
      await write(history(3, at, "D", 30), { kind: "removeConfig", name: at });
      const { total, items } = await configs.history({ name: at }, { page: 1, size: 10 });
      assert.equal(total, 3);
      assert.deepEqual(
        items.map(({ nid, id, op, content, at: changedAt, contentAt }) => [nid, id, op, content, changedAt, contentAt]),
        [
          [3, 5, "D", "two", 30, 20],
          [2, 5, "U", "one", 20, 10],
          [1, 5, "I", "one", 10, 10],
        ],
      );
      assert.deepEqual(items[1]?.fields, ALL_FIELDS);
      assert.deepEqual(
        [items[0]?.gray, items[0]?.rule, items[0]?.by, items[0]?.md5],
        [undefined, undefined, by, "md5 of two"],
      );
    });

    test("holds gray versions with their rules", async (t) => {
      const { configs, write } = await open(t);
      const at = configName("a");
      await write(history(1, at, "I", 1, "beta"), putGray(at, BETA, "one"));
      await write(history(2, at, "D", 2, "beta"), { kind: "removeGray", name: at, gray: "beta" });
      const row = await configs.historyRow(2);
      assert.deepEqual([row?.gray, row?.rule, row?.content], ["beta", BETA.rule, "one"]);
    });

    test("knows neighbours of the same version, and the newest of all", async (t) => {
      const { configs, write } = await open(t);
      const at = configName("a");
      await write(history(1, at, "I"), putConfig(at, "one"));
      await write(history(2, at, "I", 1, "beta"), putGray(at, BETA, "gray", { id: 2 }));
      await write(history(3, configName("b"), "I"), putConfig(configName("b"), "other", { id: 3 }));
      await write(history(4, at, "U"), putConfig(at, "two"));
      assert.equal((await configs.historyBefore(4))?.nid, 1);
      assert.equal((await configs.historyAfter(1))?.nid, 4);
      assert.equal(await configs.historyBefore(1), undefined);
      assert.equal(await configs.historyAfter(2), undefined);
      assert.equal(await configs.historyAfter(99), undefined);
      assert.equal((await configs.newestHistory(at))?.nid, 4);
      assert.equal(await configs.newestHistory(configName("none")), undefined);
    });

    test("is paged from the newest, by application where asked, and without contents where asked", async (t) => {
      const { configs, write } = await open(t);
      const at = configName("a");
      for (let nid = 1; nid <= 25; nid += 1) {
        const op = nid === 1 ? "I" : "U";
        await write(history(nid, at, op), putConfig(at, `${nid}`, { fields: { appName: nid < 10 ? "old" : "new" } }));
      }
      const page = await configs.history({ name: at, headsOnly: true }, { page: 2, size: 10 });
      assert.equal(page.total, 25);
      assert.deepEqual(
        page.items.map(({ nid }) => nid),
        [15, 14, 13, 12, 11, 10, 9, 8, 7, 6],
      );
      assert.equal(page.items[0]?.content, "");
      assert.equal((await configs.history({ name: at, appName: "new" }, { page: 1, size: 5 })).total, 15);
    });

    test("is pruned from the oldest, no more than told, and never what is young enough", async (t) => {
      const { configs, write } = await open(t);
      const at = configName("a");
      assert.equal(await configs.oldestHistoryAt(), undefined);
      const writes = Array.from({ length: 100 }, (_, n) => [history(n + 1, at, "I", n + 1), putConfig(at, "text")]);
      await write(...writes.flat());
      await write({ kind: "pruneHistory", before: 81, max: 50 });
      assert.equal(await configs.oldestHistoryAt(), 51);
      await write({ kind: "pruneHistory", before: 81, max: 50 });
      assert.equal(await configs.oldestHistoryAt(), 81);
      assert.equal((await configs.history({ name: at }, { page: 1, size: 1 })).total, 20);
    });
  });

  describe(`${name}, with an import on its way`, () => {
    const stage = (position: number, dataId: string, text: string, fields: ConfigFields = {}): ConfigWrite => ({
      kind: "stage",
      importId: "import",
      position,
      item: { name: configName(dataId), content: contentOf(text), fields },
    });
    const promote = (nid: number, ...ids: number[]): ConfigWrite => ({
      kind: "promote",
      importId: "import",
      nid,
      ids,
      revision: 9,
      at: 90,
      by,
    });

    test("shows nothing of it before its commit, and then all of it", async (t) => {
      const { configs, write } = await open(t);
      const kept = { description: "kept", tags: ["old"] };
      await write(putConfig(configName("b"), "old", { id: 2, at: 5, fields: kept }));
      await write(stage(0, "a", "new a", { tags: ["red"], type: "json" }), stage(1, "b", "new b", { tags: ["red"] }));
      assert.equal(await configs.content(configName("a")), undefined);
      const query = { namespace: "public", wildcards: true, tags: ["red"] };
      assert.equal((await configs.search(query, { page: 1, size: 1 })).total, 0);
      await write(stage(2, "c", "left out"));
      await write(promote(100, 100, 2, 0), { kind: "dropStaged", importId: "import", items: 3, bytes: 17 });
      const { items } = await configs.search(query, { page: 1, size: 10 });
      assert.deepEqual(
        items.map(({ id, content, md5, createdAt, modifiedAt, revision }) => [
          id,
          content,
          md5,
          createdAt,
          modifiedAt,
          revision,
        ]),
        [
          [2, "new b", "md5 of new b", 5, 90, 9],
          [100, "new a", "md5 of new a", 90, 90, 9],
        ],
      );
      assert.deepEqual(items[0]?.fields, { ...NO_FIELDS, description: "kept", tags: ["red"] });
      assert.deepEqual(items[1]?.fields, { ...NO_FIELDS, type: "json", tags: ["red"] });
      assert.deepEqual(
        [(await configs.historyRow(100))?.content, (await configs.historyRow(101))?.content],
        ["new a", "old"],
      );
    });

    test("forgets it when it is dropped, however much it is", async (t) => {
      const { configs, write } = await open(t);
      await write(...Array.from({ length: 100 }, (_, at) => stage(at, `${at}`, "text")));
      await write({ kind: "dropStaged", importId: "import", items: 100, bytes: 400 });
      await assert.rejects(write(promote(1, 1)));
      assert.equal(await configs.content(configName("99")), undefined);
    });
  });
}
