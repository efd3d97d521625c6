import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { ConfigRegisterMachine } from "@nacre/testkit/config-registers";
import { put } from "@nacre/testkit/log-suite";
import { readLog } from "../offline/folder.ts";
import { crc32 } from "./crc32.ts";
import { nodeFiles } from "./files.ts";
import { openStorage } from "./storage.ts";

/** Of a member of a group, that was stopped in order: a log, a vote, and a snapshot. */
async function stopped(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "nacre-versions-"));
  t.after(() => rm(directory, { recursive: true }));
  const storage = await open(directory);
  await storage.vote.write({ ...storage.vote.state, term: 1, vote: "a" });
  const payload = Buffer.from(JSON.stringify(put("key", "1")));
  const { firstIndex } = await storage.log.append([{ term: 1, kind: "command", at: 1, payload }]);
  await storage.applier.apply((await storage.log.read(firstIndex, 1_000)) ?? [], () => {});
  await storage.snapshots.take();
  await storage.close();
  return directory;
}

/** A member that would have damaged files sent again by the others. */
function open(directory: string) {
  return openStorage({ directory, machine: new ConfigRegisterMachine(), replays: false, quarantines: true });
}

/** Changes what `pick` finds and gives it a checksum that fits, as a program of a later version would have written it. */
const LATER: Record<
  string,
  { readonly folder: string; readonly highest: number; readonly change: (bytes: Buffer) => Buffer }
> = {
  "the log": {
    folder: "log",
    highest: 2,
    change(bytes) {
      bytes.writeUInt32BE(9, 8);
      bytes.writeUInt32BE(crc32(bytes.subarray(0, 20)), 20);
      return bytes;
    },
  },
  "a snapshot": {
    folder: "snapshots",
    highest: 3,
    change(bytes) {
      const end = bytes.indexOf(10);
      const { sum: _, ...head } = JSON.parse(bytes.toString("utf8", 0, end));
      const later = { ...head, format: "nacre-snapshot-9" };
      const line = JSON.stringify({ ...later, sum: crc32(JSON.stringify(later)) });
      return Buffer.concat([Buffer.from(line), bytes.subarray(end)]);
    },
  },
  "the vote": {
    folder: "",
    highest: 1,
    change(bytes) {
      const at = [0, 4096].find((offset) => bytes.readUInt16BE(offset + 4) > 0) ?? 0;
      const slot = bytes.subarray(at, at + 512);
      const text = slot.toString("utf8", 6, 6 + slot.readUInt16BE(4)).replace('"version":1', '"version":9');
      slot.write(text, 6);
      slot.writeUInt32BE(crc32(slot.subarray(4)), 0);
      return bytes;
    },
  },
};

describe("a data folder of a later version", () => {
  for (const [what, { folder, highest, change }] of Object.entries(LATER)) {
    test(`is refused by name, and left as it is: ${what}`, async (t) => {
      const directory = await stopped(t);
      const name = folder === "" ? "vote" : ((await readdir(join(directory, folder)))[0] ?? "");
      const path = join(directory, folder, name);
      const before = change(await readFile(path));
      await writeFile(path, before);
      const present = await readdir(directory, { recursive: true });
      const refusal = {
        failure: "dataAccess",
        message: new RegExp(
          `^${path} was written by a later version of Nacre: its format is version 9, and this program reads up to version ${highest}\\. .*start the program that wrote it`,
        ),
      };
      await assert.rejects(open(directory), refusal);
      assert.deepEqual(await readFile(path), before);
      assert.deepEqual((await readdir(directory, { recursive: true })).sort(), present.sort(), "nothing was set aside");
      if (what !== "the vote") await assert.rejects(readLog(nodeFiles, directory), refusal);
    });
  }

  test("is told from damage: a version with a checksum that does not fit is damaged", async (t) => {
    const directory = await stopped(t);
    const [name = ""] = await readdir(join(directory, "log"));
    const path = join(directory, "log", name);
    const bytes = await readFile(path);
    bytes.writeUInt32BE(9, 8);
    await writeFile(path, bytes);
    const storage = await open(directory);
    assert.match(storage.quarantine?.reason ?? "", /damaged/);
    await storage.close();
  });
});
