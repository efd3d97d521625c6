import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { put, type RegisterCommand, RegisterMachine, type RegisterResult } from "@nacre/testkit/log-suite";
import { type Applied, type CommandCodec, type LogEntry, MalformedCommand, UnknownKind } from "../storage/port.ts";
import { TestGroup, type TestMember } from "./group.fixture.ts";

/** Registers of a version that knows `put`, and looks at it. */
class Registers extends RegisterMachine {
  readonly codec: CommandCodec<RegisterCommand> = {
    encode: (command) => Buffer.from(JSON.stringify(command)),
    decode(payload) {
      const command = JSON.parse(Buffer.from(payload).toString()) as RegisterCommand;
      if (command.type !== "put") throw new UnknownKind(command.type);
      if (typeof command.value !== "string") throw new MalformedCommand("put", "value", "must be text");
      return command;
    },
  };
}

/** Of another program, or of a later version: it proposes and applies whatever it is given. */
class Anything extends RegisterMachine {
  override apply(entry: LogEntry<RegisterCommand>): Applied<RegisterResult> {
    return super.apply({ ...entry, command: { type: "put", key: "any", value: JSON.stringify(entry.command) } });
  }
}

const MALFORMED = { type: "put", key: "key", value: 1 } as unknown as RegisterCommand;
const LATER = { type: "append", key: "key", value: "1" } as unknown as RegisterCommand;

/** Three members, of whom one takes anything. */
async function mixed(t: TestContext): Promise<{ group: TestGroup; odd: TestMember; others: TestMember[] }> {
  const group = await TestGroup.make(t, ["a", "b", "c"]);
  for (const id of ["a", "b", "c"]) await group.open(id, {}, id === "a" ? new Anything() : new Registers());
  await group.settled();
  return { group, odd: group.get("a"), others: [group.get("b"), group.get("c")] };
}

async function lead(group: TestGroup, id: string): Promise<void> {
  if (group.leader?.id !== id) await group.during(group.get(id).log.order({ type: "transfer", id }));
  await group.until(() => group.leader?.id === id && group.get(id).log.status().leader === id, `${id} leads`);
}

describe("an entry that is no command", () => {
  test("is passed over by every member, told with its place, and what is behind it is applied", async (t) => {
    const { group, odd, others } = await mixed(t);
    await lead(group, "a");
    const { index } = await group.during(odd.log.propose(MALFORMED));
    await group.during(odd.log.propose(put("key", "after")));
    await group.settled();
    for (const { log, machine } of others) {
      const { stopped, passedOver } = log.status();
      assert.equal(stopped, undefined);
      assert.deepEqual(passedOver, { count: 1, index, why: "field 'value' of a command put must be text" });
      assert.equal(machine.registers.get("key"), "after");
    }
    await group.during(others[0]?.log.propose(put("key", "more")) ?? assert.fail());
  });

  test("is not taken by a leader, which tells who proposed it the field and the rule", async (t) => {
    const { group, odd, others } = await mixed(t);
    await lead(group, "b");
    const { lastIndex } = group.get("b").log.status();
    await assert.rejects(group.during(odd.log.propose(MALFORMED)), {
      failure: "invalidParameter",
      message: "b:8848 leads the group and does not take the write: field 'value' of a command put must be text",
    });
    await assert.rejects(group.during(odd.log.propose(LATER)), { message: /kind 'append' is not known/ });
    assert.equal(others[0]?.log.status().lastIndex, lastIndex);
    await group.during(odd.log.propose(put("key", "taken")));
  });
});

describe("an entry of a kind that a later version has", () => {
  test("stops a member that does not know it, in front of it, until that is upgraded", async (t) => {
    const { group, odd, others } = await mixed(t);
    await lead(group, "a");
    const { index } = await group.during(odd.log.propose(LATER));
    await group.until(() => others.every(({ log }) => log.status().stopped !== undefined), "they stopped");
    for (const { log } of others) {
      assert.equal(log.appliedIndex, index - 1);
      assert.equal(
        log.status().stopped,
        `the log stopped before its record ${index}, because a command of the kind 'append' is not known to this version: upgrade this member to the version of the member that wrote it`,
      );
    }
    await assert.rejects(group.get("b").log.readIndex(), { failure: "dataAccess", message: /upgrade this member/ });
    await group.during(odd.log.propose(put("key", "goes on: they vote and store")));
    await group.stop("b");
    const upgraded = await group.open("b", {}, new Anything());
    await group.until(() => upgraded.log.appliedIndex > index, "it goes on");
    assert.deepEqual(upgraded.log.status().hashes, odd.log.status().hashes);
    assert.equal(upgraded.machine.entries[0]?.index, index, "nothing of it had been done");
  });
});

/** Fails on one entry: a bug, or a machine without memory. */
class Breaks extends RegisterMachine {
  override apply(entry: LogEntry<RegisterCommand>): Applied<RegisterResult> {
    if (entry.command.type === "put" && entry.command.key === "breaks") throw new Error("it cannot be applied");
    return super.apply(entry);
  }
}

describe("an entry on which the machine breaks", () => {
  test("is applied by a start that can, although those before it were saved together with it", async (t) => {
    const group = await TestGroup.make(t, ["a"]);
    const { log } = await group.open("a", {}, new Breaks());
    await group.settled();
    const outcomes = await group.during(
      Promise.allSettled(["before", "breaks", "behind"].map((key) => log.propose(put(key, "1")))),
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["fulfilled", "rejected", "rejected"],
    );
    await group.stop("a");
    const again = await group.open("a");
    await group.during(again.log.readIndex());
    const { registers } = again.machine;
    assert.deepEqual(
      ["before", "breaks", "behind"].map((key) => registers.get(key)),
      ["1", "1", "1"],
    );
  });
});
