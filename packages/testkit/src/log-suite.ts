import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { RegistryError } from "@nacre/protocol";
// Types only: nothing of the server is loaded, so that its own tests can use this suite.
import type { Applied, DurableLog, LogEntry, Replacing, StateMachine } from "@nacre/server/storage";

export type RegisterCommand =
  | { readonly type: "put"; readonly key: string; readonly value: string }
  | { readonly type: "remove"; readonly key: string }
  /** Refused, but its row is written. */
  | { readonly type: "refuse"; readonly key: string }
  /** A bug of the machine. */
  | { readonly type: "break" };

/** The previous value of the key, and the entry that apply was given. */
export interface RegisterResult {
  readonly before: string | undefined;
  readonly index: number;
  readonly at: number;
}

/** The smallest state machine that shows order, results, failures and rows: string registers. */
export class RegisterMachine implements StateMachine<RegisterCommand, RegisterResult> {
  readonly registers = new Map<string, string>();
  readonly entries: LogEntry<RegisterCommand>[] = [];
  readonly loaded: string[] = [];

  load(row: { readonly kind: string; readonly key: string; readonly value: string }): void {
    assert.equal(row.kind, "register");
    this.loaded.push(row.key);
    this.registers.set(row.key, JSON.parse(row.value));
  }

  apply(entry: LogEntry<RegisterCommand>): Applied<RegisterResult> {
    this.entries.push(entry);
    const { command, index, at } = entry;
    if (command.type === "break") throw new Error("the machine is broken on purpose");
    const { key } = command;
    const before = this.registers.get(key);
    if (command.type === "remove") {
      this.registers.delete(key);
      return { ok: true, result: { before, index, at }, rows: [{ kind: "register", key, value: undefined }] };
    }
    const value = command.type === "put" ? command.value : "refused";
    this.registers.set(key, value);
    const rows = [{ kind: "register", key, value: JSON.stringify(value) }];
    if (command.type === "refuse") return { ok: false, failure: "conflict", message: `${key} is refused`, rows };
    return { ok: true, result: { before, index, at }, rows };
  }

  replace(): Replacing {
    const next = new Map<string, string>();
    return {
      row: ({ key, value }) => void next.set(key, JSON.parse(value)),
      config: () => {},
      staged: () => {},
      finish: async (_, switchStore) => {
        switchStore();
        this.registers.clear();
        for (const [key, value] of next) this.registers.set(key, value);
      },
    };
  }
}

/** The `replace` of a machine in a test in which nothing is replaced. */
export function neverReplaced(): never {
  throw new Error("the state of this machine is not replaced");
}

export type RegisterLog = DurableLog<RegisterCommand, RegisterResult>;

export interface LogUnderTest {
  readonly machine: StateMachine<RegisterCommand, RegisterResult>;
  readonly wallClock: () => number;
  readonly limits: { readonly pendingMax?: number; readonly pendingBytesMax?: number };
}

export const put = (key: string, value: string): RegisterCommand => ({ type: "put", key, value });

/**
 * What every implementation of the durable log does; the numbers are those of the storage's DESIGN.md.
 * @param open  opens an empty log and registers its clean-up with the test.
 */
export function logSuite(name: string, open: (t: TestContext, options: LogUnderTest) => Promise<RegisterLog>): void {
  const start = async (t: TestContext, limits: LogUnderTest["limits"] = {}) => {
    const machine = new RegisterMachine();
    let now = 1000;
    const log = await open(t, { machine, wallClock: () => now++, limits });
    // A log of a group has entries of its own before the first command.
    const before = log.appliedIndex;
    return { machine, log, before, startedAt: now };
  };

  describe(`${name}, as a durable log`, () => {
    test("answers each command with what apply gave, in the order of the proposals", async (t) => {
      const { log, machine, before, startedAt } = await start(t);
      const results = await Promise.all(["a", "b", "c"].map((value) => log.propose(put("key", value))));
      assert.deepEqual(results, [
        { before: undefined, index: before + 1, at: startedAt },
        { before: "a", index: before + 2, at: startedAt + 1 },
        { before: "b", index: before + 3, at: startedAt + 2 },
      ]);
      assert.deepEqual(
        machine.entries.map(({ command }) => command),
        [put("key", "a"), put("key", "b"), put("key", "c")],
      );
    });

    test("keeps indexes without gaps over many batches", async (t) => {
      const { log, machine, before } = await start(t);
      for (let round = 0; round < 5; round += 1) {
        await Promise.all(Array.from({ length: 300 }, (_, i) => log.propose(put(`key-${i}`, `${round}`))));
      }
      assert.deepEqual(
        machine.entries.map(({ index }) => index),
        Array.from({ length: 1500 }, (_, i) => before + i + 1),
      );
      assert.equal(log.appliedIndex, before + 1500);
      assert.equal(log.status().pending, 0);
    });

    test("has applied a command when its proposal resolves", async (t) => {
      const { log, machine } = await start(t);
      const { index } = await log.propose(put("key", "value"));
      assert.ok(log.appliedIndex >= index);
      assert.equal(machine.registers.get("key"), "value");
    });

    test("rejects with the failure that apply decided, and goes on", async (t) => {
      const { log, machine, before, startedAt } = await start(t);
      const refused = log.propose({ type: "refuse", key: "key" });
      const next = log.propose(put("key", "value"));
      await assert.rejects(refused, { name: "RegistryError", failure: "conflict", message: "key is refused" });
      assert.deepEqual(await next, { before: "refused", index: before + 2, at: startedAt + 1 });
      assert.equal(machine.entries.length, 2, "a refused command is an entry like any other");
    });

    test("takes the command as it was when proposed (L3)", async (t) => {
      const { log, machine } = await start(t);
      const command = { type: "put" as const, key: "key", value: "before: 前" };
      const answer = log.propose(command);
      command.value = "after";
      await answer;
      assert.equal(machine.registers.get("key"), "before: 前");
    });

    test("refuses proposals beyond its bound, and takes them again when there is room (L11)", async (t) => {
      const { log, before } = await start(t, { pendingMax: 2 });
      const accepted = [log.propose(put("a", "1")), log.propose(put("b", "1"))];
      assert.equal(log.status().pending, 2);
      await assert.rejects(log.propose(put("c", "1")), {
        failure: "overThreshold",
        message: /^2 writes wait .* try again/,
      });
      await Promise.all(accepted);
      assert.equal((await log.propose(put("c", "1"))).index, before + 3, "the refused one took no index");
    });

    test("refuses a proposal beyond the bytes it takes at a time, and names what waits and the bound", async (t) => {
      const { log, before } = await start(t, { pendingBytesMax: 1000 });
      const accepted = log.propose(put("a", "x".repeat(600)));
      await assert.rejects(log.propose(put("b", "x".repeat(600))), {
        failure: "overThreshold",
        message:
          /^this write has 6\d\d bytes and writes of 6\d\d bytes wait at this member, which takes 1000 .* try again/,
      });
      await accepted;
      assert.equal((await log.propose(put("b", "x".repeat(600)))).index, before + 2, "the refused one took no index");
      // One that is larger than the bound is taken when nothing waits.
      await log.propose(put("c", "x".repeat(2000)));
    });

    test("lets accepted proposals finish at close, and refuses later ones", async (t) => {
      const { log, machine, before } = await start(t);
      const accepted = log.propose(put("key", "value"));
      const closing = log.close();
      await assert.rejects(log.propose(put("key", "late")), { failure: "unavailable" });
      await closing;
      assert.equal((await accepted).index, before + 1);
      assert.equal(machine.registers.get("key"), "value");
      await log.close();
    });

    test("stops for good when apply throws (L10)", async (t) => {
      const { log, machine, before } = await start(t);
      const outcomes = await Promise.allSettled([
        log.propose(put("key", "before")),
        log.propose({ type: "break" }),
        log.propose(put("key", "after")),
      ]);
      assert.deepEqual(
        outcomes.map((outcome) =>
          outcome.status === "fulfilled" ? "done" : (outcome.reason as RegistryError).failure,
        ),
        ["done", "outcomeUnknown", "outcomeUnknown"],
      );
      await assert.rejects(log.propose(put("key", "later")), {
        failure: "dataAccess",
        message: new RegExp(`stopped.* record ${before + 2}`),
      });
      assert.match(log.status().refusing ?? "", new RegExp(`record ${before + 2}`));
      assert.equal(machine.registers.get("key"), "before");
      assert.equal(log.appliedIndex, before + 1);
    });
  });
}
