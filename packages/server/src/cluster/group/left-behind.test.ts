import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { put, type RegisterCommand, RegisterMachine, type RegisterResult } from "@nacre/testkit/log-suite";
import { systemClock } from "../../clock.ts";
import { takeFolder } from "../../storage/lock.ts";
import { silent } from "../../storage/logger.ts";
import { openIdentity } from "../identity.ts";
import { GroupLog } from "./group-log.ts";

async function alone(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), "nacre-left-behind-"));
  const identity = await openIdentity(directory);
  const log = await GroupLog.open<RegisterCommand, RegisterResult>({
    clock: systemClock,
    log: { ...silent, error: () => {} },
    directory,
    lock: await takeFolder(directory),
    machine: new RegisterMachine(),
    identity,
    peers: { send: () => {}, outOfReachSince: () => undefined, addressOf: (id) => id },
    responsibility: { set: () => {} },
    isAlone: true,
  });
  t.after(async () => {
    await log.close();
    await rm(directory, { recursive: true });
  });
  return { directory, identity, log };
}

describe("a member whose group was recovered without it", () => {
  test("says where it set aside what it held", async (t) => {
    const { directory, identity, log } = await alone(t);
    await log.propose(put("key", "1"));
    await identity.save({ epoch: 1, group: "over" });
    await log.giveUp();
    const { folder = "" } = log.leftBehind ?? {};
    assert.equal(folder, join(directory, "left-behind", "1"));
    assert.ok((await readdir(folder)).includes("log"));
    assert.equal(log.appliedIndex, 0);
  });

  test("has nothing to say when it held nothing", async (t) => {
    const { identity, log } = await alone(t);
    await identity.save({ clusterId: "another", group: "over" });
    await log.giveUp();
    assert.equal(log.leftBehind, undefined);
  });
});
