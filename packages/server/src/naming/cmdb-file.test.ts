import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { openCmdbFile } from "./cmdb-file.ts";
import { type LabelsProblem, readLabels } from "./cmdb-labels.ts";

describe("labels of addresses", () => {
  test("are read line by line; bad lines are left out and reported by number", () => {
    const text = [
      "# racks",
      "10.1.1.5 = zone:a, room: 7",
      "",
      "orders = zone:a",
      "10.1.1.6 = zone",
      "fd00::1 = zone:b:c\r",
      "10.1.1.5 = zone:z",
      "no equals sign",
    ].join("\n");
    const { labels, problems, usable } = readLabels(text);
    assert.deepEqual(Object.fromEntries(labels), { "10.1.1.5": { zone: "a", room: "7" }, "fd00::1": { zone: "b:c" } });
    assert.deepEqual(
      problems.map(({ line }) => line),
      [4, 5, 7, 8],
    );
    assert.match(problems[0]?.message ?? "", /"orders" is not an IP address/);
    assert.equal(usable, true);
  });

  test("are read from JSON; bad entries are reported by line", () => {
    const text = '{\n  "10.1.1.5": {"zone": "a"},\n  "orders": {},\n  "10.1.1.6": {"zone": 7}\n}';
    const { labels, problems } = readLabels(text);
    assert.deepEqual(Object.fromEntries(labels), { "10.1.1.5": { zone: "a" } });
    assert.deepEqual(
      problems.map(({ line }) => line),
      [3, 4],
    );
  });

  test("are not taken from JSON that is broken, and the line is named", () => {
    const { problems, usable } = readLabels('{\n  "10.1.1.5": {"zone": "a"},\n  oops\n}');
    assert.deepEqual([problems[0]?.line, usable], [3, false]);
  });
});

describe("a labels file", () => {
  async function opened(t: TestContext, text: string | undefined) {
    const folder = await mkdtemp(join(tmpdir(), "nacre-cmdb-"));
    const path = join(folder, "labels");
    if (text !== undefined) await writeFile(path, text);
    const heard: (LabelsProblem | number)[] = [];
    let arrived: () => void = () => {};
    const hear = (what: LabelsProblem | number) => {
      heard.push(what);
      arrived();
    };
    const file = await openCmdbFile(path, { onLoaded: ({ size }) => hear(size), onProblem: hear });
    t.after(async () => {
      file.close();
      await rm(folder, { recursive: true, force: true });
    });
    const until = async (holds: () => boolean) => {
      while (!holds()) await new Promise<void>((resolve) => (arrived = resolve));
    };
    const replace = async (next: string) => {
      await writeFile(`${path}.new`, next);
      await rename(`${path}.new`, path);
    };
    return { path, file, heard, until, replace };
  }

  test("is followed when it is replaced", async (t) => {
    const { file, until, replace } = await opened(t, "10.1.1.5 = zone:a");
    assert.deepEqual(file.labelsOf("10.1.1.5"), { zone: "a" });
    assert.equal(file.labelsOf("10.1.1.6"), undefined);
    await replace("10.1.1.6 = zone:b");
    await until(() => file.labelsOf("10.1.1.6")?.zone === "b");
    assert.deepEqual([file.size, file.labelsOf("10.1.1.5")], [1, undefined]);
  });

  test("keeps the last usable labels when it breaks or goes away", async (t) => {
    const { path, file, heard, until, replace } = await opened(t, '{"10.1.1.5": {"zone": "a"}}');
    await replace("{ oops");
    await until(() => heard.some((what) => typeof what === "object" && what.line === 1));
    await rm(path);
    await until(() => heard.some((what) => typeof what === "object" && /ENOENT/.test(what.message)));
    assert.deepEqual(file.labelsOf("10.1.1.5"), { zone: "a" });
  });

  test("may come later", async (t) => {
    const { file, heard, until, replace } = await opened(t, undefined);
    assert.equal(heard.length, 1);
    await replace("10.1.1.5 = zone:a");
    await until(() => file.size === 1);
  });
});
