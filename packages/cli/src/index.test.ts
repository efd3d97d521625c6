import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { GROUPS, ROWS } from "@nacre/server/options";
import { VERSION } from "@nacre/server/version";
import { nacre } from "./run.fixture.ts";

const run = promisify(execFile);

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

describe("what a command loads", () => {
  test("a start reads nothing of what asks servers, and what asks servers reads nothing of a server", async () => {
    const loaded = async (...argv: string[]): Promise<string> => {
      const code = `
        import { registerHooks } from "node:module";
        const urls = [];
        registerHooks({ resolve(name, context, next) {
          const found = next(name, context);
          urls.push(found.url);
          return found;
        } });
        process.argv.push("nacre", ...${JSON.stringify(argv)});
        process.on("exit", () => console.error(urls.join("\\n")));
        await import(${JSON.stringify(new URL("./main.ts", import.meta.url).href)});`;
      const args = ["--input-type=module", "-e", code];
      const ended = await run(process.execPath, args).catch((thrown: { stderr: string }) => thrown);
      return ended.stderr;
    };
    const start = await loaded("start", "--help");
    assert.match(start, /commands\/start\.ts/);
    assert.doesNotMatch(start, /cli\/src\/(client|migrate|show|commands\/(config|service|instance|import))/);
    // A bad option ends it before the server's own libraries are read.
    assert.doesNotMatch(await loaded("start", "--port=x"), /commander|cli\/src\/(?!main|index)/);
    const list = await loaded("config", "--help");
    assert.match(list, /client\/v3\.ts/);
    assert.doesNotMatch(list, /better-sqlite3|grpc-js|server\/src\/(?!version)/);
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
    const { code, out } = await nacre(["options", "--port", "9000"], { env: { NACOS_SERVER_IP: "10.0.0.2" } });
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
