import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { put, type RegisterCommand, RegisterMachine, type RegisterResult } from "@nacre/testkit/log-suite";
import { systemClock } from "../../clock.ts";
import { takeLeftBehind } from "../../offline/left-behind.ts";
import { nodeFiles } from "../../storage/files.ts";
import { type FolderLock, takeFolder } from "../../storage/lock.ts";
import { silent } from "../../storage/logger.ts";
import { type OpenedIdentity, openIdentity } from "../identity.ts";
import { GroupLog } from "./group-log.ts";

async function alone(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), "nacre-left-behind-"));
  const opened: GroupLog<RegisterCommand, RegisterResult>[] = [];
  t.after(async () => {
    for (const log of opened) await log.close();
    await rm(directory, { recursive: true });
  });
  const open = async (folder: string, lock: FolderLock, identity: OpenedIdentity) => {
    const machine = new RegisterMachine();
    const log = await GroupLog.open<RegisterCommand, RegisterResult>({
      clock: systemClock,
      log: { ...silent, error: () => {} },
      directory: folder,
      lock,
      machine,
      identity,
      peers: { send: () => {}, outOfReachSince: () => undefined, addressOf: (id) => id },
      responsibility: { set: () => {} },
      holds: () => HOLDS,
      isAlone: true,
    });
    opened.push(log);
    return { log, machine };
  };
  const identity = await openIdentity(directory);
  const { log } = await open(directory, await takeFolder(directory), identity);
  const again = async () => {
    await opened.pop()?.close();
    return (await open(directory, await takeFolder(directory), await openIdentity(directory))).log;
  };
  return { directory, identity, log, open, again };
}

const HOLDS = { configs: 1, namespaces: 0, persistentInstances: 0 };

describe("a member that takes up another group", () => {
  test("says what it set aside, where and when, as long as the folder is there, also after a restart", async (t) => {
    const { directory, identity, log, again } = await alone(t);
    await log.propose(put("key", "1"));
    await identity.save({ epoch: 1, group: "over" });
    await log.giveUp();
    const folder = join(directory, "left-behind", "1");
    const [told] = log.leftBehind;
    assert.deepEqual([told?.folder, told?.holds, typeof told?.at], [folder, HOLDS, "number"]);
    assert.ok((await readdir(folder)).includes("log"));
    assert.equal(log.appliedIndex, 0);
    assert.deepEqual((await again()).leftBehind, [told]);
    await rm(folder, { recursive: true });
    assert.deepEqual((await again()).leftBehind, []);
  });

  test("leaves nothing behind when it held nothing", async (t) => {
    const { directory, identity, log } = await alone(t);
    await identity.save({ clusterId: "another", group: "over" });
    await log.giveUp();
    assert.deepEqual(log.leftBehind, []);
    assert.deepEqual(
      (await readdir(directory)).filter((name) => /left-behind|tmp|json/.test(name)),
      ["member.json", "run.json"],
    );
    assert.equal(log.appliedIndex, 0);
  });

  test("has what it left behind served in a cluster of its own, by a start on that folder", async (t) => {
    const { directory, identity, log, open } = await alone(t);
    await log.propose(put("key", "1"));
    await identity.save({ epoch: 1, group: "over" });
    await log.giveUp();
    const folder = join(directory, "left-behind", "1");
    const lock = await takeFolder(folder);
    assert.match((await takeLeftBehind(nodeFiles, folder, 1)) ?? "", /belongs to cluster .* in epoch 1/);
    assert.equal(await takeLeftBehind(nodeFiles, folder, 1), undefined, "once");
    const own = await openIdentity(folder);
    const { memberId, clusterId, settled } = own.identity;
    assert.notEqual(memberId, identity.identity.memberId);
    assert.notEqual(clusterId, identity.identity.clusterId);
    assert.ok(settled, "it adopts nobody's cluster id");
    const served = await open(folder, lock, own);
    await served.log.propose(put("other", "2"));
    assert.deepEqual(
      [...served.machine.registers],
      [
        ["key", "1"],
        ["other", "2"],
      ],
    );
    assert.deepEqual(served.log.group?.configuration.voters, [memberId]);
  });
});

describe("a folder of damaged files that was set aside", () => {
  test("is served by nobody", async (t) => {
    const { directory } = await alone(t);
    const folder = join(directory, "damaged");
    await mkdir(folder);
    await writeFile(join(folder, "reason.json"), JSON.stringify({ reason: "record 7 is damaged", damage: {} }));
    await assert.rejects(takeLeftBehind(nodeFiles, folder, 1), { name: "StartError", message: /damaged \(record 7/ });
  });
});
