import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { endAll, startServer } from "./start.ts";

test("a second start on a folder that is in use changes nothing in it, and the first can be followed by another", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "start-"));
  t.after(() => rm(dataDir, { recursive: true }));
  const member = () => readFile(join(dataDir, "member.json"), "utf8");
  const given = { dataDir, port: 0, bindAddress: "127.0.0.1", logLevel: "error" } as const;
  const first = await startServer(given);
  const before = await member();
  await assert.rejects(startServer(given), /the data folder .* is in use by another process/);
  assert.equal(await member(), before);
  await first.stop(0);
  const next = await startServer(given);
  assert.notEqual(await member(), before);
  await next.stop(0);
});

test("a part that cannot be closed keeps no other from closing, and what failed is told", async () => {
  const ended: string[] = [];
  const broken = new Error("the disk is gone");
  const failures = await endAll(
    [
      () => void ended.push("log"),
      () => Promise.reject(broken),
      (graceMs) => void ended.push(`ports within ${graceMs} ms`),
    ],
    () => 7,
  );
  assert.deepEqual(ended, ["ports within 7 ms", "log"]);
  assert.deepEqual(failures, [broken]);
});
