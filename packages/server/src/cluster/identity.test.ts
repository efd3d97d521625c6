import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { openIdentity } from "./identity.ts";

describe("who a member is", () => {
  test("stays the same over starts, and each start is another incarnation", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "identity-"));
    t.after(() => rm(folder, { recursive: true }));
    const first = await openIdentity(folder);
    const second = await openIdentity(folder);
    assert.deepEqual([first.fresh, second.fresh], [true, false]);
    assert.deepEqual(second.identity, { ...first.identity, incarnation: first.identity.incarnation + 1 });
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
      incarnation: identity.incarnation + 1,
    });
  });

  test("is not guessed when the file is damaged: the start fails and says what to do", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "identity-"));
    t.after(() => rm(folder, { recursive: true }));
    await openIdentity(folder);
    const path = join(folder, "member.json");
    const whole = await readFile(path, "utf8");
    for (const text of ["", "{", whole.slice(0, -20), '{"memberId":7}', whole.replace("incarnation", "incarnatio")]) {
      await writeFile(path, text);
      await assert.rejects(openIdentity(folder), { name: "StartError", message: /member\.json is damaged.*backup/ });
    }
  });
});
