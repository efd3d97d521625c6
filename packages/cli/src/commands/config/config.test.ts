import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { IN_MEMORY, type RunningServer, startServer } from "@nacre/server";
import { md5Of } from "../../client/v1.ts";
import { nacre, nacreBytes } from "../../run.fixture.ts";

let server: RunningServer;
let env: Record<string, string>;
let folder: string;

before(async () => {
  server = await startServer({ port: 0, dataDir: IN_MEMORY, bindAddress: "127.0.0.1", logLevel: "error" });
  await server.ready();
  env = { NACRE_SERVER: server.url };
  folder = await mkdtemp(join(tmpdir(), "nacre-cli-"));
});
after(async () => {
  await server.stop(0);
  await rm(folder, { recursive: true, force: true });
});

const config = (argv: string[], stdin?: string | Uint8Array) =>
  nacre(["config", ...argv], { env, ...(stdin !== undefined && { stdin }) });
const json = async (argv: string[]) => JSON.parse((await config([...argv, "--json"])).out);

async function done(argv: string[], stdin?: string): Promise<string> {
  const { code, out, err } = await config(argv, stdin);
  assert.equal(code, 0, err);
  return out;
}

describe("nacre config set", () => {
  test("takes the content from the argument, a file or stdin, and the type from the ending of the name", async () => {
    const path = join(folder, "c.toml");
    await writeFile(path, "\ufeffx = 1\n");
    await done(["set", "set.yaml", "a: 1"]);
    await done(["set", "set.json"], '{"a":1}\r\n');
    await done(["set", "no-ending", "--file", path]);
    assert.equal((await json(["get", "set.yaml"])).type, "yaml");
    assert.deepEqual(await config(["get", "set.json"]), { code: 0, out: '{"a":1}\r\n', err: "" });
    assert.equal((await json(["get", "no-ending"])).type, "toml");
    assert.deepEqual((await nacreBytes(["config", "get", "no-ending"], { env })).bytes, Buffer.from("\ufeffx = 1\n"));
  });

  test("keeps what an earlier one said and this one does not", async () => {
    await done(["set", "kept", "1", "--desc", "what it is for", "--tags", "a,b", "--app", "shop", "--type", "json"]);
    await done(["set", "kept", "2"]);
    const { description, tags, app, type, content } = await json(["get", "kept"]);
    assert.deepEqual([description, tags, app, type, content], ["what it is for", "a,b", "shop", "json", "2"]);
  });

  test("with --if-md5 writes only over that content", async () => {
    await done(["set", "cas", "1"]);
    const lost = await config(["set", "cas", "2", "--if-md5", md5Of("other")]);
    assert.equal(lost.code, 1);
    assert.match(lost.err, /holds another version of cas than .*: read it again and repeat the change\.\n$/);
    await done(["set", "cas", "2", "--if-md5", md5Of("1").toUpperCase()]);
    assert.equal((await config(["get", "cas"])).out, "2");
  });

  test("with --validate refuses what does not parse; with --dry-run says so and whom it reaches, and writes nothing", async () => {
    const refused = await config(["set", "bad.json", "{", "--validate"]);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /line 1, column 2/);
    const dry = await config(["set", "bad.json", "{", "--dry-run"]);
    assert.deepEqual([dry.code, /The content is wrong: .*line 1/.test(dry.out)], [1, true]);
    assert.match(
      (await config(["set", "good.json", "{}", "--dry-run"])).out,
      /^It would change the content and be told to 0 /,
    );
    assert.equal((await config(["get", "good.json"])).code, 3);
  });

  test("publishes for addresses and for a tag beside the version for all", async () => {
    await done(["set", "gray", "all"]);
    assert.match(
      await done(["set", "gray", "some", "--beta-ips", "10.0.0.1, fd00::1"]),
      /the version for some addresses of gray/,
    );
    assert.match(await done(["set", "gray", "tagged", "--tag", "blue"]), /the version for the tag blue of gray/);
    assert.equal((await config(["get", "gray"])).out, "all");
    const beta = await fetch(`${server.url}/v3/admin/cs/config/beta?dataId=gray&groupName=DEFAULT_GROUP`);
    assert.match(await beta.text(), /10\.0\.0\.1,fd00::1/);
    const tagged = await fetch(`${server.url}/v1/cs/configs?dataId=gray&group=DEFAULT_GROUP&tag=blue`);
    assert.equal(await tagged.text(), "tagged");
    assert.match(await done(["rm", "gray", "--beta"]), /^Removed the version for some addresses of gray/);
    assert.match(await done(["rm", "gray", "--tag", "blue"]), /^Removed the version for the tag blue of gray/);
    const none = await fetch(`${server.url}/v1/cs/configs?dataId=gray&group=DEFAULT_GROUP&tag=blue`);
    await none.text();
    assert.equal(none.status, 404);
  });

  test("takes one kind of gray version at a time, and does not remove what is not there", async () => {
    await done(["set", "gray-one", "all"]);
    for (const argv of [
      ["set", "gray-one", "some", "--beta-ips", "10.0.0.1", "--tag", "blue"],
      ["rm", "gray-one", "--beta", "--tag", "blue"],
    ]) {
      const both = await config(argv);
      assert.deepEqual([both.code, /cannot be used with option '--tag <name>'/.test(both.err)], [2, true]);
    }
    await done(["set", "gray-one", "green", "--tag", "green"]);
    for (const [flags, what] of [
      [["--beta"], "the version for some addresses"],
      [["--tag", "blue"], "the version for the tag blue"],
    ] as const) {
      const none = await config(["rm", "gray-one", ...flags]);
      assert.deepEqual([none.code, none.err.includes(`has not ${what} of gray-one`)], [3, true], none.err);
    }
    await done(["rm", "gray-one", "--tag", "green"]);
  });

  test("names what is wrong with its input", async () => {
    assert.match((await config(["set", "x"])).err, /^Give the content, --file, or pipe it/);
    assert.deepEqual((await config(["set", "x", "1", "--file", "y"])).code, 2);
    for (const command of [["set", "x", "--file"], ["import"]]) {
      const missing = await config([...command, join(folder, "none")]);
      assert.deepEqual(
        [missing.code, /none cannot be read \(ENOENT\)/.test(missing.err)],
        [3, true],
        command.join(" "),
      );
    }
    assert.match((await config(["set", "x"], Buffer.from([0xff, 0xfe]))).err, /^stdin is not UTF-8/);
    assert.equal((await config(["set", "x"], "")).code, 2);
    const misspelt = await config(["set", "x", "1", "--type", "propertis"]);
    assert.deepEqual([misspelt.code, /Allowed choices are properties, xml/.test(misspelt.err)], [2, true]);
    for (const argv of [
      ["set", "", "1"],
      ["get", " "],
      ["rm", ""],
      ["history", ""],
      ["watch", ""],
      ["diff", "", "1"],
    ]) {
      const blank = await config(argv);
      assert.deepEqual([blank.code, /^The data id is blank/.test(blank.err)], [2, true], `${argv} ${blank.err}`);
    }
    for (const argv of [
      ["set", "x", "1", "--if-md5", "abc"],
      ["rollback", "1", "--if-md5", `${md5Of("1")}0`],
    ]) {
      const wrong = await config(argv);
      assert.deepEqual(
        [wrong.code, /'--if-md5 <md5>' argument '.*' is invalid\. It must be 32 hexadecimal digits/.test(wrong.err)],
        [2, true],
        wrong.err,
      );
    }
    for (const ips of ["foo", "10.0.0.1,10.0.0", "10.0.0.1,", "10.0.0.0/8", " "]) {
      const wrong = await config(["set", "x", "1", "--beta-ips", ips]);
      assert.deepEqual(
        [wrong.code, /'--beta-ips <ip,ip>' argument '.*' is invalid\. ".*" is no IP address/.test(wrong.err)],
        [2, true],
        wrong.err,
      );
    }
    const namespace = await nacre(["namespace", "create", ""], { env });
    assert.deepEqual([namespace.code, /^The id is blank/.test(namespace.err)], [2, true]);
  });
});

describe("nacre config get, rm and ls", () => {
  test("end with 3 when the configuration is not there, and name the server", async () => {
    for (const verb of ["get", "rm"]) {
      const { code, err } = await config([verb, "none"]);
      assert.equal(code, 3);
      assert.ok(err.startsWith(`${server.url} has no configuration none (group DEFAULT_GROUP, namespace public)`));
      assert.equal(err.split("\n").length, 2, "one sentence");
    }
  });

  test("rm removes without asking", async () => {
    await done(["set", "gone", "1"]);
    await done(["rm", "gone"]);
    assert.equal((await config(["get", "gone"])).code, 3);
  });

  test("ls finds by content, tag, type, app, names with wildcards, and shows pages", async () => {
    const here = ["--namespace", "lists"];
    for (const at of [1, 2, 3]) await done(["set", `l${at}.yaml`, `needle: ${at}`, "--tags", `t${at}`, ...here]);
    await done(["set", "other.json", "{}", "--app", "shop", ...here]);
    const found = async (...argv: string[]): Promise<string[]> =>
      (await json(["ls", ...here, ...argv])).items.map(({ dataId }: { dataId: string }) => dataId);
    assert.deepEqual(await found("--search", "needle: 2"), ["l2.yaml"]);
    assert.deepEqual(await found("--tag", "t3"), ["l3.yaml"]);
    assert.deepEqual(await found("--type", "json"), ["other.json"]);
    assert.deepEqual(await found("--app", "shop"), ["other.json"]);
    assert.deepEqual(await found("--data-id", "l*.yaml"), ["l1.yaml", "l2.yaml", "l3.yaml"]);
    assert.deepEqual(await found("--page", "2", "--page-size", "3"), ["other.json"]);
    const { out } = await config(["ls", ...here, "--page-size", "3"]);
    assert.match(out, /^DATA ID {2,}GROUP .*\nl1\.yaml .*\n[\s\S]*\npage 1 of 2, 4 in all\n$/);
    assert.equal((await config(["ls", "--page-size", "501"])).code, 2);
  });
});

describe("the history of a configuration", () => {
  test("is listed newest first, compared with now, and rolled back", async () => {
    await done(["set", "h.yaml", "a: 1\n"]);
    await done(["set", "h.yaml", "a: 2\n"]);
    const { items } = await json(["history", "h.yaml"]);
    assert.deepEqual(
      items.map(({ op }: { op: string }) => op),
      ["U", "I"],
    );
    const [changed, made] = items.map(({ nid }: { nid: string }) => nid);
    const diff = await config(["diff", "h.yaml", changed]);
    assert.equal(diff.code, 1);
    assert.match(diff.out, /^--- h\.yaml before .*\n\+\+\+ h\.yaml now, public\n@@ -1,1 \+1,1 @@\n-a: 1\n\+a: 2\n$/);
    assert.deepEqual(await config(["diff", "h.yaml", changed, made]), { code: 0, out: "", err: "" });
    const lost = await config(["rollback", changed, "--if-md5", md5Of("other")]);
    assert.deepEqual(
      [lost.code, lost.err],
      [
        1,
        `${server.url} holds another version of the configuration of row ${changed} than ${md5Of("other")}: read it again and repeat the change.\n`,
      ],
    );
    await done(["rollback", changed, "--if-md5", md5Of("a: 2\n")]);
    assert.equal((await config(["get", "h.yaml"])).out, "a: 1\n");
    assert.match(await done(["rollback", made]), /the configuration is removed again/);
    assert.equal((await config(["get", "h.yaml"])).code, 3);
    assert.equal((await config(["rollback", "999"])).code, 3);
    assert.equal((await config(["diff", "h.yaml", "999"])).code, 3);
    assert.equal((await config(["diff", "h.yaml"])).code, 2);
  });

  test("of two namespaces: one configuration, or what they do not share", async () => {
    await done(["set", "both", "1", "--namespace", "left"]);
    await done(["set", "both", "2", "--namespace", "right"]);
    await done(["set", "here", "1", "--namespace", "left"]);
    await done(["set", "there", "1", "--namespace", "right"]);
    const one = await config(["diff", "both", "--namespace", "left", "--with-namespace", "right"]);
    assert.match(one.out, /-1\n[\s\S]*\+2\n/);
    const { differences } = await json(["diff", "--namespace", "left", "--with-namespace", "right"]);
    assert.deepEqual(differences, [
      { group: "DEFAULT_GROUP", dataId: "both", what: "differs" },
      { group: "DEFAULT_GROUP", dataId: "here", what: "missing" },
      { group: "DEFAULT_GROUP", dataId: "there", what: "extra" },
    ]);
  });
});

describe("nacre config diff of what is not there on either side", () => {
  test("ends with 3 and says so, for a configuration and for namespaces", async () => {
    const one = await config(["diff", "none", "--namespace", "void", "--with-namespace", "abyss"]);
    assert.deepEqual(
      [one.code, one.out, one.err],
      [
        3,
        "",
        `${server.url} has no configuration none (group DEFAULT_GROUP, namespace void), and none in namespace abyss: see nacre config ls.\n`,
      ],
    );
    const all = await config(["diff", "--namespace", "void", "--with-namespace", "abyss"]);
    assert.deepEqual(
      [all.code, all.out, all.err],
      [3, "", `${server.url} has no namespace void, and none abyss: see nacre namespace ls.\n`],
    );
  });

  test("ends with 1 when one side is there, and with 0 when a namespace is there and empty", async () => {
    await done(["set", "lone", "1", "--namespace", "lone"]);
    assert.match((await config(["diff", "lone", "--namespace", "lone", "--with-namespace", "void"])).out, /\n-1\n/);
    assert.equal((await config(["diff", "lone", "--namespace", "void", "--with-namespace", "lone"])).code, 1);
    assert.equal((await nacre(["namespace", "create", "empty"], { env })).code, 0);
    assert.equal((await config(["diff", "--namespace", "empty", "--with-namespace", "void"])).code, 0);
  });
});

describe("nacre config export and import", () => {
  test("carry a namespace over in a zip, by policy", async () => {
    await done(["set", "z.yaml", "a: 配置", "--namespace", "zip-from", "--desc", "x"]);
    assert.equal((await nacre(["namespace", "create", "zip-to"], { env })).code, 0);
    const { bytes, code } = await nacreBytes(["config", "export", "--namespace", "zip-from"], { env });
    assert.equal(code, 0);
    const path = join(folder, "configs.zip");
    await writeFile(path, bytes);
    const load = (policy: string) => config(["import", path, "--namespace", "zip-to", "--policy", policy, "--json"]);
    assert.deepEqual(JSON.parse((await load("abort")).out), { succeeded: 1, skipped: [], failed: [] });
    assert.equal((await config(["get", "z.yaml", "--namespace", "zip-to"])).out, "a: 配置");
    assert.deepEqual(JSON.parse((await load("skip")).out).skipped, [{ group: "DEFAULT_GROUP", dataId: "z.yaml" }]);
    assert.equal((await load("abort")).code, 1);
    const told = (await config(["import", path, "--namespace", "zip-to"])).out;
    assert.match(told, /failed: z\.yaml .*\n.*choose --policy skip or --policy overwrite\.\n$/);
    assert.equal((await config(["import", join(folder, "none.zip")])).code, 3);
  });
});

describe("nacre config watch", () => {
  test("prints each change with its MD5 and content, and a removal, until it is stopped", async () => {
    await done(["set", "w", "1"]);
    const stop = new AbortController();
    const seen: string[] = [];
    const steps = [() => done(["set", "w", "2"]), () => done(["rm", "w"]), () => stop.abort()];
    const next = (text: string): void => {
      seen.push(text);
      if (!/not there yet/.test(text)) void steps.shift()?.();
    };
    const ran = await nacre(["config", "watch", "w", "absent", "--json"], {
      env,
      stopped: stop.signal,
      onOut: next,
      onErr: next,
    });
    assert.equal(ran.code, 0);
    const changes = ran.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      changes.map(({ dataId, md5, content }) => [dataId, md5, content]),
      [
        ["w", md5Of("2"), "2"],
        ["w", "", null],
      ],
    );
    assert.deepEqual(ran.err.trim().split("\n"), [
      `Watching w (group DEFAULT_GROUP): md5 ${md5Of("1")}.`,
      "Watching absent (group DEFAULT_GROUP): not there yet.",
    ]);
  });
});
