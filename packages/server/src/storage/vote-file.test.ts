import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CrashDisk } from "@nacre/testkit/crash-files";
import { Random } from "@nacre/testkit/random";
import type { Files } from "./files.ts";
import { type HardState, NEW_MEMBER, VoteFile } from "./vote-file.ts";

const vote = (term: number, member?: string): HardState => ({ term, vote: member, trust: "whole" });

const open = (files: Files, powerLoss = true) => VoteFile.open(files, "data/vote", { powerLoss });

async function flip(files: Files, offset: number): Promise<void> {
  const bytes = await files.read("data/vote");
  const file = await files.open("data/vote");
  await file.write(Buffer.of((bytes[offset] ?? 0) ^ 1), offset);
  await file.sync();
}

describe("term and vote of a member", () => {
  test("are those of a new one while nothing was written, and no file is made", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    const file = await open(files);
    assert.deepEqual(file.state, NEW_MEMBER);
    assert.deepEqual(await files.list("data"), []);
  });

  test("are the last that were written, and cost one sync", async () => {
    const disk = new CrashDisk(new Random(1));
    const files = disk.restart(false);
    const file = await open(files);
    for (let term = 1; term <= 5; term += 1) await file.write(vote(term, `member-${term}`));
    const before = disk.operations;
    await file.write({ term: 6, vote: undefined, trust: "logLost" });
    assert.equal(disk.operations - before, 2, "one write and one sync");
    assert.deepEqual((await open(disk.restart(true))).state, { term: 6, vote: undefined, trust: "logLost" });
  });

  test("are never older than the last that was told, wherever process or machine stop", async () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const random = new Random(seed);
      const disk = new CrashDisk(random);
      let told = 0;
      for (let life = 0; life < 5; life += 1) {
        const powerLost = random.chance(0.5);
        const file = await open(disk.restart(powerLost), true);
        const { term } = file.state;
        assert.ok(term === told || term === told + 1, `seed ${seed}, life ${life}: ${term} after ${told}`);
        told = term;
        disk.stopsAfter = disk.operations + random.below(12);
        for (;;) {
          const wrote = await file.write(vote(told + 1, "x".repeat(random.below(300)))).then(
            () => true,
            () => false,
          );
          if (!wrote) break;
          told += 1;
        }
      }
    }
  });

  test("are damaged when a slot is, without a loss of power; else the other slot counts", async () => {
    for (const offset of [0, 5, 20, 511, 4096, 4200]) {
      const files = new CrashDisk(new Random(1)).restart(false);
      const file = await open(files);
      for (const term of [1, 2]) await file.write(vote(term, "a"));
      await flip(files, offset);
      await assert.rejects(open(files, false), {
        failure: "dataAccess",
        damage: { part: "vote", path: "data/vote", fromIndex: 1 },
        message: /the vote in data\/vote is damaged/,
      });
      assert.equal((await open(files, true)).state.term, offset < 4096 ? 1 : 2);
      await flip(files, offset < 4096 ? 4200 : 3);
      await assert.rejects(open(files, true), { message: /damaged/ }, "both");
    }
  });

  test("are damaged when the file is shorter than it was made", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    await (await open(files)).write(vote(1, "a"));
    await (await files.open("data/vote")).truncate(100);
    await assert.rejects(open(files, true), { message: /damaged/ });
  });

  test("are not written any more after a failed sync, and again after a failed write", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    let failing: "write" | "sync" | undefined;
    const fail = async (what: string) => {
      if (failing === what) throw Object.assign(new Error("injected"), { code: "EIO" });
    };
    const faulty: Files = {
      ...files,
      async open(path) {
        const file = await files.open(path);
        return {
          ...file,
          write: (bytes, at) => fail("write").then(() => file.write(bytes, at)),
          sync: () => fail("sync").then(() => file.sync()),
        };
      },
    };
    const file = await open(faulty);
    await file.write(vote(1, "a"));
    failing = "write";
    await assert.rejects(file.write(vote(2, "a")), { failure: "dataAccess", message: /cannot be written \(EIO\)/ });
    assert.deepEqual(file.state, vote(1, "a"));
    failing = undefined;
    await file.write(vote(3, "b"));
    failing = "sync";
    await assert.rejects(file.write(vote(4, "b")), { failure: "dataAccess", message: /check its disk and restart/ });
    failing = undefined;
    await assert.rejects(file.write(vote(5, "b")), { failure: "dataAccess", message: /takes no writes/ });
    assert.deepEqual(file.state, vote(3, "b"));
  });
});
