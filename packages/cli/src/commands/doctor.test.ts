import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, type TestContext, test } from "node:test";
import { startServer } from "@nacre/server";
import { nacre } from "../run.fixture.ts";

const A = { id: "a", address: "10.0.0.1:8848" };
const B = { id: "b", address: "10.0.0.2:8848" };
const SINCE = new Date(2026, 0, 1, 12, 0, 3).getTime();

const READY = [
  { member: A, answered: true, ready: true, version: "0.2.0" },
  { member: B, answered: true, ready: true, version: "0.2.0" },
];
const DOWN = {
  code: "MEMBER_DOWN",
  key: "b",
  severity: "error",
  area: "members",
  title: "A member is down",
  since: SINCE + 0.4,
  members: [B],
  sentence:
    "10.0.0.2:8848 is down since 12:00:03 UTC: its machine refuses (connect ECONNREFUSED); 1 of 2 members are in reach; start it again, or take it off the list.",
  fix: "Start it again; see [the guide](guides/x.md) and `cluster.conf`.",
  by: [A],
};

/** A server that answers like version 3, and for a diagnosis with this. @returns what `--server` takes. */
async function member(context: TestContext, diagnosis: unknown, status = 200): Promise<string> {
  const server = createServer((request, response) => {
    const isAsked = request.url?.startsWith("/nacos/v3/admin/core/cluster/diagnosis") === true;
    response.writeHead(isAsked ? status : 200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ code: 0, message: "success", data: isAsked ? diagnosis : "ok" }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return `127.0.0.1:${address.port}`;
}

describe("nacre doctor", () => {
  test("says that nothing is wrong, and ends with 0", async (context) => {
    const server = await member(context, { by: A, members: READY, findings: [] });
    const ran = await nacre(["doctor", "--server", server]);
    assert.deepEqual(ran, { code: 0, out: "Nothing is wrong: 2 members, all ready.\n", err: "" });
  });

  test("does not say so of a member that started a moment ago", async (context) => {
    const members = [READY[0], { ...READY[1], settling: true }];
    const server = await member(context, { by: A, members, findings: [] });
    const { code, out } = await nacre(["doctor", "--server", server]);
    assert.equal(code, 0);
    assert.match(out, /No finding yet: 10\.0\.0\.2:8848 started a moment ago .* ask again in ten seconds\.\n$/);
    assert.doesNotMatch(out, /Nothing is wrong/);
    const all = READY.map((one) => ({ ...one, settling: true }));
    const both = await nacre(["doctor", "--server", await member(context, { by: A, members: all, findings: [] })]);
    assert.match(
      both.out,
      /: 10\.0\.0\.1:8848, 10\.0\.0\.2:8848 started a moment ago and tell of nothing before they have /,
    );
  });

  test("names a server that runs alone by its address", async (context) => {
    const alone = await startServer({
      port: 0,
      bindAddress: "127.0.0.1",
      dataDir: ":memory:",
      logLevel: "error",
      udpPushEnabled: false,
      clusterPortOpen: false,
    });
    context.after(() => alone.stop(0));
    await alone.ready();
    const { code, out } = await nacre(["doctor", "--server", alone.url]);
    assert.equal(code, 0);
    assert.match(out, new RegExp(`\nNo finding yet: 127\\.0\\.0\\.1:${alone.httpPort} started a moment ago`));
  });

  test("shows members, findings and what to do, and ends with 1 for an error", async (context) => {
    const members = [READY[0], { member: B, answered: false, sentence: "no answer within 2 s" }];
    const server = await member(context, { by: A, members, findings: [DOWN] });
    const { code, out } = await nacre(["doctor", "--server", server]);
    assert.equal(code, 1);
    assert.equal(
      out,
      `MEMBER                 READY      VERSION
10.0.0.1:8848 (asked)  yes        0.2.0
10.0.0.2:8848          no answer           no answer within 2 s

ERROR  MEMBER_DOWN  A member is down
  since 2026-01-01 12:00:03, says 10.0.0.1:8848
  10.0.0.2:8848 is down since 12:00:03 UTC: its machine refuses (connect ECONNREFUSED); 1 of 2
  members are in reach; start it again, or take it off the list.
  Do: Start it again; see the guide and cluster.conf.
`,
    );
  });

  test("ends with 0 for a warning", async (context) => {
    const findings = [{ ...DOWN, severity: "warning" }];
    const server = await member(context, { by: A, members: READY, findings });
    assert.equal((await nacre(["doctor", "--server", server])).code, 0);
  });

  test("does not call a member well that is not ready", async (context) => {
    const members = [{ ...READY[0], ready: false, sentence: "Naming is not loaded" }];
    const server = await member(context, { by: A, members, findings: [] });
    const { code, out } = await nacre(["doctor", "--server", server]);
    assert.equal(code, 0);
    assert.match(out, /no +0\.2\.0 +Naming is not loaded\n\nNo finding, but not every member is ready/);
  });

  test("colours for a terminal, unless NO_COLOR is set, and nothing that is told steers it", async (context) => {
    const finding = { ...DOWN, title: "evil\u001b[2J" };
    const server = await member(context, { by: A, members: READY, findings: [finding] });
    const colored = await nacre(["doctor", "--server", server], { stdoutIsTerminal: true });
    assert.ok(colored.out.includes("\n\u001b[31mERROR\u001b[0m  \u001b[1mMEMBER_DOWN"));
    assert.ok(!colored.out.includes("\u001b[2J"));
    const plain = await nacre(["doctor", "--server", server], { stdoutIsTerminal: true, env: { NO_COLOR: "1" } });
    assert.ok(!plain.out.includes("\u001b"));
  });

  test("writes what the server answered as JSON, with the same exit code", async (context) => {
    const data = { by: A, members: READY, findings: [DOWN], subsystems: { ap: { state: "ok" } } };
    const server = await member(context, data);
    const { code, out } = await nacre(["doctor", "--server", server, "--json"]);
    assert.equal(code, 1);
    assert.deepEqual(JSON.parse(out), data);
  });

  test("says what was tried and why it failed, and ends with 2, when nobody answers", async () => {
    const { code, out, err } = await nacre(["doctor", "--server", "127.0.0.1:1"]);
    assert.deepEqual([code, out], [2, ""]);
    assert.match(
      err,
      /^http:\/\/127\.0\.0\.1:1\/nacos gave no answer \(.+\): check the address, and that the server runs\.\n$/,
    );
  });

  test("ends with 2 for a server that has no diagnosis, or refuses it, or answers something else", async (context) => {
    const missing = await nacre(["doctor", "--server", await member(context, null, 404)]);
    assert.equal(missing.code, 2);
    assert.match(missing.err, /has no diagnosis \(404 .*\): only Nacre has it/);
    const refused = await nacre(["doctor", "--server", await member(context, null, 403)]);
    assert.equal(refused.code, 2);
    assert.match(refused.err, /refused the diagnosis \(403 .*\): give --username and --password/);
    const other = await nacre(["doctor", "--server", await member(context, { x: 1 })]);
    assert.equal(other.code, 2);
    assert.match(other.err, /answers .* with something else/);
  });
});
