import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { type Database, databaseBinary, startDatabase } from "./database.fixture.ts";
import { newMysqlCheck } from "./mysql.ts";
import { closedPort, listening, never } from "./targets.fixture.ts";

const check = newMysqlCheck({ connectMs: 10_000, queryMs: 10_000 });
const readOnly = "show global variables where variable_name='read_only'";
const PASSWORD = "s3cret-pass";

function order(port: number, cmd: string, pwd = PASSWORD) {
  return { ip: "127.0.0.1", port, checker: { type: "MYSQL", user: "probe", pwd, cmd } } as const;
}

// Without a database server there is nothing to check against; in CI that is a broken machine, not a reason to skip.
const missing = databaseBinary() === undefined && process.env.CI !== "true" && "mariadbd or mysqld is not installed";

describe("a MySQL check of a real server", { skip: missing }, () => {
  let database: Database;
  before(async () => {
    database = await startDatabase({ user: "probe", password: PASSWORD });
  });
  after(() => database?.stop());

  for (const cmd of ["select 1", "select 1 from dual where 1 = 0", "set @a = 1", readOnly])
    test(`is ok when the command runs: ${cmd}`, async () => {
      const result = await check(order(database.port, cmd), never);
      assert.deepEqual([result.outcome, result.reason], ["ok", "the command ran"]);
    });

  test("counts a failure while the server is read-only, however the question is spelled", async (t) => {
    await database.run("SET GLOBAL read_only = ON");
    t.after(() => database.run("SET GLOBAL read_only = OFF"));
    for (const cmd of [readOnly, "SHOW  GLOBAL VARIABLES\n where variable_name = 'read_only' "]) {
      const result = await check(order(database.port, cmd), never);
      assert.deepEqual([result.outcome, result.reason], ["fail", "the server is read-only"]);
    }
    assert.equal((await check(order(database.port, "select 1"), never)).outcome, "ok", "other commands do not ask");
  });

  test("leaves no doubt when the login fails, and tells no password", async () => {
    const result = await check(order(database.port, "select 1", "wrong-pass"), never);
    assert.equal(result.outcome, "failNow");
    assert.match(result.reason, /^ER_ACCESS_DENIED_ERROR: Access denied for user 'probe'/);
    assert.doesNotMatch(result.reason, /wrong-pass/);
  });

  test("leaves no doubt when the command is wrong, empty or not allowed", async () => {
    for (const cmd of ["selct 1", "", "select * from mysql.global_priv"]) {
      const result = await check(order(database.port, cmd), never);
      assert.equal(result.outcome, "failNow", `${cmd}: ${result.reason}`);
    }
  });

  test("counts a failure when the command takes too long", async () => {
    const result = await newMysqlCheck({ connectMs: 10_000, queryMs: 50 })(
      order(database.port, "select sleep(30)"),
      never,
    );
    assert.deepEqual([result.outcome, result.reason], ["fail", "logged in, but no answer to the command within 50 ms"]);
  });
});

describe("a MySQL check without a server", () => {
  test("leaves no doubt when the connection is refused", async () => {
    const result = await check(order(await closedPort(), "select 1"), never);
    assert.deepEqual([result.outcome, result.reason], ["failNow", "the connection was refused"]);
  });

  test("counts a failure when the target takes the connection and does not greet", async (t) => {
    const port = await listening(t, createServer());
    const result = await newMysqlCheck({ connectMs: 50, queryMs: 50 })(order(port, "select 1"), never);
    assert.equal(result.outcome, "fail");
    assert.match(result.reason, /no login/);
  });

  test("counts a failure when the target hangs up", async (t) => {
    const port = await listening(
      t,
      createServer((socket) => socket.destroy()),
    );
    assert.equal((await check(order(port, "select 1"), never)).outcome, "fail");
  });
});
