import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { startServer } from "@nacre/server";
import { nacre } from "../run.fixture.ts";
import { scripted } from "../run-server.fixture.ts";

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "nacre-backup-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

async function started(t: TestContext, dataDir: string) {
  const server = await startServer({
    port: 0,
    bindAddress: "127.0.0.1",
    dataDir,
    logLevel: "error",
    udpPushEnabled: false,
    clusterPortOpen: false,
  });
  t.after(() => server.stop(0));
  await server.ready();
  const at = (...argv: string[]) => nacre([...argv, "--server", server.url]);
  return { server, at };
}

const publish = (folder: string) => async (at: (...argv: string[]) => Promise<{ code: number }>, content: string) => {
  const file = join(folder, "content");
  await writeFile(file, content);
  assert.equal((await at("config", "set", "app.yaml", "--file", file)).code, 0);
};

describe("a backup of a running server", () => {
  test("is verified, becomes a server in a cluster of its own, and one that is used only with a fence", async (t) => {
    const folder = await folderOf(t);
    const set = publish(folder);
    const first = await started(t, join(folder, "one"));
    await set(first.at, "level: 1\n");
    const file = join(folder, "nightly.backup");
    const made = await first.at("backup", file);
    assert.deepEqual([made.code, made.err], [0, ""]);
    assert.match(made.out, /configurations +1\n/);
    assert.match(made.out, /Written to .*nightly\.backup, and verified\.\n$/);
    const again = await first.at("backup", file);
    assert.deepEqual(
      [again.code, again.err],
      [1, `${file} is there already: name another file, or replace it with --force.\n`],
    );
    const shown = JSON.parse((await nacre(["backup", "show", file, "--json"])).out);
    assert.equal(shown.counts.config_info, 1);

    await set(first.at, "level: 2\n");
    const refused = await nacre(["restore", file, "--data", join(folder, "one")]);
    assert.deepEqual([refused.code, /is in use by another process/.test(refused.err)], [1, true]);

    const fresh = await nacre(["restore", file, "--data", join(folder, "two"), "--json"]);
    assert.equal(fresh.code, 0, fresh.err);
    assert.notEqual(JSON.parse(fresh.out).clusterId, shown.clusterId);
    const second = await started(t, join(folder, "two"));
    assert.equal((await second.at("config", "get", "app.yaml")).out, "level: 1\n");
    const status = JSON.parse((await second.at("raft", "status", "--json")).out);
    assert.deepEqual([status.voters, status.following, status.epoch], [1, 1, 0]);

    await first.server.stop();
    const held = await nacre(["restore", file, "--data", join(folder, "one")]);
    assert.equal(held.code, 2);
    assert.match(held.err, /belongs to member .* nothing was changed.*--replace --yes.*a new epoch/);
    const mistyped = join(folder, "oen");
    const replacing = (...argv: string[]) => nacre(["restore", file, "--data", ...argv, "--replace", "--yes"]);
    const absent = await replacing(mistyped);
    assert.deepEqual([absent.code, absent.err], [3, `there is no data folder ${mistyped}: name one with --data.\n`]);
    await mkdir(mistyped);
    const unused = await replacing(mistyped);
    assert.deepEqual([unused.code, /no member has used .*oen, and nothing was changed/.test(unused.err)], [2, true]);
    const replaced = await replacing(join(folder, "one"));
    assert.match(replaced.out, /holds the state of the backup, in epoch (\d+)\. What it held is in .*replaced\/\1/);
    const third = await started(t, join(folder, "one"));
    assert.equal((await third.at("config", "get", "app.yaml")).out, "level: 1\n");
    await set(third.at, "level: 3\n");
    assert.ok(JSON.parse((await third.at("raft", "status", "--json")).out).epoch > 0);
  });

  test("is named by itself in a folder, and nothing is left of one that was not whole", async (t) => {
    const folder = await folderOf(t);
    const { at } = await started(t, join(folder, "data"));
    const backups = await mkdtemp(join(folder, "backups-"));
    assert.equal((await at("backup", backups, "--local")).code, 0);
    const [name = "", ...others] = await readdir(backups);
    assert.deepEqual(others, []);
    assert.match(name, /^nacre-[\w.-]+-\d+-\d{8}T\d{6}Z\.backup$/);

    const whole = await readFile(join(backups, name));
    await writeFile(join(folder, "short"), whole.subarray(0, -20));
    const short = await nacre(["backup", "show", join(folder, "short")]);
    assert.deepEqual([short.code, /ends at byte \d+ and not at byte \d+/.test(short.err)], [1, true]);
    const restored = await nacre(["restore", join(folder, "short"), "--data", join(folder, "new")]);
    assert.equal(restored.code, 1);
    assert.ok(!(await readdir(folder)).includes("new"), "no folder is made for a damaged backup");
    assert.equal((await nacre(["backup", "show", join(folder, "nowhere")])).code, 3);

    const unmade = await at("backup", `${join(folder, "unmade")}/`);
    assert.deepEqual([unmade.code, /unmade\/ is no folder: make it first/.test(unmade.err)], [3, true]);
    const within = await at("backup", join(folder, "unmade", "one.backup"));
    assert.deepEqual([within.code, within.err], [3, `${join(folder, "unmade")} is no folder: make it first.\n`]);

    const { server } = await scripted(t, { "/core/backup": "no member leads" }, { "/core/backup": 503 });
    const target = join(folder, "none.backup");
    const refused = await nacre(["backup", target, "--server", server]);
    assert.deepEqual([refused.code, /refused the backup \(503 no member leads\)/.test(refused.err)], [1, true]);
    const { server: odd } = await scripted(t, { "/core/backup": {} });
    assert.match((await nacre(["backup", target, "--server", odd])).err, /does not begin with the head of a backup/);
    assert.ok(!(await readdir(folder)).some((one) => one.startsWith("none.backup")));
  });
});

describe("nacre raft recover", () => {
  test("refuses where there is nothing to recover, and says what to do", async (t) => {
    const folder = await folderOf(t);
    const data = join(folder, "data");
    const { server } = await started(t, data);
    assert.match((await nacre(["raft", "recover", "--data", data])).err, /is in use by another process/);
    await server.stop();
    assert.deepEqual(await nacre(["raft", "recover", "--data", data, "--dry-run"]), {
      code: 1,
      out: "",
      err: "this member is the only voter of its group: start it, and it leads.\n",
    });
    const nowhere = await nacre(["raft", "recover", "--data", join(folder, "nowhere")]);
    assert.deepEqual([nowhere.code, /there is no data folder/.test(nowhere.err)], [3, true]);
    assert.equal((await nacre(["raft", "recover"])).code, 2);
  });
});
