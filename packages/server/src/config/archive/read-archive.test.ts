import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { type FailureName, RegistryError } from "@nacre/protocol";
import fc from "fast-check";
import { yamlTexts } from "../checks/yaml.ts";
import { readOldLines } from "./metadata.ts";
import { type ReadArchiveOptions, readArchive } from "./read-archive.ts";
import { type HandMade, type HandMadeEnd, zipOf } from "./zip.fixture.ts";

const readYaml = async (text: string): Promise<unknown> => yamlTexts(text);
const read = (archive: Uint8Array, options: Partial<ReadArchiveOptions> = {}) =>
  readArchive(archive, { readYaml, ...options });

/** Fails with the code of the wire that this name stands for, and with a sentence about why. */
async function refuses(archive: Uint8Array, failure: FailureName, message: RegExp, options = {}): Promise<void> {
  await assert.rejects(read(archive, options), (error: unknown) => {
    assert.ok(error instanceof RegistryError, String(error));
    assert.equal(error.failure, failure, error.message);
    assert.match(error.message, message);
    return true;
  });
}

const good: HandMade = { name: "G/good", content: "1" };

/** What becomes of an archive with one good entry and this one. */
async function beside(entry: HandMade, end?: HandMadeEnd): Promise<unknown> {
  const { items, unrecognized } = await read(zipOf([good, entry], end));
  assert.deepEqual(
    items.map(({ name }) => `${name.group}/${name.dataId}`),
    ["G/good"],
  );
  return unrecognized;
}

describe("an entry that is no configuration is listed, and the others are read", () => {
  const named = "must be named group/dataId, of letters, digits and - _ : .";
  const names = [
    "../etc",
    "G/..",
    "a/b/c",
    "/etc/passwd",
    "G",
    "G/",
    "/x",
    "G\\x",
    "C:\\G/x",
    "G/na me",
    "G/x\0",
    "组/x",
  ];
  for (const name of names.filter((one) => !one.endsWith("/"))) {
    test(`named ${JSON.stringify(name)}`, async () => {
      assert.deepEqual(await beside({ name, content: "x" }), [{ itemName: name, reason: named }]);
    });
  }

  test("named in bytes that are not UTF-8", async () => {
    assert.deepEqual(await beside({ name: Buffer.from([71, 47, 0xff]) }), [{ itemName: "G/\ufffd", reason: named }]);
  });

  test("with a name of 60,000 characters, which is cut where it is shown", async () => {
    const name = "x".repeat(60_000);
    assert.deepEqual(await beside({ name }), [{ itemName: `${"x".repeat(400)}...`, reason: named }]);
  });

  const cases: Record<string, { entry: HandMade; reason: string }> = {
    encrypted: { entry: { name: "G/x", content: "x", flags: 1 }, reason: "is encrypted; pack it without a password" },
    "packed by another method": {
      entry: { name: "G/x", content: "x", method: 93 },
      reason: "is packed in a way other than deflate",
    },
    empty: { entry: { name: "G/x", content: " \n" }, reason: "is empty" },
    "not in UTF-8": {
      entry: { name: "G/x", content: Buffer.from([0xd6, 0xd0]) },
      reason: "is not written in UTF-8",
    },
    "an archive within the archive": {
      entry: { name: "G/x.zip", content: zipOf([{ name: "G/y", content: Buffer.alloc(100, 0xff) }]) },
      reason: "is not written in UTF-8",
    },
    "too large": {
      entry: { name: "G/x", content: "x".repeat(10 * 1024 * 1024 + 1) },
      reason: "is larger than 10485760 bytes",
    },
  };
  for (const [what, { entry, reason }] of Object.entries(cases)) {
    test(what, async () => {
      assert.deepEqual(await beside(entry), [{ itemName: entry.name, reason }]);
    });
  }

  test("folders are passed over, stored entries and comments at the end are read", async () => {
    const { items, unrecognized } = await read(
      zipOf(
        [
          { name: "G/", method: 0 },
          { name: "G/x", content: "y", method: 0 },
        ],
        { comment: "made by hand" },
      ),
    );
    assert.deepEqual(unrecognized, []);
    assert.deepEqual(items, [{ name: { group: "G", dataId: "x" }, content: "y", fields: { type: "text" } }]);
  });
});

describe("an archive that can not be trusted gives nothing", () => {
  const text = Buffer.from("some text that is packed, some text that is packed");
  const bomb = deflateRawSync(Buffer.alloc(9 * 1024 * 1024));
  const cases: Record<string, { archive: () => Buffer; message: RegExp }> = {
    "no zip": { archive: () => Buffer.from("hello, this is no archive at all"), message: /no zip archive/ },
    "cut at its end": { archive: () => zipOf([good]).subarray(0, -1), message: /no zip archive, or its end/ },
    "cut in front": { archive: () => zipOf([good]).subarray(10), message: /not where its end says/ },
    "a number of entries that is wrong": {
      archive: () => zipOf([good], { count: 2 }),
      message: /directory is cut/,
    },
    "zip64 by its count": { archive: () => zipOf([good], { count: 0xffff }), message: /zip64 archive/ },
    "zip64 by a size": { archive: () => zipOf([{ ...good, size: 0xffffffff }]), message: /needs zip64/ },
    "a wrong checksum": { archive: () => zipOf([{ ...good, crc: 1 }]), message: /G\/good does not fit its checksum/ },
    "a size too small": {
      archive: () => zipOf([{ name: "G/x", content: text, size: 10 }]),
      message: /can not be inflated to the size/,
    },
    "a size too large": {
      archive: () => zipOf([{ name: "G/x", content: text, size: 200 }]),
      message: /can not be inflated to the size/,
    },
    "a large entry with a size too small": {
      archive: () => zipOf([{ name: "G/x", data: bomb, size: 1024 * 1024 }]),
      message: /can not be inflated to the size/,
    },
    "data that are not deflated": {
      archive: () => zipOf([{ name: "G/x", data: Buffer.from([7, 7, 7]), size: 3 }]),
      message: /can not be inflated/,
    },
    "a size that no data can have": {
      archive: () => zipOf([{ name: "G/x", content: "x", size: 9_000_000 }]),
      message: /no content can become the size/,
    },
    "one name twice": { archive: () => zipOf([good, good]), message: /holds G\/good twice/ },
    "another name in the entry": {
      archive: () => zipOf([{ ...good, localName: "G/evil" }]),
      message: /another name in its own header/,
    },
    "an entry outside of the archive": {
      archive: () => zipOf([{ ...good, offset: 1_000_000 }]),
      message: /not where the directory says/,
    },
    "entries that share bytes": {
      archive: () => zipOf([good, { ...good, offset: 0 }]),
      message: /share bytes/,
    },
    "100,000 entries": {
      archive: () => zipOf(Array.from({ length: 100_000 }, (_, index) => ({ name: `G/${index}`, method: 0 }))),
      message: /more than the 10001 entries/,
    },
    "100,000 entries that claim to be ten": {
      archive: () =>
        zipOf(
          Array.from({ length: 100_000 }, (_, index) => ({ name: `G/${index}`, method: 0 })),
          { count: 10 },
        ),
      message: /more than the 10001 entries/,
    },
    "300 MiB in 300 kB": {
      archive: () =>
        zipOf(Array.from({ length: 34 }, (_, index) => ({ name: `G/${index}`, data: bomb, size: 9 * 1024 * 1024 }))),
      message: /become 320864256 bytes, more than the 268435456/,
    },
    "90 MiB in 90 kB": {
      archive: () =>
        zipOf(Array.from({ length: 10 }, (_, index) => ({ name: `G/${index}`, data: bomb, size: 9 * 1024 * 1024 }))),
      message: /grow more than 200 times/,
    },
  };
  for (const [what, { archive, message }] of Object.entries(cases)) {
    test(what, () => refuses(archive(), "importUnreadable", message));
  }

  test("no bytes, nothing but folders, and metadata of nothing are empty", async () => {
    await refuses(Buffer.alloc(0), "importEmpty", /file is empty/);
    await refuses(zipOf([{ name: "G/" }]), "importEmpty", /holds no configuration/);
    await refuses(zipOf([]), "importEmpty", /holds no configuration/);
    await refuses(zipOf([{ name: ".metadata.yml", content: "metadata: []\n" }]), "importEmpty", /no configuration/);
  });

  test("only entries that are none hold nothing valid", async () => {
    await refuses(zipOf([{ name: "a/b/c", content: "x" }]), "importNothingValid", /: a\/b\/c must be named/);
  });
});

describe("metadata", () => {
  const metadata = (content: string): HandMade => ({ name: ".metadata.yml", content });
  const row = "- {group: G, dataId: good, type: json}\n";

  test("in the new form decides what is taken; what either side lacks is listed", async () => {
    const archive = zipOf([
      good,
      { name: "G/other", content: "x" },
      metadata(`metadata:\n${row}- {group: G, dataId: lost, type: text}`),
    ]);
    assert.deepEqual(await read(archive), {
      items: [{ name: { group: "G", dataId: "good" }, content: "1", fields: { type: "json" } }],
      unrecognized: [
        { itemName: "G/other", reason: "is not described in .metadata.yml" },
        { itemName: "G/lost", reason: "is in .metadata.yml alone" },
      ],
    });
  });

  test("is read as texts, as other servers wrote it: numbers, nulls, unknown keys, a list of labels", async () => {
    const yaml = [
      "metadata:",
      "- appName: null",
      "  configTags: [a, 1, a]",
      "  dataId: 1.10",
      "  desc: 007",
      "  group: G",
      "  type: TOML",
      "  more: {x: 1}",
    ].join("\r\n");
    const { items } = await read(zipOf([{ name: "G/1.10", content: "x" }, metadata(yaml)]));
    assert.deepEqual(items[0]?.fields, { type: "toml", description: "007", tags: ["a", "1"] });
  });

  const illegal: Record<string, { yaml: string; message: RegExp }> = {
    "no YAML": { yaml: "metadata:\n- {a: ]", message: /^\.metadata\.yml is not valid yaml at line 2, column 7/ },
    "no list": { yaml: "metadata: 1", message: /must be a list under the key metadata/ },
    "a row without a group": {
      yaml: "metadata: [{dataId: a, type: json}]",
      message: /metadata\[0\] of \.metadata\.yml has no group/,
    },
    "a row with a blank data id": { yaml: "metadata: [{group: G, dataId: ' ', type: json}]", message: /has no dataId/ },
    "a row without a type": { yaml: "metadata: [{group: G, dataId: a}]", message: /has no type/ },
    "a row that is none": { yaml: "metadata: [1]", message: /must have the keys/ },
    "a data id that is a map": {
      yaml: "metadata: [{group: G, dataId: {}, type: text}]",
      message: /dataId of .* must be a text/,
    },
    "a text that no field may have": {
      yaml: `metadata: [{group: G, dataId: a, type: json, configTags: '${"a,".repeat(2_049)}'}]`,
      message: /configTags of metadata\[0\] of \.metadata\.yml has more than 4096 characters/,
    },
    "a list that no field may have": {
      yaml: `metadata: [{group: G, dataId: a, type: json, configTags: [${"a,".repeat(4_097)}]}]`,
      message: /configTags of metadata\[0\] of \.metadata\.yml has more than 4096 items/,
    },
    "a configuration twice": { yaml: `metadata:\n${row}${row}`, message: /describes G\/good twice/ },
    "a bomb of aliases": {
      yaml: `a: &a [x]\n${"bcdefgh"
        .split("")
        .map((key, index) => `${key}: &${key} [${`*${"abcdefgh"[index]},`.repeat(9)}]\n`)
        .join("")}metadata: []`,
      message: /alias/i,
    },
  };
  for (const [what, { yaml, message }] of Object.entries(illegal)) {
    test(`with ${what} is illegal`, () => refuses(zipOf([good, metadata(yaml)]), "importMetadataIllegal", message));
  }

  test("of v3 must be there; a blank type goes by the extension", async () => {
    await refuses(zipOf([good]), "importMetadataIllegal", /neither \.metadata\.yml nor \.meta\.yml/, {
      accept: "described",
    });
    const rows = ["a.yml", "a.htm", "a.properties", "a.unknown", "a.unset", "toml", "a.__proto__"];
    const yaml = `metadata:\n${rows.map((dataId) => `- {group: G, dataId: ${dataId}, type: ''}\n`).join("")}`;
    const { items } = await read(zipOf([...rows.map((id) => ({ name: `G/${id}`, content: "x" })), metadata(yaml)]), {
      accept: "described",
    });
    assert.deepEqual(
      items.map(({ fields }) => fields.type),
      ["yaml", "html", "properties", "text", "text", "text", "text"],
    );
  });

  test("in the old form with a line that is none is illegal", async () => {
    await refuses(
      zipOf([good, { name: ".meta.yml", content: "G.good.app=a\r\nnonsense\r\n" }]),
      "importMetadataIllegal",
      /line 2 of \.meta\.yml/,
    );
  });

  test("in the old form lets others have their turn, however many lines it has", async () => {
    let turns = 0;
    const reading = readOldLines("\n".repeat(1_000_000));
    const watch = () => {
      turns++;
      watching = setImmediate(watch);
    };
    let watching = setImmediate(watch);
    await reading;
    clearImmediate(watching);
    assert.ok(turns > 1, `${turns} turns`);
  });

  test("that is encrypted is illegal", async () => {
    await refuses(zipOf([good, { ...metadata("x"), flags: 1 }]), "importMetadataIllegal", /is encrypted/);
  });

  test("whose parser is busy fails as the parser does", async () => {
    const busy = async (): Promise<unknown> => Promise.reject(new RegistryError("overThreshold", "busy"));
    await refuses(zipOf([good, metadata("x")]), "overThreshold", /busy/, { readYaml: busy });
  });
});

describe("any bytes", () => {
  const settles = async (archive: Uint8Array): Promise<void> => {
    await read(archive).catch((error: unknown) => {
      if (!(error instanceof RegistryError) || !error.failure.startsWith("import")) throw error;
    });
  };

  test("give a result or a failure of imports", async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), settles), { numRuns: 200 });
  });

  test("of an archive with some of them changed, too", async () => {
    const archive = zipOf([
      good,
      { name: "G/b.yaml", content: "a: 1\n".repeat(30) },
      { name: ".meta.yml", content: "G.good.app=a" },
    ]);
    const change = fc.tuple(fc.nat(archive.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 5 }), async (changes) => {
        const changed = Buffer.from(archive);
        for (const [at, value] of changes) changed[at] = value;
        await settles(changed);
      }),
      { numRuns: 1000 },
    );
  });
});
