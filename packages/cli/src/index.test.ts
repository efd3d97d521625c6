import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GROUPS, ROWS } from "@nacre/server/options";
import { VERSION } from "@nacre/server/version";
import { run } from "./index.ts";

async function nacre(
  argv: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await run(argv, env, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}

describe("nacre", () => {
  test("shows its version", async () => {
    assert.deepEqual(await nacre(["--version"]), { code: 0, out: `${VERSION}\n`, err: "" });
  });

  test("lists its commands, and refuses what is none", async () => {
    const help = await nacre(["--help"]);
    assert.match(help.out, /start \[options\][\s\S]*options \[options\]/);
    const wrong = await nacre(["strat"]);
    assert.equal(wrong.code, 2);
    assert.match(wrong.err, /Did you mean start\?/);
  });
});

describe("nacre start --help", () => {
  test("lists every option with its short flag, below the heading of its group, and starts nothing", async () => {
    const { code, out } = await nacre(["start", "--help"]);
    assert.equal(code, 0);
    const words = out.split(/[\s,]+/);
    for (const [key, row] of ROWS) {
      assert.ok(words.includes(`--${row.name}`), key);
      if (row.flag !== undefined) assert.ok(words.includes(`--${row.flag}`), key);
      assert.ok(out.lastIndexOf(`\n${GROUPS[row.group]}:`, out.indexOf(`--${row.name} `)) > 0, key);
    }
    assert.ok(words.includes("--config"));
  });

  test("fits a terminal of 110 columns", async () => {
    const { out } = await nacre(["start", "--help"]);
    assert.deepEqual(
      out.split("\n").filter((line) => line.length > 110),
      [],
    );
  });
});

describe("nacre options", () => {
  test("shows each value and where it comes from", async () => {
    const { code, out } = await nacre(["options", "--port", "9000"], { NACOS_SERVER_IP: "10.0.0.2" });
    assert.equal(code, 0);
    const lines = out.split("\n");
    assert.ok(lines.includes("nacos.server.main.port=9000  # flag --port"));
    assert.ok(lines.includes("nacos.server.ip=10.0.0.2  # environment variable NACOS_SERVER_IP"));
    assert.ok(lines.includes("nacos.naming.push.pushTaskTimeout=5s  # default"));
  });

  test("answers a bad value like a start would", async () => {
    const { code, out, err } = await nacre(["options", "--port=x"]);
    assert.deepEqual([code, out], [2, ""]);
    assert.match(err, /^nacos\.server\.main\.port is "x" \(flag --port\) but must be/);
  });
});
