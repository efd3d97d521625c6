import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { boundaryViolations, importsOf, longFiles } from "./boundaries.ts";

function violations(path: string, text: string): number {
  const server = { dependencies: { pino: "1" }, devDependencies: { kysely: "1" } };
  return boundaryViolations([{ path, text }], { server, core: {}, protocol: {} }).length;
}

describe("package boundaries", () => {
  const cases: [string, string, number][] = [
    ["packages/core/src/a.ts", 'import { x } from "@nacre/protocol";', 0],
    ["packages/core/src/a.ts", 'import type { X } from "@nacre/server";', 1],
    ["packages/core/src/a.ts", 'import { readFileSync } from "node:fs";', 1],
    ["packages/core/src/a.ts", 'import fc from "fast-check";', 1],
    ["packages/core/src/a.test.ts", 'import fc from "fast-check";\nimport test from "node:test";', 0],
    ["packages/core/src/a.test.ts", 'import { s } from "@nacre/testkit";', 0],
    ["packages/core/src/a.ts", 'import { s } from "@nacre/testkit";', 1],
    ["packages/core/src/a.test.ts", 'import { s } from "@nacre/server";', 1],
    ["packages/core/src/naming/a.ts", 'import { x } from "../lib/x.ts";', 0],
    ["packages/core/src/a.ts", 'export * from "../../server/src/main.ts";', 1],
    ["packages/core/src/a.ts", "const at = Date.now();", 1],
    ["packages/core/src/a.ts", "// never Date.now()\n/* nor Math.random */\nconst at = now;", 0],
    ["packages/core/src/a.ts", "setTimeout(() => {}, 1); performance.now(); Math.random(); new Date();", 4],
    ["packages/core/src/a.ts", "process.exit(); facts.process.startedAt;", 1],
    ["packages/core/src/a.ts", "const shown = new Date(at).toISOString();", 0],
    ["packages/core/src/a.test.ts", "const at = Date.now();", 0],
    ["packages/protocol/src/a.ts", 'const x = await import("@nacre/core");', 1],
    ["packages/server/src/a.ts", 'import pino from "pino";\nimport net from "node:net";', 0],
    ["packages/server/src/a.ts", 'import x from "left-pad";', 1],
    ["packages/server/src/a.ts", 'import "@nacre/cli";', 1],
    ["packages/server/src/a.ts", 'import { sql } from "kysely";', 1],
    ["packages/server/src/storage/sql/queries/a.ts", 'import { sql } from "kysely";', 0],
    ["packages/server/src/storage/sql/queries/a.ts", 'import x from "left-pad";', 1],
    ["packages/server/src/storage/sql/a.ts", 'import { reads } from "./queries/a.ts";', 1],
    ["packages/server/src/storage/sql/queries/a.ts", 'import { x } from "./b.ts";', 0],
    ["packages/server/src/storage/sql/a.test.ts", 'import { reads } from "./queries/a.ts";', 0],
  ];
  for (const [path, text, count] of cases) {
    test(`${count === 0 ? "allow" : "refuse"} in ${path}: ${text.replaceAll("\n", " ")}`, () => {
      assert.equal(violations(path, text), count);
    });
  }

  test("keep third parties out of the manifests of protocol and core", () => {
    const manifests = { core: { dependencies: { "@nacre/protocol": "1", lodash: "1" } } };
    assert.equal(boundaryViolations([], manifests).length, 1);
  });

  test("see imports over several lines and re-exports", () => {
    assert.deepEqual(
      importsOf('import {\n  a,\n  b,\n} from "./x.ts";\nexport type { C } from "./y.ts";\nimport "./z.ts";'),
      ["./x.ts", "./y.ts", "./z.ts"],
    );
  });

  test("know an import from a text that speaks of one", () => {
    assert.deepEqual(importsOf("throw refusal(`import: gone`);\nconst from = `import 'a'`;"), []);
    assert.deepEqual(importsOf('program.command("import")\n  .description("reads");'), []);
    assert.deepEqual(importsOf('const x = await import("pino");'), ["pino"]);
  });

  test("warn of a file of more than 400 lines", () => {
    assert.equal(longFiles([{ path: "a.ts", text: "\n".repeat(400) }]).length, 0);
    assert.equal(longFiles([{ path: "a.ts", text: "\n".repeat(401) }]).length, 1);
  });
});
