import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { put, type RegisterCommand, RegisterMachine, type RegisterResult } from "@nacre/testkit/log-suite";
import type { Applied, LogEntry } from "../storage/port.ts";
import { TestGroup, type TestMember } from "./group.fixture.ts";

const IDS = ["a", "b", "c"];

/** Makes something else of one entry in so many. */
class Unlike extends RegisterMachine {
  readonly #name: string;
  readonly #every: number;
  readonly #until: number;

  constructor(name: string, every = 700, until = Infinity) {
    super();
    this.#name = name;
    this.#every = every;
    this.#until = until;
  }

  override apply(entry: LogEntry<RegisterCommand>): Applied<RegisterResult> {
    const { index, command } = entry;
    if (index % this.#every !== 0 || index > this.#until || command.type !== "put") return super.apply(entry);
    return super.apply({ ...entry, command: { ...command, value: `${command.value} of ${this.#name}` } });
  }
}

interface Told {
  readonly group: TestGroup;
  /** "leader of member at index" */
  readonly told: string[];
  readonly renewed: string[];
}

/** A group that `leader` leads, where these do something else than the others. */
async function groupWith(
  t: TestContext,
  unlike: Readonly<Record<string, Unlike>>,
  leader = "a",
  ids = IDS,
): Promise<Told> {
  const [told, renewed]: string[][] = [[], []];
  const group = await TestGroup.make(t, ids);
  for (const id of ids) {
    const events = {
      stateDiffers: (member: string, index: number) => told?.push(`${id} of ${member} at ${index}`),
      renewing: (isRenewing: boolean) => renewed?.push(`${id} ${isRenewing ? "begins" : "ends"}`),
    };
    await group.open(id, { events }, unlike[id] ?? new RegisterMachine());
  }
  await group.settled();
  if (group.leader?.id !== leader) {
    await group.during(group.get(leader).log.order({ type: "transfer", id: leader }));
    await group.settled();
  }
  return { group, told: told ?? [], renewed: renewed ?? [] };
}

async function write(
  group: TestGroup,
  count: number,
  at: TestMember = group.get(group.leader?.id ?? "a"),
): Promise<void> {
  for (let n = 0; n < count; n += 20)
    await group.during(Promise.all(Array.from({ length: 20 }, (_, key) => at.log.propose(put(`${n + key}`, `${n}`)))));
}

function registers(group: TestGroup): string[] {
  return IDS.map((id) => JSON.stringify([...group.get(id).machine.registers].toSorted()));
}

async function alike(group: TestGroup): Promise<void> {
  await group.settled();
  await group.until(() => new Set(registers(group)).size === 1, "that all hold the same");
}

describe("a member whose state differs from that of most (Q11)", () => {
  test("is told of within a thousand entries, and takes the leader's by itself, as the voter that it is", async (t) => {
    const { group, told, renewed } = await groupWith(t, { b: new Unlike("b") });
    const { log } = group.get("b");
    await write(group, 1020);
    await group.until(() => renewed.length > 0, "that it begins");
    assert.deepEqual(told, ["a of b at 1000"]);
    assert.match(log.status().refusing ?? "", /differs from what it led to at most voters/);
    await assert.rejects(log.propose(put("key", "value")), { failure: "dataAccess", message: /use another member/ });
    assert.deepEqual(log.status().configuration, group.founder, "its votes and its log count");
    await group.until(() => renewed.length === 2, "that it ends");
    assert.deepEqual(renewed, ["b begins", "b ends"]);
    await alike(group);
    assert.equal(log.status().trust, "whole");
    await group.until(() => group.leader?.log.status().differing.length === 0, "that it is not told of any more");
    await group.during(log.propose(put("key", "value")));
    await alike(group);

    const folder = join(group.directory, "b", "damaged", "1");
    assert.deepEqual(await readdir(folder), ["reason.json", "state.snapshot"]);
    assert.match((await readFile(join(folder, "reason.json"))).toString(), /up to entry 1000, differs/);
    await group.kill("b");
    const again = await group.open("b");
    assert.equal(again.log.status().trust, "whole", "also after another start");
    await alike(group);
  });

  test("hands the leadership over first when it leads", async (t) => {
    const { group, renewed } = await groupWith(t, { a: new Unlike("a", 700, 700) });
    // Of what is written at the other one the answer may be lost.
    await write(group, 1020, group.get("b"));
    await group.until(() => renewed.includes("a ends"), "that it has the state of the others");
    assert.deepEqual(renewed, ["a begins", "a ends"]);
    assert.notEqual(group.leader?.id, "a");
    await alike(group);
  });

  test("goes on with that when it is killed on the way, and shows nothing of its own meanwhile", async (t) => {
    const { group, renewed } = await groupWith(t, { b: new Unlike("b", 700, 700) });
    await write(group, 1000 - (group.leader?.log.status().lastIndex ?? 0) - 20);
    group.loses = (_, to) => to === "b" && renewed.length > 0;
    const rest = write(group, 60);
    await group.until(() => renewed.length > 0, "that it begins");
    const begunAt = group.clock.now();
    await group.until(() => group.clock.now() > begunAt + 100, "that this is on its disk");
    await group.kill("b");
    await rest;
    const again = await group.open("b");
    assert.equal(again.log.status().trust, "stateLost");
    const { appliedIndex } = again.log;
    const openedAt = group.clock.now();
    await group.until(() => group.clock.now() > openedAt + 300, "time");
    assert.equal(again.log.appliedIndex, appliedIndex, "it applies nothing to what differs");
    group.loses = () => false;
    await group.until(() => again.log.status().trust === "whole", "that it has the state of the others");
    await alike(group);
  });

  test("does so once in an hour, and is only told of when it differs again", async (t) => {
    const { group, told, renewed } = await groupWith(t, { b: new Unlike("b") });
    await write(group, 1020);
    await group.until(() => renewed.length === 2, "that it has the state of the others");
    await alike(group);
    await write(group, 1000);
    await group.until(() => told.includes("a of b at 2000"), "that it differs again");
    await group.settled();
    assert.deepEqual([renewed.length, group.get("b").log.status().trust], [2, "whole"]);
    assert.deepEqual(group.leader?.log.status().differing, [{ id: "b", index: 2000 }]);
    await group.during(group.get("a").log.order({ type: "remove", id: "b" }));
    assert.deepEqual(group.leader?.log.status().differing, [], "until it is removed");
  });
});

describe("members of which no more than half agree (Q11)", () => {
  for (const [what, ids, unlike] of [
    ["two", ["a", "b"], { b: new Unlike("b") }],
    ["three", IDS, { b: new Unlike("b"), c: new Unlike("c") }],
  ] as const)
    test(`are only told of: ${what}`, async (t) => {
      const { group, told, renewed } = await groupWith(t, unlike, "a", [...ids]);
      await write(group, 1020);
      await group.until(() => told.length === ids.length - 1, "that all are told of");
      await group.settled();
      assert.deepEqual(renewed, []);
    });
});
