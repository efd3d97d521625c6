import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CrashDisk } from "@nacre/testkit/crash-files";
import { RegisterMachine } from "@nacre/testkit/log-suite";
import { Random } from "@nacre/testkit/random";
import { Applier } from "./applier.ts";
import type { Files } from "./files.ts";
import { installSnapshot } from "./install.ts";
import { LogFile } from "./log-file.ts";
import { scanLog } from "./log-scan.ts";
import { silent } from "./logger.ts";
import type { NewRecord } from "./records.ts";
import { finishInstall } from "./recovery.ts";
import { checkSnapshot, snapshotPath, writeSnapshot } from "./snapshot.ts";
import { IncomingSnapshot } from "./snapshot-transfer.ts";
import type { Snapshots } from "./snapshots.ts";
import type { SnapshotRow } from "./sql/snapshot-rows.ts";
import { EMPTY, type Mark, type Store } from "./store.ts";
import type { StoreSaver } from "./store-saver.ts";

const MARK: Mark = { index: 30, term: 4, checksum: 7, configuration: "{}" };
const ROWS: SnapshotRow[] = Array.from({ length: 20 }, (_, at) => ({ kind: "register", key: `${at}`, value: '"v"' }));
const folders = { log: "data/log", snapshots: "data/snapshots", store: "data/store.db", vote: "data/vote" };
const OLD = 8;

async function openLog(files: Files, startAfter = 0): Promise<LogFile> {
  const scan = await scanLog(files, folders.log, { powerLoss: true, countAfter: 0 });
  return LogFile.open(files, folders.log, scan, { segmentBytes: 150, startAfter, isSynced: false });
}

/** A store and snapshots of which nothing is on the disk, so that the order of what is shows. */
async function install(files: Files, log: LogFile, bytes: Buffer): Promise<void> {
  const { index, term } = MARK;
  const incoming = await IncomingSnapshot.open(files, folders.snapshots, { index, term, total: bytes.length });
  while (incoming.offset < bytes.length) {
    await incoming.write(incoming.offset, bytes.subarray(incoming.offset, incoming.offset + 300));
  }
  const machine = new RegisterMachine();
  const saver = {
    replaced: () => {},
    wrote: () => {},
    perform: async () => {},
    failing: undefined,
    save: async () => true,
  } as unknown as StoreSaver;
  const none = async function* (): AsyncGenerator<never> {};
  const replacement = { put: () => {}, rows: () => [].values(), heads: none, staged: none, save: () => {} };
  const store = {
    mark: EMPTY,
    replace: () => ({
      ...replacement,
      begin: () => {},
      indexes: () => [],
      removals: () => [],
      *prepare() {},
      commit: () => {},
    }),
  } as unknown as Store;
  const snapshots = { without: (work: () => Promise<unknown>) => work() } as unknown as Snapshots;
  const applier = new Applier({ machine, saver, mark: EMPTY });
  await installSnapshot(incoming, { files, machine, log, store, storePath: folders.store, saver, applier, snapshots });
}

describe("a received snapshot", () => {
  test("counts from one moment on, wherever process or machine stop (L13)", async () => {
    const seen = { old: 0, begun: 0, done: 0 };
    for (let seed = 1; seed <= 400; seed += 1) {
      const random = new Random(seed);
      const disk = new CrashDisk(random);
      let files = disk.restart(false);
      const view = { mark: MARK, rows: ROWS.values(), close: () => {} };
      await writeSnapshot(files, "elsewhere", view, () => false);
      const bytes = await files.read(snapshotPath("elsewhere", MARK.index));
      const log = await openLog(files);
      const record: NewRecord = { term: 4, kind: "command", at: 1, payload: Buffer.from("x".repeat(50)) };
      for (let index = 1; index <= OLD; index += 1) await log.append([record]);

      disk.stopsAfter = disk.operations + random.below(30);
      const told = await install(files, log, bytes).then(
        () => "done",
        () => "failed",
      );
      const powerLost = random.chance(0.5);
      files = disk.restart(powerLost);
      const names = (await files.list(folders.snapshots)).filter((name) => !name.endsWith(".incoming"));
      const where = `seed ${seed}, ${told}, ${powerLost ? "power lost" : "killed"}: ${names}`;
      assert.ok(names.length <= 1, where);
      for (const name of names)
        assert.equal(typeof (await checkSnapshot(files, `data/snapshots/${name}`)), "object", where);
      if (names.length === 0) {
        assert.equal(told, "failed", where);
        assert.equal((await openLog(files)).lastIndex, OLD, where);
        seen.old += 1;
        continue;
      }
      if (names[0]?.endsWith(".install")) seen.begun += 1;
      else seen.done += 1;

      // A start that is stopped on its way, and one that is not.
      disk.stopsAfter = disk.operations + random.below(12);
      await finishInstall(files, folders, false, silent).catch(() => {});
      files = disk.restart(random.chance(0.5));
      await finishInstall(files, folders, false, silent);
      assert.deepEqual(
        (await files.list(folders.snapshots)).filter((name) => !name.endsWith(".incoming")),
        ["0000000000000030.snapshot"],
        where,
      );
      const next = await openLog(files, MARK.index);
      assert.deepEqual([next.firstIndex, next.lastIndex], [MARK.index + 1, MARK.index], where);
      await next.append([record]);
      files = disk.restart(true);
      await finishInstall(files, folders, false, silent);
      assert.equal((await openLog(files)).lastIndex, MARK.index + 1, `${where}: what was appended behind it stays`);
    }
    assert.ok(seen.old > 20 && seen.begun > 20 && seen.done > 20, JSON.stringify(seen));
  });
});
