import type { ConfigWrite, Content } from "@nacre/core/config";
import {
  type Admission,
  admit,
  endSession,
  expireSessions,
  loadSessions,
  type MemberId,
  newSessions,
  openSession,
  type SessionRow,
  type Sessions,
  type Stamp,
  takeBack,
} from "@nacre/core/raft";
import { crc32 } from "../storage/crc32.ts";
import {
  type Applied,
  type LogEntry,
  type RowWrite,
  type StateMachine,
  UnknownKind,
  type Writes,
} from "../storage/port.ts";
import { type Carried, carriedCodec } from "./carried.ts";

/** What came of an entry, for the member that proposed it. */
export type Settled<R> =
  | { readonly type: "opened"; readonly member: MemberId; readonly life: number }
  /** `applied` is there when the admission is "apply". */
  | {
      readonly type: "write";
      readonly stamp: Stamp;
      readonly admission: Admission;
      readonly applied: Applied<R> | undefined;
    }
  | { readonly type: "ended" }
  | { readonly type: "plain" };

/** Entries since the start that were no command, so that nothing came of them (Q13). */
export interface PassedOver {
  readonly count: number;
  /** Of the last one; `why` is a clause. */
  readonly index: number;
  readonly why: string;
}

const KIND = "raft";
const CLOCK = "clock";
const SESSION = "session/";
/** Entries between two hashes that members compare. */
export const HASHED_ENTRIES = 1000;
/** Hashes that are kept, so that a member that lags is compared as well. */
const HASHES_MAX = 16;
/** A session that nobody used for so long, in the log's time, ends when another begins. */
const SESSION_MS = 24 * 3_600_000;

/** The log's time, and what entries led to. Part of the state. */
interface Course {
  /** Of the last entry: never backwards (Q7). */
  time: number;
  /** Over everything that was written since the hash before it. */
  hash: number;
  /** Of the last entry, in units of `HASHED_ENTRIES`. */
  block: number;
  /** Of the ends of blocks, oldest first. */
  hashes: [index: number, hash: number][];
}

/** The features' machine behind the table of sessions: an entry counts once, in the log's time (R10). */
export interface ReplicatedMachine<C, R> extends StateMachine<Carried<C>, Settled<R>> {
  readonly sessions: Sessions;
  /** Whether features have changed anything. */
  readonly holdsData: boolean;
  /** They have: it is in the log, or was applied. */
  held(): void;
  /** Of the ends of the last blocks, oldest first. */
  readonly hashes: readonly (readonly [index: number, hash: number])[];
  readonly passedOver: PassedOver | undefined;
}

/**
 * @param hashed  called when a block of entries ends.
 * @param held  called once, when it is found that features have changed something.
 */
export function replicatedMachine<C, R>(
  inner: StateMachine<C, R>,
  hashed: (index: number, hash: number) => void,
  held: () => void = () => {},
): ReplicatedMachine<C, R> {
  let state = new ReplicatedState();
  const { loadConfig, loadStaged, saved } = inner;
  let holdsData = false;
  let passedOver: PassedOver | undefined;
  const holds = (): void => {
    if (holdsData) return;
    holdsData = true;
    held();
  };
  return {
    get sessions() {
      return state.sessions;
    },
    get hashes() {
      return state.course.hashes;
    },
    load(row) {
      if (state.load(row)) return;
      holds();
      inner.load(row);
    },
    get passedOver() {
      return passedOver;
    },
    get holdsData() {
      return holdsData;
    },
    held: holds,
    codec: carriedCodec(inner.codec),
    ...(loadConfig === undefined
      ? {}
      : {
          loadConfig: (head) => {
            holds();
            loadConfig.call(inner, head);
          },
        }),
    ...(loadStaged === undefined
      ? {}
      : {
          loadStaged: (staged) => {
            holds();
            loadStaged.call(inner, staged);
          },
        }),
    ...(saved === undefined ? {} : { saved: saved.bind(inner) }),
    apply({ index, at, command }: LogEntry<Carried<C>>) {
      if (command.type === "unusable") {
        // Before anything has changed: a later version goes on from here.
        if (command.error instanceof UnknownKind) throw command.error;
        passedOver = { count: (passedOver?.count ?? 0) + 1, index, why: command.error.message };
      }
      const time = state.begin(index, at, hashed);
      const run = (one: C): Applied<R> => {
        holds();
        const applied = inner.apply({ index, at: time, command: one });
        state.hash(applied);
        return applied;
      };
      const passOver = (error: Error): Applied<R> => {
        const message = `entry ${index} of the log was passed over: ${error.message}`;
        const applied = { ok: false, failure: "invalidParameter", message, rows: [] } as const;
        state.hash(applied);
        return applied;
      };
      const settled = settle(state, command, time, run, passOver);
      const writes = "applied" in settled ? settled.applied : undefined;
      const { rows, configs } = writes ?? NOTHING;
      return { ok: true, result: settled, rows, ...(configs === undefined ? {} : { configs }) };
    },
    sliceRows: () => state.rows(),
    replace() {
      const next = new ReplicatedState();
      const replacing = inner.replace();
      return {
        row(row) {
          if (next.load(row)) return;
          holds();
          replacing.row(row);
        },
        config: (head) => {
          holds();
          replacing.config(head);
        },
        staged: (staged) => {
          holds();
          replacing.staged(staged);
        },
        finish: (index, switchStore) =>
          replacing.finish(index, () => {
            switchStore();
            state = next;
          }),
      };
    },
  };
}

const NOTHING: Writes = { rows: [] };

/** With `applied` for everything that the machine was given. */
function settle<C, R>(
  state: ReplicatedState,
  carried: Carried<C>,
  time: number,
  run: (command: C) => Applied<R>,
  passOver: (error: Error) => Applied<R>,
): Settled<R> & { readonly applied?: Applied<R> | undefined } {
  switch (carried.type) {
    case "open": {
      const { member, life } = carried;
      state.open(member, life, time);
      return { type: "opened", member, life };
    }
    case "end":
      state.end(carried.member);
      return { type: "ended" };
    case "plain":
      return { type: "plain", applied: run(carried.command) };
    case "write": {
      const { stamp } = carried;
      const admission = state.admit(stamp, time);
      try {
        return { type: "write", stamp, admission, applied: admission === "apply" ? run(carried.command) : undefined };
      } catch (thrown) {
        // The table is saved with the entries before this one, which a start is to apply.
        state.takeBack(stamp);
        throw thrown;
      }
    }
    case "unusable": {
      const { stamp, error } = carried;
      if (stamp === undefined) return { type: "plain", applied: passOver(error) };
      const admission = state.admit(stamp, time);
      return { type: "write", stamp, admission, applied: admission === "apply" ? passOver(error) : undefined };
    }
  }
}

class ReplicatedState {
  sessions: Sessions = newSessions();
  course: Course = { time: 0, hash: 0, block: 0, hashes: [] };
  /** As the store has them. */
  readonly #saved = new Set<MemberId>();
  readonly #changed = new Set<MemberId>();
  #isChanged = false;

  load({ kind, key, value }: { readonly kind: string; readonly key: string; readonly value: string }): boolean {
    if (kind !== KIND) return false;
    if (key === CLOCK) this.course = JSON.parse(value) as Course;
    else {
      const member = key.slice(SESSION.length);
      const { ranges, ...rest } = JSON.parse(value) as StoredSession;
      const row: SessionRow = { member, ...rest, applied: ranges.flatMap(numbersOf) };
      for (const [id, session] of loadSessions([row]).newest) this.sessions.newest.set(id, session);
      this.#saved.add(member);
    }
    return true;
  }

  /** @returns the log's time at this entry. */
  begin(index: number, at: number, hashed: (index: number, hash: number) => void): number {
    const { course } = this;
    this.#isChanged = true;
    const block = Math.floor(index / HASHED_ENTRIES);
    if (block > course.block) {
      course.block = block;
      course.hashes.push([block * HASHED_ENTRIES, course.hash]);
      if (course.hashes.length > HASHES_MAX) course.hashes.shift();
      hashed(block * HASHED_ENTRIES, course.hash);
    }
    course.time = Math.max(course.time, at);
    return course.time;
  }

  open(member: MemberId, life: number, time: number): void {
    openSession(this.sessions, member, life, time);
    expireSessions(this.sessions, time - SESSION_MS);
    // Others may have ended, or given way.
    for (const id of this.sessions.newest.keys()) this.#changed.add(id);
    for (const id of this.#saved) this.#changed.add(id);
  }

  end(member: MemberId): void {
    endSession(this.sessions, member);
    this.#changed.add(member);
  }

  admit(stamp: Stamp, time: number): Admission {
    this.#changed.add(stamp.member);
    return admit(this.sessions, stamp, time);
  }

  takeBack(stamp: Stamp): void {
    takeBack(this.sessions, stamp);
  }

  hash({ rows, configs = [], ...outcome }: Applied<unknown>): void {
    const { course } = this;
    let { hash } = course;
    hash = sum(outcome.ok ? "+" : outcome.failure, hash);
    for (const { kind, key, value } of rows) hash = sum(`${kind}\n${key}\n${value ?? ""}`, hash);
    for (const write of configs) hash = sumOf(write, hash);
    course.hash = hash;
  }

  rows(): readonly RowWrite[] {
    if (!this.#isChanged) return NOTHING.rows;
    this.#isChanged = false;
    const rows: RowWrite[] = [{ kind: KIND, key: CLOCK, value: JSON.stringify(this.course) }];
    for (const member of this.#changed) {
      const session = this.sessions.newest.get(member);
      if (session === undefined) this.#saved.delete(member);
      else this.#saved.add(member);
      rows.push({ kind: KIND, key: SESSION + member, value: session && stored(session) });
    }
    this.#changed.clear();
    return rows;
  }
}

/** A session as a row of the store: what was applied as ranges, because it mostly is one. */
interface StoredSession extends Omit<SessionRow, "member" | "applied"> {
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

function stored(session: Omit<SessionRow, "member" | "applied"> & { readonly applied: Iterable<number> }): string {
  const { applied, ...rest } = session;
  const ranges: [number, number][] = [];
  for (const number of [...applied].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return JSON.stringify({ ...rest, ranges } satisfies StoredSession);
}

function numbersOf([first, last]: readonly [number, number]): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

/** A content as it is: in JSON, its megabytes would be escaped. */
function sumOf(write: ConfigWrite, before: number): number {
  switch (write.kind) {
    case "putConfig":
    case "putGray":
      return sum(write.content.text, sum(JSON.stringify({ ...write, content: headOf(write.content) }), before));
    case "stage": {
      const { item } = write;
      const { content } = item;
      return sum(content.text, sum(JSON.stringify({ ...write, item: { ...item, content: headOf(content) } }), before));
    }
    default:
      return sum(JSON.stringify(write), before);
  }
}

function headOf({ md5, bytes, encryptedDataKey }: Content): Omit<Content, "text"> {
  return { md5, bytes, encryptedDataKey };
}

function sum(text: string, before: number): number {
  return crc32(Buffer.from(text), before);
}
