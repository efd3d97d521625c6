import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { IN_MEMORY, type RunningServer, startServer } from "@nacre/server";
import { nacre } from "../run.fixture.ts";
import { type Fate, passing } from "./passing.fixture.ts";
import { standIn } from "./source.fixture.ts";

const CONFIG = "/v3/admin/cs/config";
const LIST = "/v3/admin/cs/config/list";
const MATRIX = "GET /v3/admin/core/cluster/matrix";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "nacre-import-"));
});
after(() => rm(folder, { recursive: true, force: true }));

async function newServer(context: TestContext): Promise<RunningServer> {
  const server = await startServer({ port: 0, dataDir: IN_MEMORY, bindAddress: "127.0.0.1", logLevel: "error" });
  await server.ready();
  context.after(() => server.stop(0));
  return server;
}

async function write({ url }: { url: string }, dataId: string, content: string, more: Record<string, string> = {}) {
  const body = new URLSearchParams({ dataId, groupName: "g", content, ...more });
  const answer = await fetch(`${url}${CONFIG}`, { method: "POST", body });
  assert.equal(answer.status, 200, await answer.text());
}

async function read({ url }: { url: string }, dataId: string): Promise<{ content: string; modifyUser: string }> {
  const answer = await fetch(`${url}${CONFIG}?dataId=${dataId}&groupName=g`);
  return ((await answer.json()) as { data: { content: string; modifyUser: string } }).data;
}

let imports = 0;
async function imported(from: string, to: string, ...argv: string[]) {
  const state = join(folder, `${imports++}.state`);
  const ran = await nacre(["import", "--from", from, "--to", to, "--state", state, "--json", ...argv]);
  return { ...ran, report: ran.out === "" ? undefined : JSON.parse(ran.out) };
}

const onlyConfigs = (calls: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(calls).filter(([call]) => call.includes("/cs/")));

describe("an import from one Nacre to another", () => {
  test("asks each for its list; what is equal costs no call, and what is absent one read and one publish", async (context) => {
    const [source, target] = [await newServer(context), await newServer(context)];
    for (const at of [1, 2, 3, 4, 5]) await write(source, `d${at}`, `content ${at}`, { srcUser: "ann" });
    for (const at of [1, 2, 3]) await write(target, `d${at}`, `content ${at}`);
    await write(source, "d5", "content five", { srcUser: "bob" });
    const [from, to] = [await passing(context, source.url), await passing(context, target.url)];
    const { code, err, report } = await imported(from.url, to.url, "--policy", "skip", "--verify");
    assert.equal(code, 0, err);
    assert.deepEqual([report.copied, report.same, report.verified], [2, 3, { compared: 5, differences: [] }]);
    assert.deepEqual(onlyConfigs(to.calls), { [`GET ${LIST}`]: 2, [`POST ${CONFIG}`]: 2 });
    // Three counts of what there is, and two pages.
    assert.deepEqual(onlyConfigs(from.calls), { [`GET ${LIST}`]: 4, [`GET ${CONFIG}`]: 2 });
    assert.deepEqual(
      [(await read(target, "d4")).modifyUser, (await read(target, "d5")).modifyUser],
      ["ann", "bob"],
      "who wrote it last, and not who made it",
    );
  });

  for (const [policy, ends] of [
    ["skip", { code: 0, counts: [0, 1, 0], content: "theirs" }],
    ["abort", { code: 1, counts: [0, 0, 1], content: "theirs" }],
    ["overwrite", { code: 0, counts: [1, 0, 0], content: "ours" }],
  ] as const)
    test(`goes by the policy ${policy} for what was made in the target meanwhile`, async (context) => {
      const [source, target] = [await newServer(context), await newServer(context)];
      await write(source, "d", "ours");
      const to = await passing(context, target.url, async (call) => {
        if (call === `POST ${CONFIG}` && to.calls[call] === 1) await write(target, "d", "theirs");
        return "pass";
      });
      const { code, report } = await imported(source.url, to.url, "--policy", policy);
      assert.deepEqual([code, [report.copied, report.skipped, report.failed]], [ends.code, ends.counts]);
      assert.equal((await read(target, "d")).content, ends.content);
      if (policy === "abort") assert.match(report.failures[0].why, /d \(group g.*was written in the target meanwhile/);
    });

  test("overwrites what was changed and removed in the target meanwhile, and gives up on what is changed again and again", async (context) => {
    const [source, target] = [await newServer(context), await newServer(context)];
    for (const [dataId, meanwhile] of [
      ["changed", () => write(target, "changed", "theirs")],
      ["removed", () => fetch(`${target.url}${CONFIG}?dataId=removed&groupName=g`, { method: "DELETE" })],
    ] as const) {
      await write(target, dataId, "old");
      await write(source, dataId, "ours");
      const to = await passing(context, target.url, async (call) => {
        if (call === `POST ${CONFIG}` && to.calls[call] === 1) await meanwhile();
        return "pass";
      });
      const { code, report, err } = await imported(source.url, to.url, "--policy", "overwrite");
      assert.deepEqual([code, report.copied, to.calls[`POST ${CONFIG}`]], [0, 1, 2], err);
      assert.equal((await read(target, dataId)).content, "ours");
    }

    let turn = 0;
    const busy = await passing(context, target.url, async (call) => {
      if (call === `POST ${CONFIG}`) await write(target, "changed", `theirs ${turn++}`);
      return "pass";
    });
    await write(source, "changed", "ours again");
    const lost = await imported(source.url, busy.url, "--policy", "overwrite");
    assert.deepEqual([lost.code, lost.report.copied, lost.report.failed, turn], [1, 0, 1, 3]);
    assert.match(lost.report.failures[0].why, /holds another version of changed than [0-9a-f]{32}/);
  });

  test("takes a publish whose answer was lost for what it is: done", async (context) => {
    const [source, target] = [await newServer(context), await newServer(context)];
    await write(source, "made", "ours");
    await write(source, "replaced", "ours");
    await write(target, "replaced", "old");
    let lost = 0;
    const to = await passing(context, target.url, async (call): Promise<Fate> => {
      return call === `POST ${CONFIG}` && lost++ < 2 ? "lose" : "pass";
    });
    const { code, report, err } = await imported(source.url, to.url, "--policy", "overwrite");
    assert.deepEqual([code, report.copied, report.failed], [0, 2, 0], err);
    const history = await fetch(`${target.url}/v3/admin/cs/history/list?dataId=made&groupName=g`);
    assert.equal(((await history.json()) as { data: { totalCount: number } }).data.totalCount, 1, "written once");
  });
});

describe("an import to a server that is no Nacre", () => {
  test("asks once more before it writes, since such a server refuses no insert", async (context) => {
    const [source, target] = [await newServer(context), await newServer(context)];
    for (const dataId of ["equal", "absent", "made-meanwhile"]) await write(source, dataId, "ours");
    await write(target, "equal", "ours");
    const to = await passing(context, target.url, async (call) => {
      if (call === `GET ${CONFIG}` && to.calls[call] === 1) await write(target, "made-meanwhile", "theirs");
      return call === MATRIX ? 404 : "pass";
    });
    const { code, err, report } = await imported(source.url, to.url, "--policy", "skip");
    assert.equal(code, 0, err);
    assert.deepEqual([report.copied, report.same, report.skipped], [1, 1, 1]);
    assert.deepEqual(onlyConfigs(to.calls), { [`GET ${LIST}`]: 1, [`GET ${CONFIG}`]: 2, [`POST ${CONFIG}`]: 1 });
    assert.equal((await read(target, "made-meanwhile")).content, "theirs");
  });
});

describe("an import whose source is its target", () => {
  test("is refused, by whatever name", async (context) => {
    const server = await newServer(context);
    const other = await passing(context, server.url);
    for (const to of [server.url, server.url.replace("127.0.0.1", "localhost"), other.url]) {
      const { code, err } = await imported(server.url, to);
      assert.deepEqual([code, /are the same server: there is nothing to copy\.\n$/.test(err)], [2, true], err);
    }
  });

  test("is refused by its address where servers have no id", async (context) => {
    const { url } = await standIn(context, { kind: "nacos2", items: [] });
    for (const to of [url, `${url.replace("127.0.0.1", "LOCALHOST")}/nacos/`]) {
      const { code, err } = await imported(url, to);
      assert.deepEqual([code, /are the same server: there is nothing to copy\.\n$/.test(err)], [2, true], err);
    }
  });
});
