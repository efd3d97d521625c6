import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Persist } from "@nacre/core/raft";
import { RegistryError } from "@nacre/protocol";
import { PROPOSAL_LIMITS } from "../storage/memory-log.ts";
import type { BatchLimits } from "../storage/proposals.ts";
import type { NewRecord } from "../storage/records.ts";
import type { Storage } from "../storage/storage.ts";
import type { HardState } from "../storage/vote-file.ts";
import { Disk } from "./disk.ts";
import { Tail } from "./tail.ts";

/** A storage that notes what is done, and waits before each write until it is let. */
class Subject {
  readonly done: string[] = [];
  state: HardState = { term: 1, vote: undefined, trust: "logLost" };
  gate: Promise<void> | undefined;
  failure: Error | undefined;
  voteFailure: Error | undefined;
  readonly #tail = new Tail(1);
  readonly disk: Disk;
  #number = 0;

  constructor(limits: Partial<BatchLimits> = {}) {
    const subject = this;
    const append = async (what: string, records: readonly NewRecord[]) => {
      await this.gate;
      if (this.failure !== undefined) throw this.failure;
      this.done.push(what);
      return { firstIndex: 0, checksums: records.map((_, at) => at + 100) };
    };
    const log = {
      append: (records: readonly NewRecord[], first: number) => append(`append ${first}+${records.length}`, records),
      truncateFrom: (index: number, records: readonly NewRecord[]) => append(`cut ${index}+${records.length}`, records),
      refusing: undefined,
      full: undefined,
    };
    const vote = {
      get state() {
        return subject.state;
      },
      async write(state: HardState) {
        await subject.gate;
        if (subject.voteFailure !== undefined) throw subject.voteFailure;
        subject.done.push(`term ${state.term} ${state.trust}`);
        subject.state = state;
      },
    };
    this.disk = new Disk(
      { log, vote } as unknown as Pick<Storage<never, never>, "log" | "vote">,
      {
        persisted: (number) => void this.done.push(`persisted ${number}`),
        failed: (number) => void this.done.push(`failed ${number}`),
        broken: () => void this.done.push("broken"),
        install: async () => void this.done.push("install"),
      },
      { ...PROPOSAL_LIMITS, ...limits },
    );
  }

  write(persist: Partial<Persist>, count = 0): void {
    const { cutFrom } = persist;
    if (cutFrom !== undefined) this.#tail.cut(cutFrom);
    const first = this.#tail.next;
    const record: NewRecord = { term: 1, kind: "command", at: 0, payload: Buffer.from("x") };
    const entries = this.#tail.append(first, Array<NewRecord>(count).fill(record));
    const number = ++this.#number;
    const last = first + count - 1;
    this.disk.write(
      { type: "persist", number, hard: undefined, snapshot: undefined, cutFrom, first, last, ...persist },
      entries,
    );
  }

  async idle(): Promise<string[]> {
    await this.disk.idle();
    return this.done.splice(0);
  }
}

describe("what the core wants on disk", () => {
  test("goes there together if it came while another write was under way", async () => {
    const subject = new Subject();
    const gate = Promise.withResolvers<void>();
    subject.gate = gate.promise;
    subject.write({}, 2);
    await undefined;
    await undefined;
    for (let n = 0; n < 3; n++) subject.write({}, 1);
    subject.write({ cutFrom: 4 }, 2);
    subject.write({}, 1);
    gate.resolve();
    assert.deepEqual(await subject.idle(), [
      "append 1+2",
      "persisted 1",
      "append 3+3",
      "persisted 4",
      "cut 4+3",
      "persisted 6",
    ]);
  });

  test("is cut into groups of a size", async () => {
    const subject = new Subject({ batchEntriesMax: 3 });
    for (let n = 0; n < 5; n++) subject.write({}, 2);
    assert.deepEqual(
      (await subject.idle()).filter((one) => one.startsWith("append")),
      ["append 1+2", "append 3+2", "append 5+2", "append 7+2", "append 9+2"],
    );
  });

  test("begins with term and vote, and with the newest of several", async () => {
    const subject = new Subject();
    subject.write({ hard: { term: 2, vote: "a" } }, 1);
    subject.write({ hard: { term: 3, vote: undefined } });
    assert.deepEqual(await subject.idle(), ["term 3 logLost", "append 1+1", "persisted 2"]);
  });

  test("fails with everything behind it", async () => {
    const subject = new Subject();
    subject.failure = new RegistryError("dataAccess", "the disk is full");
    subject.write({}, 1);
    subject.write({ cutFrom: 1 }, 1);
    assert.deepEqual(await subject.idle(), ["failed 1"]);
    subject.failure = undefined;
    subject.write({}, 1);
    assert.equal((await subject.idle()).at(-1), "persisted 3");
  });

  test("goes on when nothing but the trust could not be written, which nobody waits for", async () => {
    const subject = new Subject();
    const gate = Promise.withResolvers<void>();
    subject.gate = gate.promise;
    subject.voteFailure = new RegistryError("dataAccess", "the vote cannot be written");
    subject.disk.trusts("whole");
    await undefined;
    await undefined;
    // Comes while the trust is being written, so that it does not go with it.
    subject.write({}, 2);
    gate.resolve();
    assert.deepEqual(await subject.idle(), ["failed 1"], "whoever waits for the entries hears that they are not there");
    subject.voteFailure = undefined;
    subject.write({}, 1);
    assert.deepEqual((await subject.idle()).slice(0, 1), ["term 1 whole"], "the trust goes with the next write");
  });

  test("never takes a term back, although trust is written again while a newer one is on its way", async () => {
    const subject = new Subject();
    const gate = Promise.withResolvers<void>();
    subject.gate = gate.promise;
    subject.write({ hard: { term: 2, vote: "a" } });
    await undefined;
    await undefined;
    subject.disk.trusts("whole");
    gate.resolve();
    await subject.idle();
    assert.deepEqual(subject.state, { term: 2, vote: "a", trust: "whole" });
  });
});
