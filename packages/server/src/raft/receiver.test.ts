import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { type Files, nodeFiles } from "../storage/files.ts";
import { IncomingSnapshot } from "../storage/snapshot-transfer.ts";
import { Receiver } from "./receiver.ts";

/** A folder for what comes, and how many files in it are open. */
async function folder(t: TestContext): Promise<{ files: Files; directory: string; open: { count: number } }> {
  const directory = await mkdtemp(join(tmpdir(), "nacre-receiver-"));
  t.after(() => rm(directory, { recursive: true }));
  const open = { count: 0 };
  const opened = (make: Files["open"]): Files["open"] => {
    return async (path) => {
      const file = await make(path);
      open.count++;
      const close = (): Promise<void> => {
        open.count--;
        return file.close();
      };
      return { ...file, close };
    };
  };
  return { files: { ...nodeFiles, open: opened(nodeFiles.open), create: opened(nodeFiles.create) }, directory, open };
}

// A file that nobody closes ends the process when it is collected.
describe("the file of a snapshot that comes", () => {
  test("is closed in the end when another one was to be installed, which it took the place of", async (t) => {
    const { files, directory, open } = await folder(t);
    const storage = {
      receive: (head: { index: number; term: number; total: number }) => IncomingSnapshot.open(files, directory, head),
      install: () => assert.fail("it is not there any more"),
    };
    const receiver = new Receiver(storage, (thrown) => assert.fail(String(thrown)));
    const part = Buffer.from("part");
    receiver.write({ index: 800, term: 3, total: 4 }, 0, part);
    receiver.write({ index: 900, term: 4, total: 8 }, 0, part);
    await assert.rejects(receiver.install(800, 3), /snapshot 800 is not the one that came/);
    receiver.write({ index: 900, term: 4, total: 8 }, 4, part);
    await receiver.close();
    assert.equal(open.count, 0);
    assert.equal(await nodeFiles.size(join(directory, "900-4-8.incoming")), 8, "it goes on");
  });

  test("is closed when it cannot be gone on with", async (t) => {
    const { files, directory, open } = await folder(t);
    await writeFile(join(directory, "800-3-8.incoming"), "part");
    const size = (): Promise<number> => Promise.reject(Object.assign(new Error("broken"), { code: "EIO" }));
    const head = { index: 800, term: 3, total: 8 };
    await assert.rejects(IncomingSnapshot.open({ ...files, size }, directory, head), { failure: "dataAccess" });
    assert.equal(open.count, 0);
  });
});
