import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { put } from "@nacre/testkit/log-suite";
import { nodeFiles } from "../storage/files.ts";
import { TestGroup } from "./group.fixture.ts";

const IDS = ["a", "b", "c"];

async function flip(path: string, offset: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

describe("a member whose files are damaged", () => {
  for (const [what, damage] of [
    [
      "log",
      async (folder: string) => {
        const [name] = await readdir(join(folder, "log"));
        await flip(join(folder, "log", name ?? ""), 80);
      },
    ],
    ["vote", (folder: string) => flip(join(folder, "vote"), 4)],
  ] as const) {
    test(`has everything again when its ${what} is, and is a voter that can be relied on`, async (t) => {
      const damaged: string[] = [];
      const group = await TestGroup.make(t, IDS);
      const events = { peerDamaged: (id: string, trust: string) => damaged.push(`${id} ${trust}`) };
      for (const id of IDS) await group.open(id, { events });
      await group.settled();
      for (let n = 0; n < 20; n++) await group.during(group.get("a").log.propose(put(`key-${n}`, `${n}`)));
      const { id } = group.follower;
      await group.kill(id);
      const folder = join(group.directory, id);
      await damage(folder);
      // Both slots, so that neither can stand for the other.
      if (what === "vote") await flip(join(folder, "vote"), 4096 + 4);
      await rm(join(folder, "store.db"));
      const { log, machine } = await group.open(id, { quarantines: true });
      assert.notEqual(log.status().trust, "whole");
      await group.until(() => log.status().trust === "whole", "that it has everything again");
      await group.until(() => log.status().configuration.voters.length === 3, "that it is a voter again");
      await group.settled();
      assert.equal(machine.registers.get("key-19"), "19");
      assert.deepEqual([...new Set(damaged)], [`${id} ${what === "vote" ? "allLost" : "logLost"}`]);
      await group.kill(id);
      const again = await group.open(id, { quarantines: true });
      assert.equal(again.log.status().trust, "whole", "also after another start");
      await group.settled();
    });
  }

  test("is a voter again also where it is one of two, when the other one leads just then", async (t) => {
    const group = await TestGroup.make(t, ["a", "b"]);
    await group.open("a");
    await group.open("b");
    await group.settled();
    const { id } = group.follower;
    await group.kill(id);
    const folder = join(group.directory, id);
    for (const offset of [4, 4096 + 4]) await flip(join(folder, "vote"), offset);
    const { log } = await group.open(id, { quarantines: true });
    await group.until(() => log.status().trust === "whole", "that it has everything again");
    await group.until(() => log.status().configuration.voters.length === 2, "that it is a voter again");
    await group.settled();
  });
});

describe("a log that cannot be read", () => {
  test("for a while, as when no file can be opened, holds applying up for as long as that", async (t) => {
    const group = await TestGroup.ready(t, ["a"]);
    await group.during(group.get("a").log.propose(put("key", "1")));
    await group.stop("a");
    let reads = 0;
    let isFailing = false;
    const files = {
      ...group.files,
      async readRange(path: string, position: number, bytes: number) {
        if (!isFailing || !path.endsWith(".log")) return nodeFiles.readRange(path, position, bytes);
        reads++;
        throw Object.assign(new Error("too many open files"), { code: "EMFILE" });
      },
    };
    // All of the state is made anew of the log, once a leader says that it counts.
    await rm(join(group.directory, "a", "store.db"));
    const { log, machine } = await group.open("a", { files });
    isFailing = true;
    await group.until(() => reads > 2, "that it is tried again");
    assert.equal(log.status().stopped, undefined);
    assert.equal(machine.registers.get("key"), undefined);
    isFailing = false;
    await group.during(log.propose(put("next", "1")));
    assert.equal(machine.registers.get("key"), "1");
  });
});

describe("a cut of the log that failed half way", () => {
  test("stops the member: what it says of its log would be of entries that may be gone", async (t) => {
    const group = await TestGroup.make(t, IDS);
    const limits = { segmentBytes: 300 };
    let fails = false;
    const files = {
      ...group.files,
      async remove(path: string) {
        if (fails && path.endsWith(".log")) throw Object.assign(new Error("the disk is broken"), { code: "EIO" });
        await nodeFiles.remove(path);
      },
    };
    for (const id of IDS) await group.open(id, { limits, files });
    await group.settled();
    const cut = group.leader;
    assert.ok(cut !== undefined);
    // What it has alone, in several segments, gives way to what the others agree on.
    group.isolate(cut.id);
    const unknown: Promise<unknown>[] = [];
    for (let n = 0; n < 4; n++) {
      const { logBytes } = cut.log.status();
      unknown.push(cut.log.propose(put(`alone-${n}`, "x".repeat(400))).catch(() => {}));
      await group.until(() => cut.log.status().logBytes > logBytes, "that it is on its disk");
    }
    await group.until(() => group.leader !== undefined && group.leader.id !== cut.id, "another leader");
    const leader = group.leader;
    await group.during(leader?.log.propose(put("key", "1")) ?? assert.fail());
    await group.during(Promise.all(unknown));
    fails = true;
    group.isolate(cut.id, false);
    await group.until(() => cut.log.status().stopped !== undefined, "that it stopped");
    assert.match(
      cut.log.status().stopped ?? "",
      /a part of it could not be removed \(EIO\): check its disk and restart/,
    );
    let said = 0;
    group.loses = (from) => {
      if (from === cut.id) said++;
      return false;
    };
    await group.during(leader?.log.propose(put("key", "2")) ?? assert.fail());
    assert.equal(said, 0);
    fails = false;
    await group.stop(cut.id);
    await group.open(cut.id, { limits });
    await group.settled();
    assert.equal(group.get(cut.id).machine.registers.get("key"), "2");
  });
});

describe("a vote whose sync failed", () => {
  test("is told as the reason for which its member takes no writes until a restart", async (t) => {
    const group = await TestGroup.make(t, IDS);
    let syncs = 0;
    let broken: string | undefined;
    const files = {
      ...group.files,
      async open(path: string) {
        const file = await group.files.open(path);
        if (!path.endsWith("vote")) return file;
        const sync = async () => {
          if (broken === undefined || !path.includes(broken)) return file.sync();
          syncs++;
          throw Object.assign(new Error("the disk is broken"), { code: "EIO" });
        };
        return { ...file, sync };
      },
    };
    for (const id of IDS) await group.open(id, { files });
    await group.settled();
    const { id, log } = group.follower;
    broken = join(group.directory, id);
    const next = IDS.find((one) => one !== id && one !== group.leader?.id);
    await group.during(group.leader?.log.order({ type: "transfer", id: next }) ?? assert.fail());
    await group.until(() => syncs > 0, "a vote");
    const failedAt = group.clock.now();
    await group.until(() => group.clock.now() > failedAt + 3_000, "time");
    assert.match(log.status().refusing ?? "", /the vote in .* takes no writes.*check its disk and restart/);
    await assert.rejects(group.during(log.propose(put("key", "1"))), {
      failure: "dataAccess",
      message: /the vote in /,
    });
    broken = undefined;
    await group.kill(id);
    await group.open(id);
    await group.settled();
  });
});
