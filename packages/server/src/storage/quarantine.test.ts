import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CrashDisk } from "@nacre/testkit/crash-files";
import { Random } from "@nacre/testkit/random";
import { DamageError, QUARANTINE_MARKER } from "./damage.ts";
import { replaceFile } from "./files.ts";
import { finishQuarantine, leaveBehind, setAside } from "./quarantine.ts";
import { readVote, VoteFile } from "./vote-file.ts";

const DATA = "data";

describe("what is set aside", () => {
  for (const isEmpty of [false, true])
    test(`is all there or all gone at the next start, wherever process or machine stop${isEmpty ? "; what holds nothing is removed" : ""}`, async () => {
      const seen = { before: 0, after: 0 };
      for (let seed = 1; seed <= 400; seed += 1) {
        const random = new Random(seed);
        const disk = new CrashDisk(random);
        let files = disk.restart(false);
        await replaceFile(files, `${DATA}/log`, "0000000000000001.log", "the log");
        await replaceFile(files, DATA, "run.json", "{}");
        const vote = await VoteFile.open(files, `${DATA}/vote`, { powerLoss: false });
        await vote.write({ term: 7, vote: "a", trust: "whole" });
        for (let life = 0; life < 3; life += 1) {
          disk.stopsAfter = disk.operations + random.below(16);
          // A start that met the marker goes on from there; else somebody orders it anew.
          await leaveBehind(files, DATA, { reason: "left", isEmpty }).catch(() => {});
          files = disk.restart(random.chance(0.5));
          const present = await files.list(DATA);
          // What is done is not to be done again.
          if (!present.includes(QUARANTINE_MARKER) && !present.includes("log")) break;
        }
        if ((await files.list(DATA)).includes(QUARANTINE_MARKER)) await finishQuarantine(files, DATA);
        const where = `seed ${seed}`;
        const present = await files.list(DATA);
        const term = (await readVote(files, `${DATA}/vote`, { powerLoss: true }))?.state.term;
        const isThere = present.includes("log");
        assert.equal(present.includes("run.json"), isThere, where);
        assert.equal(term, isThere ? 7 : 0, where);
        if (!isThere && isEmpty) assert.deepEqual(present, ["vote"], where);
        if (!isThere && !isEmpty)
          assert.deepEqual(await files.list(`${DATA}/left-behind/1/log`), ["0000000000000001.log"], where);
        seen[isThere ? "before" : "after"] += 1;
      }
      assert.ok(seen.before > 0 && seen.after > 300, JSON.stringify(seen));
    });

  test("because a group went on without it is kept, under whatever name, until somebody removes it", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    const leave = async (text: string) => {
      await replaceFile(files, `${DATA}/log`, "0000000000000001.log", text);
      return leaveBehind(files, DATA, { reason: "left" });
    };
    await leave("first");
    await files.rename(`${DATA}/left-behind/1`, `${DATA}/left-behind/before the recovery`);
    for (const at of ["1", "2", "3"]) assert.equal(await leave(at), `${DATA}/left-behind/${at}`);
    assert.deepEqual(await files.list(`${DATA}/left-behind`), ["1", "2", "3", "before the recovery"]);
    assert.ok(!(await files.list(DATA)).includes("log"));
  });

  test("is told by name when the file that says so is damaged", async () => {
    for (const text of ["", "garbage", "null", "{}", '{"folder":7,"hard":{}}']) {
      const files = new CrashDisk(new Random(1)).restart(false);
      await replaceFile(files, DATA, QUARANTINE_MARKER, text);
      await assert.rejects(finishQuarantine(files, DATA), {
        failure: "dataAccess",
        message: /^data\/quarantine\.json is damaged, .*: restore a backup into an empty folder/,
      });
    }
  });

  test("because it was damaged is kept for the newest two times", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    for (let at = 1; at <= 3; at++) {
      await replaceFile(files, `${DATA}/log`, "0000000000000001.log", "the log");
      await setAside(files, DATA, new DamageError({ part: "log", path: "log", fromIndex: 1 }, "damaged"));
    }
    assert.deepEqual(await files.list(`${DATA}/damaged`), ["2", "3"]);
  });
});
