import assert from "node:assert/strict";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalGroup } from "./raft/local-group.fixture.ts";
import type { RaftLog } from "./raft/raft-log.ts";
import { openMemoryLog } from "./storage/memory-log.ts";
import type { Applied, LogEntry, OpenedLog, StateMachine } from "./storage/port.ts";
import { lazyConfigs } from "./storage/sql/lazy-configs.ts";

export interface TestLogSetup<C, R> {
  readonly machine: StateMachine<C, R>;
  /** Makes what the machine is at another member, where no client is connected. */
  readonly another: () => StateMachine<C, R>;
  /** Epoch milliseconds. */
  readonly wallClock: () => number;
}

const IDS = ["a", "b", "c"] as const;
const [SELF, ...OTHERS] = IDS;

/**
 * The log for features in a suite without sockets: in memory, or with NACRE_TEST_MEMBERS=3 the log of a member of three
 * that does not lead. Features keep the clock of the test; time passes for the group only while something is asked of it.
 */
export function openTestLog<C, R>(setup: TestLogSetup<C, R>): OpenedLog<C, R> {
  return Number(process.env.NACRE_TEST_MEMBERS ?? 1) === 1 ? openMemoryLog(setup) : new LogOfThree(setup);
}

/** Opened when it is first asked for something: most tests change nothing durable. */
class LogOfThree<C, R> implements OpenedLog<C, R> {
  readonly configs = lazyConfigs(
    async () => (await this.#open()).configs,
    () => this.#log !== undefined,
    (thrown) => thrown,
  );
  readonly #setup: TestLogSetup<C, R>;
  readonly #outcomes = new Map<string, Applied<R>[]>();
  #group: LocalGroup<C, R, StateMachine<C, R>> | undefined;
  #opening: Promise<RaftLog<C, R>> | undefined;
  #log: RaftLog<C, R> | undefined;
  /** What is asked of the group and has no outcome yet. */
  #asked = 0;
  #answered = 0;
  #passing: Promise<void> | undefined;

  constructor(setup: TestLogSetup<C, R>) {
    this.#setup = setup;
  }

  propose(command: C): Promise<R> {
    return this.#ask((log) => log.propose(command));
  }

  readIndex(): Promise<number> {
    return this.#ask((log) => log.readIndex());
  }

  get appliedIndex(): number {
    return this.#log?.appliedIndex ?? 0;
  }

  status(): ReturnType<OpenedLog<C, R>["status"]> {
    assert.ok(this.#log !== undefined, "nothing was written yet");
    return this.#log.status();
  }

  /** @throws AssertionError when the same entries led to something else at another member. */
  async close(): Promise<void> {
    await this.#opening;
    const group = this.#group;
    if (group === undefined) return;
    try {
      await this.#passing;
      const last = group.leader?.log.status().lastIndex;
      await group.until(() => [...group.members.values()].every(({ log }) => log.appliedIndex === last));
      for (const id of OTHERS)
        assert.deepEqual(this.#outcomes.get(id), this.#outcomes.get(SELF), `${id} differs from ${SELF}`);
    } finally {
      await group.dispose();
    }
  }

  async #ask<T>(question: (log: RaftLog<C, R>) => Promise<T>): Promise<T> {
    const log = await this.#open();
    this.#asked++;
    try {
      const answer = question(log);
      this.#passing ??= this.#pass();
      return await answer;
    } finally {
      this.#asked--;
      this.#answered++;
    }
  }

  /** One for all that is asked: each would let time pass. */
  async #pass(): Promise<void> {
    while (this.#asked > 0) {
      const before = this.#answered;
      await this.#group?.until(() => this.#answered > before, "an outcome");
    }
    this.#passing = undefined;
  }

  #open(): Promise<RaftLog<C, R>> {
    this.#opening ??= this.#opened();
    return this.#opening;
  }

  async #opened(): Promise<RaftLog<C, R>> {
    const { machine, another, wallClock } = this.#setup;
    const group = new LocalGroup<C, R, StateMachine<C, R>>(await mkdtemp(join(tmpdir(), "nacre-test-log-")), IDS);
    this.#group = group;
    const open = (id: string, each: StateMachine<C, R>) => group.openWith(id, this.#noted(id, each), { wallClock });
    for (const id of OTHERS) await open(id, another());
    // Most of the three, so one of them leads when the member of this suite comes.
    await group.until(() => group.leader !== undefined, "a leader");
    const { log } = await open(SELF, machine);
    await group.until(() => log.status().leader !== undefined, "word of the leader");
    this.#log = log;
    return log;
  }

  #noted(id: string, machine: StateMachine<C, R>): StateMachine<C, R> {
    const outcomes: Applied<R>[] = [];
    this.#outcomes.set(id, outcomes);
    const apply = (entry: LogEntry<C>): Applied<R> => {
      const applied = machine.apply(entry);
      outcomes.push(applied);
      return applied;
    };
    return { ...machine, apply };
  }
}
