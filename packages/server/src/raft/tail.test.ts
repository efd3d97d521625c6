import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { put } from "@nacre/testkit/log-suite";
import type { NewRecord } from "../storage/records.ts";
import { TestGroup } from "./group.fixture.ts";
import { Tail } from "./tail.ts";

const record = (bytes: number): NewRecord => ({ term: 1, kind: "command", at: 0, payload: Buffer.alloc(bytes) });

describe("the end of the log in memory", () => {
  test("keeps what is applied for the others, up to its bound", () => {
    const tail = new Tail(1);
    tail.append(1, [record(10), record(20), record(30)]);
    tail.shrink(4, false);
    assert.deepEqual(
      [1, 2, 3].map((index) => tail.get(index)?.payload.length),
      [10, 20, 30],
    );
    tail.append(4, [record(10 * 1024 * 1024), record(10 * 1024 * 1024)]);
    tail.shrink(6, false);
    assert.equal(tail.get(4), undefined);
    assert.equal(tail.get(5)?.index, 5);
  });

  test("keeps what is not applied alone when nobody else is in the group", () => {
    const tail = new Tail(1);
    tail.append(1, [record(10), record(20), record(30)]);
    tail.shrink(3, true);
    assert.deepEqual(
      [1, 2, 3].map((index) => tail.get(index)?.payload.length),
      [undefined, undefined, 30],
    );
    tail.append(4, [record(40)]);
    tail.cut(4);
    assert.equal(tail.next, 4);
    tail.shrink(4, true);
    assert.equal(tail.bytes, 0);
    assert.equal(tail.next, 4);
  });
});

test("a member that was alone sends who joins it from the file what it held before", async (t) => {
  const group = await TestGroup.ready(t, ["a"]);
  const { log, faults } = group.get("a");
  for (let n = 0; n < 20; n++) await group.during(log.propose(put(`key-${n}`, `${n}`)));
  assert.equal(faults.readBytes, 0);
  const newcomer = await group.open("b", { founder: undefined });
  await group.during(log.order({ type: "addLearner", id: "b" }));
  await group.until(() => log.status().configuration.voters.includes("b"), "another voter");
  await group.settled();
  assert.equal(newcomer.machine.registers.get("key-0"), "0");
  const read = faults.readBytes;
  assert.ok(read > 0);
  await group.during(newcomer.log.propose(put("now", "1")));
  await group.settled();
  assert.equal(faults.readBytes, read, "what came since is in memory");
});
