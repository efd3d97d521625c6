import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { faultyFiles } from "@nacre/testkit/faulty-files";
import { writeIdentity } from "../cluster/identity.ts";
import { type Place, TestMembers, until } from "../cluster/members.fixture.ts";
import type { GroupStatus } from "../ops/raft/status.ts";
import type { RunningServer } from "../running.ts";
import type { BackupHead } from "./backup-file.ts";
import { nodeFiles, planRecovery, planRestore, recover, restore, verifyBackup, withStoppedMember } from "./index.ts";

const CONFIG = "/v3/admin/cs/config";

async function ask(server: RunningServer, method: string, path: string, form?: Record<string, string>) {
  const body = form && new URLSearchParams(form);
  const answer = await fetch(`${server.url}${path}`, { method, ...(body && { body }) });
  const { data } = (await answer.json()) as { data: never };
  return { status: answer.status, data };
}

async function publish(server: RunningServer, dataId: string, content: string): Promise<number> {
  return (await ask(server, "POST", CONFIG, { dataId, groupName: "g", content })).status;
}

async function content(server: RunningServer, dataId: string): Promise<string | undefined> {
  const { data } = await ask(server, "GET", `${CONFIG}?dataId=${dataId}&groupName=g`);
  return (data as { content?: string } | null)?.content;
}

async function group(server: RunningServer): Promise<GroupStatus> {
  return (await ask(server, "GET", "/v3/admin/core/raft/status")).data;
}

const formed = (server: RunningServer, voters: number) =>
  until(async () => {
    const status = await group(server);
    return status.voters === voters && status.following === voters;
  });

async function backup(server: RunningServer, path: string): Promise<BackupHead> {
  const answer = await fetch(`${server.url}/v3/admin/core/backup`);
  assert.equal(answer.status, 200);
  await writeFile(path, Buffer.from(await answer.arrayBuffer()));
  return verifyBackup(nodeFiles, path);
}

async function planned(t: TestContext, count: number): Promise<readonly Place[]> {
  const { members, places } = await TestMembers.planned(count);
  t.after(() => members.stop());
  return places;
}

/** A server that runs alone on a folder. */
async function served(t: TestContext, dataDir: string): Promise<RunningServer> {
  const { members } = await TestMembers.planned(1);
  const server = await TestMembers.one(0, [], { mode: "standalone", dataDir });
  members.servers.push(server);
  t.after(() => members.stop());
  return server;
}

const three = (t: TestContext) => planned(t, 3);

describe("a group of three that lost two members for good", () => {
  test("goes on from the third, and the others give up what they held when they come back", async (t) => {
    const [a, b, c] = (await three(t)) as [Place, Place, Place];
    const servers = await Promise.all([a.start(), b.start(), c.start()]);
    await formed(servers[0], 3);
    assert.equal(await publish(servers[1], "kept", "1"), 200);
    await until(async () => (await content(servers[0], "kept")) === "1");
    await servers[1].stop(0);
    await servers[2].stop(0);
    await servers[0].stop(0);

    await withStoppedMember(a.dataDir, false, async (files) => {
      const plan = await planRecovery(files, a.dataDir);
      assert.equal(plan.voters.length, 3);
      await recover(files, plan, Date.now());
    });
    const alone = await a.start();
    await formed(alone, 1);
    assert.equal(await content(alone, "kept"), "1");
    assert.equal(await publish(alone, "after", "2"), 200);
    assert.ok((await group(alone)).epoch > 0);

    const back = await b.start();
    await formed(alone, 2);
    const last = await c.start();
    await formed(alone, 3);
    for (const server of [alone, back, last])
      await until(async () => (await content(server, "kept")) === "1" && (await content(server, "after")) === "2");
    assert.equal(await publish(last, "together", "3"), 200);
    assert.ok((await readdir(b.dataDir)).includes("left-behind"), "what it held is set aside");
  });

  test("is one group again, should two have been recovered apart", async (t) => {
    const [a, b, c] = (await three(t)) as [Place, Place, Place];
    const servers = await Promise.all([a.start(), b.start(), c.start()]);
    await formed(servers[0], 3);
    assert.equal(await publish(servers[1], "before", "1"), 200);
    for (const server of servers) await server.stop(0);

    for (const { dataDir } of [a, b])
      await withStoppedMember(dataDir, false, async (files) =>
        recover(files, await planRecovery(files, dataDir), Date.now()),
      );
    for (const [place, dataId] of [
      [a, "at-a"],
      [b, "at-b"],
    ] as const) {
      const alone = await place.start();
      await formed(alone, 1);
      assert.equal(await publish(alone, dataId, "1"), 200);
      await alone.stop(0);
    }
    const again = await Promise.all([a.start(), b.start(), c.start()]);
    for (const server of again) await formed(server, 3);
    const held = (server: RunningServer) =>
      Promise.all(["before", "at-a", "at-b"].map((dataId) => content(server, dataId)));
    const [first] = again;
    await until(async () => JSON.stringify(await held(again[2])) === JSON.stringify(await held(first)));
    const [before, ...apart] = await held(first);
    assert.equal(before, "1");
    assert.equal(apart.filter((text) => text !== undefined).length, 1, "what one of the two did, and not both");
    const setAside = await Promise.all(
      [a, b].map(async ({ dataDir }) => (await readdir(dataDir)).includes("left-behind")),
    );
    assert.equal(setAside.filter(Boolean).length, 1, "what the other one did is kept");
  });
});

describe("members of a cluster whose group was to be begun by one that is lost", () => {
  test("are a group once one of them was told to begin it", async (t) => {
    const [a, b, c] = (await three(t)) as [Place, Place, Place];
    const ids = { clusterId: "new", settled: true, incarnation: 0, epoch: 0, group: "joins" as const };
    for (const [at, { dataDir }] of [b, c].entries()) {
      await nodeFiles.makeDirectory(dataDir);
      await writeIdentity(nodeFiles, dataDir, { ...ids, memberId: `m${at}`, peers: {}, joined: [] });
    }
    await withStoppedMember(b.dataDir, false, async (files) => {
      await assert.rejects(planRecovery(files, b.dataDir), { message: /belongs to no group.* --empty/ });
      const plan = await planRecovery(files, b.dataDir, undefined, true);
      assert.deepEqual([plan.voters, plan.last.index], [[], 0]);
      await recover(files, plan, Date.now());
      await assert.rejects(planRecovery(files, b.dataDir, undefined, true), { message: /without --empty/ });
    });
    const servers = await Promise.all([b.start(), c.start()]);
    await formed(servers[0], 2);
    assert.equal(await publish(servers[1], "first", "1"), 200);
    const last = await a.start();
    await formed(last, 3);
    await until(async () => (await content(last, "first")) === "1");
    for (const server of [...servers, last]) await server.stop(0);
    await withStoppedMember(a.dataDir, false, (files) =>
      assert.rejects(planRecovery(files, a.dataDir, undefined, true), { message: /without --empty/ }),
    );
  });
});

describe("a restore that was killed", () => {
  test("is finished by the next start, if it had come to count", async (t) => {
    const [alone, target] = await Promise.all([planned(t, 1), planned(t, 1)]);
    const [a] = target as [Place];
    const server = await (alone[0] as Place).start();
    await formed(server, 1);
    assert.equal(await publish(server, "kept", "1"), 200);
    const path = join(a.dataDir, "..", "nightly.backup");
    await backup(server, path);

    await withStoppedMember(a.dataDir, true, async () => {
      const { files, faults } = faultyFiles(nodeFiles);
      const plan = await planRestore(files, path, a.dataDir);
      const isOrdered = async () => (await readdir(a.dataDir)).includes("offline.json");
      // Ended one change later each time, until the order is there.
      for (let changes = 1; !(await isOrdered()); changes++) {
        faults.changesLeft = changes;
        await assert.rejects(restore(files, plan), { failure: "dataAccess" });
      }
    });
    const restored = await a.start();
    await until(async () => (await content(restored, "kept")) === "1");
    assert.ok(!(await readdir(a.dataDir)).some((name) => name === "offline.json" || name === "restore.tmp"));
  });
});

describe("a group of three whose state is wrong", () => {
  test("goes back to a backup that was restored at one of them, in another epoch", async (t) => {
    const [a, b, c] = (await three(t)) as [Place, Place, Place];
    const servers = await Promise.all([a.start(), b.start(), c.start()]);
    await formed(servers[0], 3);
    assert.equal(await publish(servers[1], "rule", "right"), 200);
    const path = join(a.dataDir, "..", "nightly.backup");
    await backup(servers[1], path);
    assert.equal(await publish(servers[2], "rule", "wrong"), 200);
    for (const server of servers) await server.stop(0);

    await withStoppedMember(b.dataDir, false, async (files) =>
      restore(files, await planRestore(files, path, b.dataDir)),
    );
    // The others have a majority of what the group was, and meet it later.
    const others = await Promise.all([a.start(), c.start()]);
    await until(async () => (await group(others[0])).leader !== undefined);
    const restored = await b.start();
    await formed(restored, 3);
    for (const server of [restored, ...others]) await until(async () => (await content(server, "rule")) === "right");
    assert.ok((await group(others[0])).epoch > 0);
    const [number = ""] = await readdir(join(b.dataDir, "replaced"));
    const alone = await served(t, join(b.dataDir, "replaced", number));
    await formed(alone, 1);
    assert.equal(await content(alone, "rule"), "wrong", "what was replaced can be looked at");
    assert.notEqual((await group(alone)).clusterId, (await group(restored)).clusterId);
    assert.equal(await publish(alone, "rule", "mine"), 200);
    assert.equal(await content(restored, "rule"), "right");
  });
});

describe("a backup of a cluster under writes", () => {
  test("becomes another cluster of three, all of which hold what it held", async (t) => {
    const [a, b, c] = (await three(t)) as [Place, Place, Place];
    const servers = await Promise.all([a.start(), b.start(), c.start()]);
    await formed(servers[0], 3);
    let isOver = false;
    const writes = (async () => {
      let done = 0;
      while (!isOver) if ((await publish(servers[1], `d${done}`, `content ${done}`)) === 200) done += 1;
      return done;
    })();
    await until(async () => (await content(servers[2], "d20")) !== undefined);
    const path = join(a.dataDir, "..", "nightly.backup");
    const head = await backup(servers[2], path);
    isOver = true;
    const done = await writes;
    const held = head.counts.config_info ?? 0;
    assert.ok(held >= 20 && held <= done, `${held} of ${done}`);

    const [x, y, z] = (await three(t)) as [Place, Place, Place];
    await withStoppedMember(x.dataDir, true, async (files) =>
      restore(files, await planRestore(files, path, x.dataDir)),
    );
    const restored = await Promise.all([x.start(), y.start(), z.start()]);
    await formed(restored[0], 3);
    assert.notEqual((await group(restored[0])).clusterId, head.clusterId);
    for (const [at, server] of restored.entries()) {
      const own = await backup(server, `${path}.${at}`);
      assert.deepEqual([own.stateHash, own.counts], [head.stateHash, head.counts], `member ${at}`);
      assert.equal(await content(server, "d20"), "content 20");
      assert.equal(await content(server, `d${held}`), undefined);
    }
    assert.equal(await publish(restored[1], "new", "1"), 200);
  });
});
