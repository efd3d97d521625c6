import type { ConfigWrite, StagedHead } from "@nacre/core/config";
import type { FailureName } from "@nacre/protocol";
import type { ConfigHead, ConfigStore } from "./config-store.ts";

/**
 * The port through which all durable state changes: one ordered log in front of one deterministic state machine.
 * Today the log is a file of this member; Raft takes its place without touching the features.
 *
 * Every implementation passes the suite in `testkit/src/log-suite.ts`.
 */
export interface LogEntry<C> {
  /** Position in the log, from 1 without gaps. */
  readonly index: number;
  /** Epoch milliseconds, taken once when the command was proposed: apply never reads a clock. */
  readonly at: number;
  readonly command: C;
}

/** One row of the durable state. `value` is JSON text; undefined deletes the row. */
export interface RowWrite {
  readonly kind: string;
  readonly key: string;
  readonly value: string | undefined;
}

/** What an entry changes in the store: all of it in one transaction, or none. */
export interface Writes {
  readonly rows: readonly RowWrite[];
  /** Changes of configurations and their history, in order; absent for entries that have nothing to do with them. */
  readonly configs?: readonly ConfigWrite[];
}

/** What applying an entry led to: an answer or an expected failure, and the writes that follow either way. */
export type Applied<R> = Writes &
  (
    | { readonly ok: true; readonly result: R }
    | { readonly ok: false; readonly failure: FailureName; readonly message: string }
  );

export interface StateMachine<C, R> {
  /** Called once at start for each row that the store holds, before any entry is applied. */
  load(row: { readonly kind: string; readonly key: string; readonly value: string }): void;
  /** Called once at start for each configuration that the store holds, gray versions behind their formal one. */
  loadConfig?(head: ConfigHead): void;
  /** Called once at start for each item of an import that was never committed, in the order staged. */
  loadStaged?(staged: StagedRow): void;
  /** Called once per entry, in log order. Deterministic: the same entries give the same rows on every member. */
  apply(entry: LogEntry<C>): Applied<R>;
  /** Called after the last entry of several that are saved together: rows that are written once for all of them. */
  sliceRows?(): readonly RowWrite[];
  /** How a command is written into a record, and read back; JSON when absent. */
  readonly codec?: CommandCodec<C>;
  /** Called after the writes of all entries up to this index are in the store: contents can be read there from now on. */
  saved?(index: number): void;
  /**
   * Begins to put another durable state, that of a snapshot, in the place of what the machine holds, while it runs and
   * clients are connected. Nothing shows before `finish`; what is never finished leaves no trace.
   */
  replace(): Replacing;
}

/**
 * Another state on its way into a running machine. It is given what a start would be given; one call takes a fraction of
 * a millisecond, and whoever makes them lets the event loop have its turns. No entry is applied, and none
 * is told of as `saved`, between `replace` and the end of `finish`; one replacement is under way at a time.
 */
export interface Replacing {
  /** Each keyed row of the new state, in any order. */
  row(row: { readonly kind: string; readonly key: string; readonly value: string }): void;
  /** Each configuration of it, as in `StateMachine.loadConfig`. */
  config(head: ConfigHead): void;
  /** Each staged item of it, as in `StateMachine.loadStaged`. */
  staged(staged: StagedRow): void;
  /**
   * Puts the new state in place: looks for what differs, switches, and tells whoever waits for something that differs.
   *
   * @param index  of the last entry that the new state holds.
   * @param switchStore  makes the store read the new state, at once. It is called in the turn in which the heads of the
   *   new state begin to be served, so that contents and heads fit each other at any moment (G2). If it throws, the
   *   machine stays as it was and `finish` rejects with the same.
   * @returns when the machine is what a start from the new state would have made of it, so that the entries behind it
   *   can be applied.
   */
  finish(index: number, switchStore: () => void): Promise<void>;
}

export interface CommandCodec<C> {
  /**
   * At least one byte, and none of them zero: it is by zero bytes that a damaged log is told from its contents (L4).
   * @throws RegistryError `invalidParameter` for a command that `decode` would refuse, naming the field and its rule.
   */
  encode(command: C): Uint8Array;
  /**
   * @throws UnknownKind for a command of a kind that this version does not have.
   * @throws MalformedCommand for one of a known kind that lacks something.
   * @throws Error for a payload that no version makes.
   */
  decode(payload: Uint8Array): C;
}

/** A command of a kind that a later version has. */
export class UnknownKind extends Error {
  override readonly name = "UnknownKind";

  constructor(kind: string) {
    super(`a command of the kind '${kind.slice(0, 100)}' is not known to this version`);
  }
}

/** A command of a known kind that is not what that kind is: no version writes it. */
export class MalformedCommand extends Error {
  override readonly name = "MalformedCommand";

  /** @param field  the path to it in the command. @param rule  as a clause that follows on it. */
  constructor(kind: string, field: string, rule: string) {
    super(`field '${field}' of a command ${kind} ${rule}`);
  }
}

/** What a core keeps of a staged item. */
export interface StagedRow {
  readonly importId: string;
  readonly head: StagedHead;
}

export interface DurableLog<C, R> {
  /**
   * Appends the command, waits until it is durable, applies it and gives its result.
   * @throws RegistryError the failure that apply decided; `dataAccess` when the log cannot be written, with the reason
   * and the mend (the command is then not in the log); `overThreshold` when too many proposals wait.
   */
  propose(command: C): Promise<R>;
  /**
   * Resolves once everything is applied here that was acknowledged anywhere before this was called.
   * @returns what is applied.
   * @throws RegistryError `unavailable` when that cannot be made sure of in time.
   */
  readIndex(): Promise<number>;
  readonly appliedIndex: number;
  status(): LogStatus;
  /** Lets accepted proposals finish, then closes; later proposals are refused. */
  close(): Promise<void>;
}

/** A log with the configurations that its entries have written. */
export interface OpenedLog<C, R> extends DurableLog<C, R> {
  /** Can be read until the log is closed. */
  readonly configs: ConfigStore;
}

export interface LogStatus {
  readonly appliedIndex: number;
  readonly snapshotIndex: number;
  readonly logBytes: number;
  readonly pending: number;
  /** Set when writes are refused, as a sentence with the reason and the mend. */
  readonly refusing: string | undefined;
  /** Set while the log has no space, so that writes fail, as a sentence. It ends by itself. */
  readonly full: string | undefined;
  /** Set while the store cannot be read, or does not take what the log holds: the reason and the mend. */
  readonly storeFailing: string | undefined;
  /** The longest sync of the last few seconds, milliseconds. */
  readonly syncMs: number;
}
