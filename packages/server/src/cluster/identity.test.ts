import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { nodeFiles } from "../storage/files.ts";
import { EPOCH_MAX, nextEpoch, openIdentity } from "./identity.ts";

describe("who a member is", () => {
  test("stays the same over starts, and each start is another incarnation", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "identity-"));
    t.after(() => rm(folder, { recursive: true }));
    const first = await openIdentity(folder);
    const second = await openIdentity(folder);
    assert.deepEqual([first.fresh, second.fresh], [true, false]);
    const { incarnation } = second.identity;
    assert.ok(incarnation > first.identity.incarnation);
    assert.deepEqual(second.identity, { ...first.identity, incarnation });
  });

  test("is another incarnation in each copy of a folder, so that copies see that they are not one process", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "identity-"));
    t.after(() => rm(folder, { recursive: true }));
    await openIdentity(join(folder, "image"));
    await cp(join(folder, "image"), join(folder, "copy"), { recursive: true });
    const image = await openIdentity(join(folder, "image"));
    const copy = await openIdentity(join(folder, "copy"));
    assert.equal(copy.identity.memberId, image.identity.memberId);
    assert.notEqual(copy.identity.incarnation, image.identity.incarnation);
  });

  test("is drawn anew by a member that keeps nothing", async () => {
    const [a, b] = [await openIdentity(undefined), await openIdentity(undefined)];
    assert.notEqual(a.identity.memberId, b.identity.memberId);
    assert.equal(b.fresh, true);
  });

  test("keeps the cluster that was joined, and never another member id", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "identity-"));
    t.after(() => rm(folder, { recursive: true }));
    const { identity, save } = await openIdentity(folder);
    await save({ clusterId: "prod", settled: true, joined: ["10.0.0.2:8848"] });
    const { identity: after } = await openIdentity(folder);
    assert.deepEqual(after, {
      memberId: identity.memberId,
      clusterId: "prod",
      settled: true,
      joined: ["10.0.0.2:8848"],
      incarnation: after.incarnation,
      epoch: 0,
      group: "founds",
      peers: {},
    });
  });

  test("is of a version: a later one is refused by name, and an earlier file named none", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "identity-"));
    t.after(() => rm(folder, { recursive: true }));
    const { identity } = await openIdentity(folder);
    const path = join(folder, "member.json");
    const whole = await readFile(path, "utf8");
    const later = whole.replace('"version": 1', '"version": 2');
    await writeFile(path, later);
    await assert.rejects(openIdentity(folder), {
      name: "StartError",
      message:
        /member\.json was written by a later version of Nacre: its format is version 2, and this program reads up to version 1\./,
    });
    assert.equal(await readFile(path, "utf8"), later);
    await writeFile(path, whole.replace('  "version": 1,\n', ""));
    assert.equal((await openIdentity(folder)).identity.memberId, identity.memberId);
  });

  test("is not guessed when the file is damaged: the start fails and says what to do", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "identity-"));
    t.after(() => rm(folder, { recursive: true }));
    await openIdentity(folder);
    const path = join(folder, "member.json");
    const whole = await readFile(path, "utf8");
    const { memberId, incarnation } = JSON.parse(whole);
    for (const text of [
      "",
      "{",
      whole.slice(0, -20),
      '{"memberId":7}',
      whole.replace("incarnation", "incarnatio"),
      whole.replace('"version": 1', '"version": "1"'),
      whole.replace(memberId, "member a"),
      whole.replace(memberId, "a".repeat(201)),
      whole.replace(String(incarnation), "-1"),
      whole.replace('"epoch": 0', '"epoch": 4294967296'),
      whole.replace(String(incarnation), String(2 ** 52)),
      whole.replace(String(incarnation), String(Number.MAX_SAFE_INTEGER)),
    ]) {
      await writeFile(path, text);
      await assert.rejects(openIdentity(folder), { name: "StartError", message: /member\.json is damaged.*backup/ });
    }
  });

  test("is told as the reason when the file cannot be read, and not as a bug", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "identity-"));
    t.after(() => rm(folder, { recursive: true }));
    const read = () => Promise.reject(Object.assign(new Error("not permitted"), { code: "EACCES" }));
    await assert.rejects(openIdentity(folder, { ...nodeFiles, read }), {
      failure: "dataAccess",
      message: /^who this member is cannot be read from .*member\.json \(EACCES\): let this user read/,
    });
  });
});

describe("the epoch of a group that is made anew", () => {
  test("is above the one before by a step that is drawn, and within what frames have room for", () => {
    assert.equal(
      nextEpoch(7, () => 1),
      8,
    );
    assert.ok(nextEpoch(7) > 7);
    assert.throws(() => nextEpoch(EPOCH_MAX), { failure: "illegalState", message: /there is none after it/ });
  });
});
