import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { renderStatements } from "./queries/render-statements.ts";

const run = promisify(execFile);

describe("fixed queries", () => {
  test("are what Kysely makes of them", async () => {
    const held = await readFile(new URL("./statements.ts", import.meta.url), "utf8");
    assert.equal(held, renderStatements(), "run npm run docs");
  });

  test("are run without Kysely, which would hold the event loop while it is loaded", async () => {
    const code = `
      import { registerHooks } from "node:module";
      const urls = [];
      registerHooks({ resolve(name, context, next) {
        const found = next(name, context);
        urls.push(found.url);
        return found;
      } });
      await import(${JSON.stringify(new URL("./config-tables.ts", import.meta.url).href)});
      console.log(urls.join("\\n"));`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", code]);
    assert.match(stdout, /sql\/statements\.ts/);
    assert.doesNotMatch(stdout, /kysely/);
  });
});
