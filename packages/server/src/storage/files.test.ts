import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { nodeFiles } from "./files.ts";

const rightsOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

async function temporary(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "nacre-files-"));
  context.after(() => rm(folder, { recursive: true }));
  return folder;
}

describe("a folder for data", { skip: process.platform === "win32" }, () => {
  test("is made for its owner alone, with those above it", async (context) => {
    const folder = await temporary(context);
    await nodeFiles.makeDirectory(join(folder, "data", "log"));
    assert.deepEqual(
      [await rightsOf(join(folder, "data")), await rightsOf(join(folder, "data", "log"))],
      ["700", "700"],
    );
  });
  test("keeps its rights when it is there already", async (context) => {
    const folder = await temporary(context);
    await chmod(folder, 0o750);
    await nodeFiles.makeDirectory(folder);
    assert.equal(await rightsOf(folder), "750");
  });
});
