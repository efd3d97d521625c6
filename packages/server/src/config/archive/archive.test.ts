import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CONFIG_TYPES } from "@nacre/protocol";
import fc from "fast-check";
import { yamlTexts } from "../checks/yaml.ts";
import { ARCHIVE_LIMITS } from "./limits.ts";
import type { ArchiveForm } from "./metadata.ts";
import { readArchive } from "./read-archive.ts";
import { readDirectory, readEntry } from "./read-zip.ts";
import { type ArchiveSource, archiveFileName, writeArchive } from "./write-archive.ts";

const readYaml = async (text: string): Promise<unknown> => yamlTexts(text);

/** Of plain objects, as the reader makes them. */
const record = <T>(arbitraries: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(arbitraries, { noNullPrototype: true });

async function archiveOf(items: readonly ArchiveSource[], form: ArchiveForm): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  async function* source(): AsyncGenerator<ArchiveSource, void> {
    yield* items;
  }
  for await (const piece of writeArchive(source(), form, new Date(2026, 0, 2, 3, 4, 6))) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function entriesOf(archive: Buffer): Promise<Record<string, string>> {
  const entries: Record<string, string> = {};
  for (const entry of await readDirectory(archive, ARCHIVE_LIMITS)) {
    entries[entry.name] = Buffer.from(await readEntry(entry)).toString();
  }
  return entries;
}

const orders: ArchiveSource = {
  name: { group: "SHOP", dataId: "orders.v2.yaml" },
  content: "port: 80\r\n名: 值\n",
  fields: { type: "yaml", appName: "order-svc", description: 'the "first"\nline', tags: ["a", "b"] },
};
const plain: ArchiveSource = {
  name: { group: "DEFAULT_GROUP", dataId: "plain" },
  content: "x",
  fields: { type: "text" },
};

describe("an archive in the old form", () => {
  test("has an entry group/dataId each, and a line for each application with the last dot as ~", async () => {
    assert.deepEqual(await entriesOf(await archiveOf([orders, plain], "old")), {
      "SHOP/orders.v2.yaml": orders.content,
      "DEFAULT_GROUP/plain": "x",
      ".meta.yml": "SHOP.orders.v2~yaml.app=order-svc\r\n",
    });
  });

  test("has no metadata without applications", async () => {
    assert.deepEqual(Object.keys(await entriesOf(await archiveOf([plain], "old"))), ["DEFAULT_GROUP/plain"]);
  });

  test("gives back contents and applications; types come from the extension", async () => {
    const { items, unrecognized } = await readArchive(await archiveOf([orders, plain], "old"), { readYaml });
    assert.deepEqual(items, [
      { name: orders.name, content: orders.content, fields: { type: "yaml", appName: "order-svc" } },
      { name: plain.name, content: "x", fields: { type: "text" } },
    ]);
    assert.deepEqual(unrecognized, []);
  });

  test("an application with a line break does not become a line of its own", async () => {
    const item = { ...plain, fields: { appName: "a\r\nG.other.app=b" } };
    const { items } = await readArchive(await archiveOf([item], "old"), { readYaml });
    assert.deepEqual(items[0]?.fields, { type: "text", appName: "a G.other.app=b" });
  });
});

describe("an archive in the new form", () => {
  test("lists group, data id, description, type, application, and labels where there are some", async () => {
    const entries = await entriesOf(await archiveOf([orders, plain], "new"));
    assert.equal(
      entries[".metadata.yml"],
      [
        "metadata:",
        '- group: "SHOP"',
        '  dataId: "orders.v2.yaml"',
        '  desc: "the \\"first\\"\\nline"',
        '  type: "yaml"',
        '  appName: "order-svc"',
        '  configTags: "a,b"',
        '- group: "DEFAULT_GROUP"',
        '  dataId: "plain"',
        '  desc: ""',
        '  type: "text"',
        '  appName: ""',
        "",
      ].join("\n"),
    );
  });

  test("gives back every field", async () => {
    const { items } = await readArchive(await archiveOf([orders], "new"), { readYaml, accept: "described" });
    assert.deepEqual(items, [orders]);
  });

  test("escapes what versions of YAML read differently", async () => {
    const item = { ...plain, fields: { description: "\u0085\u2028\u2029\ufeff\u{1f600}中" } };
    const { ".metadata.yml": text = "" } = await entriesOf(await archiveOf([item], "new"));
    assert.ok(text.includes('desc: "\\u0085\\u2028\\u2029\\ufeff\\U0001f600中"'), text);
    const { items } = await readArchive(await archiveOf([item], "new"), { readYaml });
    assert.equal(items[0]?.fields.description, item.fields.description);
  });

  test("of nothing says so", async () => {
    assert.deepEqual(await entriesOf(await archiveOf([], "new")), { ".metadata.yml": "metadata: []\n" });
  });

  test("carries any items there and back", async () => {
    const part = fc.stringMatching(/^[a-zA-Z0-9\-_:.]{1,40}$/).filter((text) => text !== "." && text !== "..");
    const content = fc.string({ unit: "binary", maxLength: 300 }).filter((text) => text.trim() !== "");
    const tag = fc.stringMatching(/^[^\s,]{1,10}$/);
    const item = record({
      name: record({ group: part, dataId: part }),
      content,
      fields: record({
        type: fc.constantFrom(...CONFIG_TYPES),
        appName: fc.string({ unit: "grapheme", maxLength: 20 }),
        description: fc.string({ unit: "binary", maxLength: 60 }),
        tags: fc.uniqueArray(tag, { minLength: 1, maxLength: 5 }),
      }),
    });
    const items = fc.uniqueArray(item, {
      minLength: 1,
      maxLength: 8,
      selector: ({ name }) => `${name.group}/${name.dataId}`,
    });
    await fc.assert(
      fc.asyncProperty(items, async (sources) => {
        const read = await readArchive(await archiveOf(sources, "new"), { readYaml, accept: "described" });
        assert.deepEqual(read, { items: sources, unrecognized: [] });
      }),
      { numRuns: 100 },
    );
  });

  test("carries a content of 10 MiB, however well it packs, and a byte order mark", async () => {
    const sources = [
      { ...plain, content: "a".repeat(10 * 1024 * 1024) },
      { ...orders, content: "\ufeffx: 1" },
    ];
    const { items } = await readArchive(await archiveOf(sources, "new"), { readYaml });
    assert.equal(items[0]?.content, sources[0]?.content);
    assert.equal(items[1]?.content, "\ufeffx: 1");
  });
});

describe("the name of an archive's file", () => {
  test("is made of local time", () => {
    assert.equal(archiveFileName(new Date(2026, 0, 2, 3, 4, 6)), "nacos_config_export_20260102030406.zip");
  });
});
