import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, describe, test } from "node:test";
import { promisify } from "node:util";
import { type FailureName, RegistryError } from "@nacre/protocol";
import { Checks, type ChecksOptions } from "./checks.ts";

const opened: Checks[] = [];
after(() => Promise.all(opened.map((checks) => checks.close())));

function newChecks(options: Partial<ChecksOptions> = {}): Checks {
  const checks = new Checks(options);
  opened.push(checks);
  return checks;
}

const failsAs = (failure: FailureName) => (error: unknown) =>
  error instanceof RegistryError && error.failure === failure;

/** A rule that takes longer than anyone waits. */
const ENDLESS = { text: JSON.stringify("a".repeat(200)), schema: '{"pattern":"^(a+)+$b"}' };

describe("checks of contents", () => {
  test("tell what is wrong, and nothing when nothing is", async () => {
    const checks = newChecks();
    assert.equal(await checks.checkContent("yaml", "a: 1"), undefined);
    assert.match((await checks.checkContent("yaml", "a: b: c")) ?? "", /line 1, column 4/);
    assert.match((await checks.checkContent("json", "[1]", '{"items":{"type":"string"}}')) ?? "", /\/0 must be string/);
  });

  test("read YAML as texts, and refuse what is none", async () => {
    const checks = newChecks();
    assert.deepEqual(await checks.readYaml("a: [1, null, 'x']"), { a: ["1", null, "x"] });
    await assert.rejects(checks.readYaml("a: ]"), failsAs("invalidParameter"));
    await assert.rejects(checks.readYaml("a\n---\nb"), /more than one document/);
  });

  test("hand over no data of YAML that aliases make a hundred times as large", async () => {
    const checks = newChecks({ limitMs: 60_000 });
    const often = "- *a\n".repeat(99);
    const values = `- &a [${"{},".repeat(12_000)}]\n${often}`;
    const characters = `- &a "${"a".repeat(400_000)}"\n${often}`;
    for (const bomb of [values, characters, "- &a [*a]\n"])
      await assert.rejects(checks.readYaml(bomb), {
        failure: "invalidParameter",
        message: /too large with its aliases written out/,
      });
    assert.deepEqual(await checks.readYaml("- &a [x, {b: c}]\n- *a\n"), [
      ["x", { b: "c" }],
      ["x", { b: "c" }],
    ]);
  });

  test("have no thread for types without a grammar", async () => {
    const counts: number[] = [];
    const checks = newChecks({ onThreads: (count) => counts.push(count) });
    for (const type of ["text", "html", "unset"] as const) {
      assert.equal(await checks.checkContent(type, "<"), undefined);
    }
    assert.deepEqual(counts, []);
  });

  test("end a thread that takes too long, call its content wrong, and go on with the next", async () => {
    const checks = newChecks({ limitMs: 300, threadsMax: 1 });
    const [endless, right] = await Promise.all([
      checks.checkContent("json", ENDLESS.text, ENDLESS.schema),
      // Waits for a thread of its own: the limit counts from when it has one.
      checks.checkContent("properties", "a=1"),
    ]);
    assert.equal(endless, "not valid json: it takes more than 300 ms to check");
    assert.equal(right, undefined);
  });

  test("end a thread that takes too much memory, and go on with the next", async () => {
    const checks = newChecks({ limitMs: 60_000, heapMegabytesMax: 32 });
    const large = Array.from({ length: 200_000 }, (_, index) => `key-${index}: [a, b]\n`).join("");
    assert.equal(await checks.checkContent("yaml", large), "not valid yaml: it takes more than 32 MiB to check");
    assert.equal(await checks.checkContent("yaml", "a: 1"), undefined);
  });

  test("run at most so many at a time, and refuse what does not fit the queue", async () => {
    let threads = 0;
    const checks = newChecks({
      threadsMax: 2,
      waitingMax: 3,
      onThreads: (count) => {
        threads = Math.max(threads, count);
      },
    });
    const five = Array.from({ length: 5 }, () => checks.checkContent("json", "1"));
    await assert.rejects(checks.checkContent("json", "1"), failsAs("overThreshold"));
    assert.deepEqual(await Promise.all(five), Array(5).fill(undefined));
    assert.equal(threads, 2);
  });

  test("end their threads when there is nothing to do, and start them again", async () => {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const checks = newChecks({ idleMs: 1, onThreads: (count) => count === 0 && resolve() });
    assert.equal(await checks.checkContent("json", "1"), undefined);
    await ended;
    assert.match((await checks.checkContent("json", "")) ?? "", /line 1/);
  });

  test("refuse what runs, what waits and what comes when they are closed", async () => {
    const checks = newChecks({ threadsMax: 1 });
    const pending = ["1", "2"].map((text) => assert.rejects(checks.checkContent("json", text), failsAs("unavailable")));
    await checks.close();
    await Promise.all(pending);
    await assert.rejects(checks.checkContent("json", "1"), failsAs("unavailable"));
  });

  test("load no parser outside of their threads, and do not keep a process alive", async () => {
    const script = `
      import { registerHooks } from "node:module";
      const loaded = [];
      registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
      const { Checks } = await import(${JSON.stringify(import.meta.resolve("./checks.ts"))});
      if ((await new Checks().checkContent("yaml", "a: 1")) !== undefined) throw new Error("wrong");
      const parsers = loaded.filter((url) => /node_modules.(yaml|ajv|fast-xml-parser|smol-toml)/.test(url));
      console.log(JSON.stringify({ any: loaded.length > 0, parsers }));
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
    assert.deepEqual(JSON.parse(stdout), { any: true, parsers: [] });
  });
});
