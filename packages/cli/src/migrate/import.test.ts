import assert from "node:assert/strict";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { IN_MEMORY, type RunningServer, startServer } from "@nacre/server";
import { md5Of } from "../client/v1.ts";
import { nacre } from "../run.fixture.ts";
import { type Item, type Kind, standIn } from "./source.fixture.ts";

let target: RunningServer;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "nacre-import-"));
});
after(() => rm(folder, { recursive: true, force: true }));

/** A target of its own for each test: what one copied must not be there for the next. */
async function newTarget(context: TestContext): Promise<void> {
  const started = await startServer({ port: 0, dataDir: IN_MEMORY, bindAddress: "127.0.0.1", logLevel: "error" });
  target = started;
  await target.ready();
  context.after(() => started.stop(0));
}

let imports = 0;
function importFrom(url: string, ...argv: string[]) {
  const state = argv.includes("--state") ? [] : ["--state", join(folder, `${imports++}.state`)];
  return nacre(["import", "--from", url, "--to", target.url, "--json", ...state, ...argv]);
}

async function held(dataId: string, namespace = "public", group = GROUP) {
  const { code, out } = await nacre([
    "config",
    "get",
    dataId,
    "--server",
    target.url,
    "--namespace",
    namespace,
    "--group",
    group,
    "--json",
  ]);
  return code === 0 ? JSON.parse(out) : undefined;
}

const GROUP = "DEFAULT_GROUP";
const many = (count: number): Item[] =>
  Array.from({ length: count }, (_, at) => ({
    tenant: "",
    group: GROUP,
    dataId: `d${at}`,
    content: `content ${at}`,
    user: "ann",
  }));
const DEV = { id: "dev", name: "开发", description: "for trying" };

function itemsOf(kind: Kind): Item[] {
  const tenant = kind === "nacos3" ? "public" : "";
  return [
    {
      tenant,
      group: GROUP,
      dataId: "a.yaml",
      content: "a: 配置",
      type: "yaml",
      desc: "first",
      tags: "x,y",
      app: "shop",
      user: "ann",
    },
    {
      tenant,
      group: GROUP,
      dataId: "b.json",
      content: "{}",
      type: "json",
      beta: { ips: "10.0.0.1,10.0.0.2", content: '{"b":1}' },
    },
    { tenant: "dev", group: "G", dataId: "c", content: "c\r\n" },
  ];
}

describe("nacre import", () => {
  for (const kind of ["nacos1", "nacos2", "nacos3", "r-nacos"] as const) {
    test(`copies what a ${kind} holds, and finds no difference afterwards`, async (context) => {
      await newTarget(context);
      const source = await standIn(context, { kind, items: itemsOf(kind), namespaces: [DEV] });
      const { code, out, err } = await importFrom(source.url, "--verify");
      assert.equal(code, 0, err);
      const report = JSON.parse(out);
      const isPlain = kind === "r-nacos";
      assert.deepEqual(
        [report.namespaces, report.copied, report.same, report.gray, report.failed],
        [1, 3, 0, isPlain ? 0 : 1, 0],
      );
      assert.deepEqual(report.verified, { compared: 3, differences: [] });
      const a = await held("a.yaml");
      assert.deepEqual([a.content, a.md5, a.type], ["a: 配置", md5Of("a: 配置"), "yaml"]);
      assert.deepEqual([a.description, a.tags, a.app], isPlain ? ["", "", ""] : ["first", "x,y", "shop"]);
      assert.equal((await held("c", "dev", "G")).content, "c\r\n");
      assert.equal(
        report.notes.some((note: string) => /descriptions, tags and applications/.test(note)),
        isPlain,
      );
      const beta = await fetch(`${target.url}/v3/admin/cs/config/beta?dataId=b.json&groupName=${GROUP}`);
      const { data } = (await beta.json()) as { data: { content: string; grayRule: string } };
      if (!isPlain) assert.deepEqual([data.content, JSON.parse(data.grayRule).expr], ['{"b":1}', "10.0.0.1,10.0.0.2"]);
      const { items } = JSON.parse((await nacre(["namespace", "ls", "--server", target.url, "--json"])).out);
      assert.equal(items.find(({ id }: { id: string }) => id === "dev").name, "开发");
    });
  }

  test("keeps who wrote a configuration last, from the configuration or its history", async (context) => {
    await newTarget(context);
    const source = await standIn(context, { kind: "nacos2", items: itemsOf("nacos2") });
    await importFrom(source.url);
    const user = async (dataId: string) =>
      JSON.parse((await nacre(["config", "history", dataId, "--server", target.url, "--json"])).out).items.find(
        ({ kind }: { kind: string }) => kind === "formal",
      ).user;
    assert.deepEqual([await user("a.yaml"), await user("b.json")], ["ann", "history-user"]);
  });

  test("copies the namespace named public of a 2.x beside the default one", async (context) => {
    await newTarget(context);
    const item = (tenant: string, dataId: string): Item => ({ tenant, group: GROUP, dataId, content: dataId });
    const items = [item("", "of-default"), item("public", "of-public")];
    const source = await standIn(context, { kind: "nacos2", items });
    assert.equal(JSON.parse((await importFrom(source.url)).out).copied, 2);
    assert.equal((await held("of-public")).content, "of-public");
  });

  test("copies encrypted contents with their keys untouched, and says which one it can only have decrypted", async (context) => {
    await newTarget(context);
    const secret = { group: GROUP, content: "x9f=", encryptedDataKey: "key-1", decrypted: "secret" };
    const three = await standIn(context, {
      kind: "nacos3",
      items: [{ ...secret, tenant: "public", dataId: "cipher-aes-a" }],
    });
    assert.equal((await importFrom(three.url)).code, 0);
    const query = `dataId=cipher-aes-a&groupName=${GROUP}`;
    const { data } = (await (await fetch(`${target.url}/v3/client/cs/config?${query}`)).json()) as {
      data: { content: string; encryptedDataKey: string };
    };
    assert.deepEqual([data.content, data.encryptedDataKey], ["x9f=", "key-1"]);

    const two = await standIn(context, { kind: "nacos2", items: [{ ...secret, tenant: "", dataId: "cipher-aes-b" }] });
    const { code, out } = await importFrom(two.url);
    assert.equal(code, 1);
    assert.match(JSON.parse(out).failures[0].why, /gives cipher-aes-b .* decrypted only/);
    assert.equal(await held("cipher-aes-b"), undefined);
  });

  test("goes by the policy where the target has another content; abort writes nothing at all", async (context) => {
    await newTarget(context);
    const source = await standIn(context, { kind: "nacos2", items: itemsOf("nacos2"), namespaces: [DEV] });
    await nacre(["config", "set", "b.json", "[]", "--server", target.url]);
    const aborted = await importFrom(source.url);
    assert.equal(aborted.code, 1);
    assert.match(
      aborted.err,
      /already has b\.json .* with another content, so nothing was copied: choose --policy skip/,
    );
    assert.equal(await held("a.yaml"), undefined);

    const dry = JSON.parse((await importFrom(source.url, "--policy", "overwrite", "--dry-run")).out);
    assert.deepEqual([dry.copied, dry.dryRun], [3, true]);
    assert.equal(await held("a.yaml"), undefined);

    const skipped = await importFrom(source.url, "--policy", "skip", "--verify");
    assert.equal(skipped.code, 1, "they still differ");
    const report = JSON.parse(skipped.out);
    assert.deepEqual([report.copied, report.skipped], [2, 1]);
    assert.deepEqual(
      report.verified.differences.map(({ dataId, what }: { dataId: string; what: string }) => [dataId, what]),
      [
        ["b.json", "differs"],
        ["b.json", "grayMissing"],
      ],
    );
    const { code, out } = await importFrom(source.url, "--policy", "overwrite", "--verify");
    assert.deepEqual([code, JSON.parse(out).copied, JSON.parse(out).same], [0, 1, 2]);
  });

  test("copies the gray versions of another Nacre, whatever their rules, and compares them", async (context) => {
    await newTarget(context);
    const source = await startServer({ port: 0, dataDir: IN_MEMORY, bindAddress: "127.0.0.1", logLevel: "error" });
    await source.ready();
    context.after(() => source.stop(0));
    const rules: Record<string, string>[] = [
      {},
      { tag: "canary" },
      { grayName: "beta", grayRuleExp: "10.0.0.1" },
      { grayName: "tenth", grayType: "percentage", grayRuleExp: "10", grayPriority: "7" },
      { grayName: "zone-a", grayType: "label", grayRuleExp: "zone=a|b", grayPriority: "-3" },
    ];
    const grays = async (of: RunningServer): Promise<unknown> => {
      const answer = await fetch(`${of.url}/v3/admin/cs/config/gray?dataId=g&groupName=${GROUP}`);
      const { data } = (await answer.json()) as { data: { grayName: string; grayRule: string; md5: string }[] };
      return data.map(({ grayName, grayRule, md5 }) => [grayName, grayRule, md5]);
    };
    for (const [at, rule] of rules.entries()) {
      const body = new URLSearchParams({ dataId: "g", groupName: GROUP, content: `content ${at}`, ...rule });
      await fetch(`${source.url}/v3/admin/cs/config`, { method: "POST", body });
    }
    const { code, out, err } = await importFrom(source.url, "--verify");
    assert.equal(code, 0, err);
    const report = JSON.parse(out);
    assert.deepEqual([report.copied, report.gray, report.verified.differences], [1, 4, []]);
    assert.deepEqual(
      report.notes.filter((note: string) => /gray/i.test(note)),
      [],
    );
    assert.equal(((await grays(target)) as unknown[]).length, 4);
    assert.deepEqual(await grays(target), await grays(source));

    await fetch(`${target.url}/v3/admin/cs/config/gray?dataId=g&groupName=${GROUP}&grayName=tenth`, {
      method: "DELETE",
    });
    const again = JSON.parse((await importFrom(source.url, "--verify")).out);
    assert.deepEqual([again.same, again.gray, again.verified.differences], [1, 1, []]);

    const other = { dataId: "g", groupName: GROUP, content: "another", tag: "canary" };
    await fetch(`${target.url}/v3/admin/cs/config`, { method: "POST", body: new URLSearchParams(other) });
    const before = await grays(target);
    const body = new URLSearchParams({ dataId: "new", groupName: GROUP, content: "not there yet" });
    await fetch(`${source.url}/v3/admin/cs/config`, { method: "POST", body });
    const aborted = await importFrom(source.url);
    assert.equal(aborted.code, 1);
    assert.match(
      aborted.err,
      /already has the gray version tag_canary of g .* with another content, so nothing was copied/,
    );
    assert.deepEqual([await grays(target), await held("new")], [before, undefined]);
  });

  test("logs in to a source that asks for it", async (context) => {
    const login = { username: "nacos", password: "p&w" };
    for (const kind of ["nacos1", "nacos3"] as const) {
      await newTarget(context);
      const source = await standIn(context, { kind, items: itemsOf(kind), login });
      const refused = await importFrom(source.url);
      assert.equal(refused.code, 1);
      assert.equal(process.listenerCount("SIGINT"), 0, "the signals are as they were");
      assert.match(refused.err, /403 authorization failed!\): give --username and --password/);
      const wrong = await importFrom(source.url, "--username", "nacos", "--password", "x");
      assert.match(wrong.err, /did not let nacos log in \(403 unknown user!\)/);
      const { code, err } = await importFrom(
        source.url,
        "--username",
        "nacos",
        "--password",
        "p&w",
        "--namespace",
        "public",
        "dev",
      );
      assert.equal(code, 0, err);
    }
  });

  test("ends with 3 when a namespace it is to copy is not there, and makes none", async (context) => {
    await newTarget(context);
    const source = await standIn(context, { kind: "nacos3", items: itemsOf("nacos3"), namespaces: [DEV] });
    const { code, err } = await importFrom(source.url, "--namespace", "dev", "dve");
    assert.deepEqual([code, /has no namespace dve: see nacre namespace ls/.test(err)], [3, true]);
    const { items, page, pages } = JSON.parse((await nacre(["namespace", "ls", "--server", target.url, "--json"])).out);
    assert.deepEqual([items.map(({ id }: { id: string }) => id), page, pages], [["public"], 1, 1]);
  });

  test("copies thousands in pages of a hundred", { timeout: 120_000 }, async (context) => {
    await newTarget(context);
    const pages: number[] = [];
    const source = await standIn(context, {
      kind: "nacos2",
      items: many(3000),
      before: (_, query) => {
        if (query.get("search") === "accurate" && query.get("tenant") === "") pages.push(Number(query.get("pageNo")));
        return undefined;
      },
    });
    const { code, out, err } = await importFrom(source.url, "--policy", "overwrite");
    assert.equal(code, 0, err);
    assert.equal(JSON.parse(out).copied, 3000);
    assert.equal(Math.max(...pages), 30);
    assert.equal((await held("d2999")).content, "content 2999");
  });

  test("repeats calls that fail in passing, and goes on where it was interrupted", async (context) => {
    await newTarget(context);
    const count = 350;
    const fault = { calls: 0, gone: false, healed: false };
    const source = await standIn(context, {
      kind: "nacos2",
      items: many(count),
      before: (_, query) => {
        if (fault.healed) return undefined;
        fault.gone ||= query.get("dataId") === "d250";
        if (fault.gone) return 503;
        return ++fault.calls % 50 === 0 ? 500 : undefined;
      },
    });
    const state = join(folder, "resumed.state");
    const first = await importFrom(source.url, "--state", state);
    assert.equal(first.code, 1);
    assert.match(first.err, /answered 503 to 8 calls in a row/);
    const done = (await readFile(state, "utf8")).split("\n").length - 2;
    assert.ok(done >= 240 && done <= 250, String(done));

    // Half a line, as a process leaves it that ends while it writes.
    await writeFile(state, `${await readFile(state, "utf8")}half`);
    fault.healed = true;
    source.asked.length = 0;
    const second = await importFrom(source.url, "--state", state);
    assert.equal(second.code, 0, second.err);
    assert.match(second.err, new RegExp(`^Going on: ${done} configurations are done already`));
    const { copied, same } = JSON.parse(second.out);
    assert.equal(copied + same, count);
    assert.ok(copied <= count - done);
    assert.ok(source.asked.length < 3 * (count - done) + 30, "what is done is not asked for again");
    assert.equal((await held("d349")).content, "content 349");
    await assert.rejects(access(state), "nothing is left to go on with");
  });

  test("tells each part that it begins, with how much there is", async (context) => {
    await newTarget(context);
    const source = await standIn(context, { kind: "nacos2", items: many(3) });
    const { code, err } = await importFrom(source.url, "--verify");
    assert.deepEqual(
      [code, err.split("\n")],
      [
        0,
        ["looking for other contents in the target: 0 of 3, 0/s", "copying: 0 of 3, 0/s", "comparing: 0 of 3, 0/s", ""],
      ],
    );
  });

  test("stops on a signal and says how to go on", async (context) => {
    await newTarget(context);
    const stop = new AbortController();
    const source = await standIn(context, {
      kind: "nacos2",
      items: many(300),
      before: (_, query) => {
        if (query.get("dataId") === "d150") stop.abort();
        return undefined;
      },
    });
    const argv = ["import", "--from", source.url, "--to", target.url, "--state", join(folder, "stopped.state")];
    const { code, err } = await nacre([...argv, "--policy", "skip"], { stopped: stop.signal });
    assert.equal(code, 1);
    assert.match(err, /\nStopped on a signal: the same command goes on where this one ended\.\n$/);
    assert.equal((await nacre(argv)).code, 0);
    assert.equal((await held("d299")).content, "content 299");
  });

  test("refuses the state of another import, a source that is none, and a call without one", async (context) => {
    await newTarget(context);
    const source = await standIn(context, { kind: "nacos2", items: [] });
    const state = join(folder, "other.state");
    await writeFile(state, "nacre import 1 http://a http://b\n");
    const other = await importFrom(source.url, "--state", state);
    assert.deepEqual([other.code, /belongs to another import/.test(other.err)], [2, true]);
    const page = await standIn(context, { kind: "nacos2", items: [], before: () => 404 });
    assert.match((await importFrom(page.url)).err, /answers, but not like Nacre, Nacos or r-nacos/);
    assert.equal((await nacre(["import"])).code, 2);
    assert.equal((await importFrom("ftp://x")).code, 2);
  });
});
