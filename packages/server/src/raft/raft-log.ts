import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Configuration, Index, MemberId, RaftOptions } from "@nacre/core/raft";
import type { Clock } from "../clock.ts";
import { LOG_LIMITS, type LogLimits } from "../storage/durable-log.ts";
import { nodeFiles } from "../storage/files.ts";
import type { OpenedLog } from "../storage/port.ts";
import { snapshotPath } from "../storage/snapshot.ts";
import { incomingIn } from "../storage/snapshot-transfer.ts";
import { openStorage, type StorageOptions } from "../storage/storage.ts";
import { holdsWrites } from "./held.ts";
import { replicatedMachine } from "./machine.ts";
import type { FromPeers, GroupOrder, Peers, RaftEvents, RaftStatus, TakenSnapshot } from "./port.ts";
import type { ProposerOptions } from "./proposer.ts";
import { Runner } from "./runner.ts";

export interface RaftLogOptions<C, R> extends Omit<StorageOptions<C, R>, "replays" | "limits"> {
  readonly self: MemberId;
  /** Grows with every start of this member. */
  readonly life: number;
  /** Grows when an operator recovers the group from one member: frames of another one are not taken. Default: 0. */
  readonly epoch?: number;
  readonly peers: Peers;
  readonly clock: Clock;
  /**
   * The group that a member with an empty folder begins; itself, when it is to be alone. Without it such a member waits
   * until a group takes it in.
   */
  readonly founder?: Configuration | undefined;
  readonly limits?: Partial<LogLimits>;
  /** Epoch milliseconds; the clock's, when absent. */
  readonly wallClock?: () => number;
  /** Any number; other members have others. */
  readonly seed?: number;
  readonly events?: RaftEvents;
  readonly raft?: Partial<RaftOptions>;
  readonly proposals?: Partial<ProposerOptions>;
}

/** The durable log of a member of a group. */
export interface RaftLog<C, R> extends OpenedLog<C, R>, FromPeers {
  /** Whether features have ever changed anything, as far as what is here tells, committed or not. */
  readonly holdsData: boolean;
  /** Whether it knows of a group: its log names voters. */
  readonly hasGroup: boolean;
  /**
   * Resolves once this member has applied everything that was committed, anywhere, when this was called.
   * @returns what is applied.
   * @throws RegistryError `unavailable` when that cannot be made sure of in time; `dataAccess` when nothing is applied here any
   * more, with the reason.
   */
  readIndex(): Promise<Index>;
  order(order: GroupOrder): Promise<void>;
  /**
   * Takes a snapshot of what this member has applied, if the newest is older.
   * @throws RegistryError `dataAccess`; `notFound` for a log without an entry; `unavailable` when the server stops.
   */
  takeSnapshot(): Promise<TakenSnapshot>;
  status(): RaftStatus;
}

/**
 * Opens the log of a member of a group. What its store holds is there when this resolves; what is committed beyond is
 * applied when there is a leader (`readIndex`).
 *
 * @throws RegistryError as `openStorage`.
 */
export async function openRaftLog<C, R>(options: RaftLogOptions<C, R>): Promise<RaftLog<C, R>> {
  const { files = nodeFiles, directory } = options;
  let hashed: (index: Index, hash: number) => void = () => {};
  const machine = replicatedMachine(
    options.machine,
    (index, hash) => hashed(index, hash),
    () => options.events?.held?.(),
  );
  const limits = { ...LOG_LIMITS, ...options.limits };
  const storage = await openStorage({ ...options, limits, machine, replays: false });
  try {
    const snapshots = join(directory, "snapshots");
    const there = await incomingIn(files, snapshots);
    if (!machine.holdsData && (await holdsWrites(storage))) machine.held();
    const snapshotAt = await timeOf(snapshotPath(snapshots, storage.snapshots.index));
    const runner = new Runner<C, R>(options, limits, storage, machine);
    hashed = (index, hash) => runner.hashed(index, hash);
    runner.start(snapshotAt, there);
    return runner;
  } catch (thrown) {
    await storage.close();
    throw thrown;
  }
}

/** Of its last change; undefined where there is no such file. */
function timeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ mtimeMs }) => Math.floor(mtimeMs),
    () => undefined,
  );
}
