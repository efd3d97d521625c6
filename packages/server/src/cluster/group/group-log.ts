import { isDeepStrictEqual } from "node:util";
import { assert } from "@nacre/core/assert";
import type { Configuration, MemberId } from "@nacre/core/raft";
import { RegistryError } from "@nacre/protocol";
import type { FromPeers, GroupOrder, RaftStatus, TakenSnapshot } from "../../raft/port.ts";
import { openRaftLog, type RaftLog } from "../../raft/raft-log.ts";
import type { ConfigStore } from "../../storage/config-store.ts";
import { nodeFiles } from "../../storage/files.ts";
import type { LeftBehind } from "../../storage/left-behind.ts";
import type { OpenedLog } from "../../storage/port.ts";
import type { Quarantine } from "../../storage/quarantine.ts";
import { lazyConfigs } from "../../storage/sql/lazy-configs.ts";
import { type Identity, OPENINGS_MAX } from "../identity.ts";
import { EarlyCalls, type WhyNot } from "./early-calls.ts";
import { LeftBehindLook } from "./left-behind-look.ts";
import { ALONE, type GroupLogSetup, type GroupOutside } from "./port.ts";

const RETRY_MS = 1_000;
/** Who asks for something while the log is exchanged waits no longer. */
const EXCHANGE_MS = 10_000;
/** Calls that wait for a group. A write may be as large as a configuration. */
const EARLY_WRITES_MAX = 100;
const EARLY_READS_MAX = 1_000;

const REMOVED =
  "this member was taken out of the group of its cluster, so that it changes no durable data and shows what it held then: " +
  "restart it, or order `nacre raft add` at another member, to take it in again";

/**
 * The durable log as the features hold it, whatever becomes of the group behind it: a member that adopts another's cluster id,
 * or was left behind by a recovery, sets its log aside and begins another one, with nothing, while it runs.
 */
export class GroupLog<C, R> implements OpenedLog<C, R>, FromPeers {
  readonly configs: ConfigStore;
  outside: GroupOutside = ALONE;
  readonly #setup: GroupLogSetup<C, R>;
  /** Undefined while it is exchanged. */
  #log: RaftLog<C, R> | undefined;
  #last: RaftLog<C, R> | undefined;
  #closed: Promise<void> | undefined;
  #exchanging: Promise<void> = Promise.resolve();
  #openings = 0;
  /** Whose group the log is of that is open. */
  #of: Pick<Identity, "clusterId" | "epoch"> = { clusterId: "", epoch: 0 };
  #wasRemoved = false;
  /** Since when there is no leader; monotonic milliseconds. */
  #lostAt: number | undefined;
  readonly #leftBehind: LeftBehindLook;
  /** As of the last look: each write asks. */
  #apart: string | undefined;
  readonly #earlyWrites: EarlyCalls<RaftLog<C, R>>;
  readonly #earlyReads: EarlyCalls<RaftLog<C, R>>;

  private constructor(setup: GroupLogSetup<C, R>) {
    const { clock, directory, files = nodeFiles } = setup;
    this.#setup = setup;
    this.#leftBehind = new LeftBehindLook(clock, files, directory);
    this.#lostAt = clock.now();
    const whyNot = (): WhyNot | undefined => this.outside.whyNotFirst();
    this.#earlyWrites = new EarlyCalls({
      clock: setup.clock,
      name: "writes",
      max: EARLY_WRITES_MAX,
      failure: "notApplied",
      log: () => (this.#log !== undefined && this.#isAdmitted(this.#log) ? this.#log : undefined),
      whyNot,
    });
    this.#earlyReads = new EarlyCalls({
      clock: setup.clock,
      name: "reads",
      max: EARLY_READS_MAX,
      failure: "unavailable",
      log: () => (this.#log?.hasGroup === true ? this.#log : undefined),
      whyNot,
    });
    // Who asks while the log is exchanged waits for the next one.
    this.configs = lazyConfigs(
      async () => (await this.#whenThere()).configs,
      () => true,
      (thrown) => thrown,
    );
  }

  /** @throws RegistryError as `openRaftLog`. */
  static async open<C, R>(setup: GroupLogSetup<C, R>): Promise<GroupLog<C, R>> {
    const group = new GroupLog(setup);
    const { identity } = setup.identity;
    // What was begun before the process ended; whether that held anything is not known any more.
    if (identity.group === "over") await group.#leaveBehind({});
    await group.#leftBehind.read();
    group.#take(await group.#open(setup.isAlone && setup.identity.identity.group === "founds"));
    return group;
  }

  propose(command: C): Promise<R> {
    const log = this.#log;
    if (this.#wasRemoved) return Promise.reject(new RegistryError("notApplied", REMOVED));
    if (this.#apart !== undefined) return Promise.reject(new RegistryError("notApplied", this.#apart));
    return log !== undefined && this.#isAdmitted(log)
      ? log.propose(command)
      : this.#earlyWrites.make((taking) => taking.propose(command));
  }

  async readIndex(): Promise<number> {
    // Nobody tells it how far the group is.
    if (this.#wasRemoved) throw new RegistryError("unavailable", REMOVED);
    const log = await this.#whenThere();
    return log.hasGroup ? log.readIndex() : this.#earlyReads.make((taking) => taking.readIndex());
  }

  /** @throws RegistryError as `RaftLog.order`. */
  async order(order: GroupOrder): Promise<void> {
    return (await this.#whenThere()).order(order);
  }

  /** @throws RegistryError as `RaftLog.takeSnapshot`. */
  async takeSnapshot(): Promise<TakenSnapshot> {
    return (await this.#whenThere()).takeSnapshot();
  }

  get appliedIndex(): number {
    return this.#log?.appliedIndex ?? 0;
  }

  /** Whether features have changed anything, as far as this member knows. */
  get holdsData(): boolean {
    return this.#log?.holdsData === true;
  }

  /** Whether it was taken out of its group since it was started. */
  get wasRemoved(): boolean {
    return this.#wasRemoved;
  }

  /** What of groups that go on without this member lies in its data folder. */
  get leftBehind(): readonly LeftBehind[] {
    return this.#leftBehind.found;
  }

  /** Since when no leader is known; monotonic milliseconds. */
  get lostAt(): number | undefined {
    return this.#lostAt;
  }

  /** Undefined while the log is exchanged. */
  get group(): RaftStatus | undefined {
    return this.#log?.status();
  }

  /** Of the last one, while the log is exchanged. */
  status(): RaftStatus {
    assert(this.#last !== undefined, "a log was opened");
    return this.#last.status();
  }

  // Forming

  /** Begins the group of this member's cluster, with itself. */
  found(): Promise<void> {
    return this.#inTurn(() => this.#exchangeNow(() => async () => {}, true));
  }

  /**
   * The cluster id, or its epoch, is another one: what is here of the group before is set aside, and this member has nothing.
   * What it is now is saved before, with `group: "over"`, so that a crash on the way is made good by the next start.
   */
  giveUp(): Promise<void> {
    return this.#inTurn(() => this.#giveUpNow());
  }

  // Peers

  received(from: MemberId, frame: Uint8Array): string | undefined {
    return this.#log?.received(from, frame);
  }

  reachable(id: MemberId): void {
    this.#log?.reachable(id);
  }

  unreachable(id: MemberId): void {
    this.#log?.unreachable(id);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#earlyWrites.close();
    this.#earlyReads.close();
    await this.#exchanging;
    await this.#log?.close();
    this.#setup.lock.release();
  }

  #isAdmitted(log: RaftLog<C, R>): boolean {
    if (log.holdsData) return true;
    if (this.outside.whyNotFirst() !== undefined) return false;
    this.outside.held();
    return true;
  }

  /** Something changed that may let waiting writes go on. */
  look(): void {
    const { identity } = this.#setup.identity;
    // Before that they are noted when a configuration is committed.
    if (Object.keys(identity.peers).length > 0 && identity.group === "joins")
      this.#noteVoters(Object.keys(identity.peers));
    this.#apart = this.outside.whyApart();
    this.#leftBehind.look();
    this.#earlyWrites.look();
    this.#earlyReads.look();
  }

  async #whenThere(): Promise<RaftLog<C, R>> {
    if (this.#log === undefined) {
      // A disk that refuses holds the exchange up for as long as it does.
      const late = Promise.withResolvers<void>();
      const timer = this.#setup.clock.schedule(EXCHANGE_MS, late.resolve);
      await Promise.race([this.#exchanging, late.promise]);
      timer.cancel();
    }
    if (this.#log !== undefined) return this.#log;
    throw new RegistryError(
      "unavailable",
      this.#closed === undefined
        ? "this member's log is exchanged for that of its group: try again"
        : "the server is stopping",
    );
  }

  /** The log is exchanged by one at a time. */
  #inTurn(exchange: () => Promise<void>): Promise<void> {
    this.#exchanging = this.#exchanging.then(exchange);
    return this.#exchanging;
  }

  async #giveUpNow(): Promise<void> {
    const { identity } = this.#setup;
    const { clusterId, epoch } = identity.identity;
    const isOfAnother = clusterId !== this.#of.clusterId || epoch !== this.#of.epoch;
    // What was begun meanwhile is of this group already.
    if (!isOfAnother) return this.#untilDone(() => identity.save({ group: "joins" }));
    const { lastIndex, term } = this.status();
    if (lastIndex > 0 || term > 0 || epoch !== this.#of.epoch)
      return this.#exchangeNow((before) => {
        const about = { isEmpty: before?.holdsData === false, holds: this.#setup.holds?.() };
        return () => this.#leaveBehind(about);
      }, false);
    // It was never used.
    this.#of = { clusterId, epoch };
    return this.#untilDone(() => identity.save({ group: "joins" }));
  }

  /**
   * @param prepare  called when the log before is closed and features still hold what it led to: what it acknowledges until
   *                 then counts. What it gives is done when they hold nothing.
   */
  async #exchangeNow(
    prepare: (before: RaftLog<C, R> | undefined) => () => Promise<void>,
    founds: boolean,
  ): Promise<void> {
    const { machine, responsibility } = this.#setup;
    const before = this.#log;
    this.#log = undefined;
    responsibility.set(false);
    let prepared: (() => Promise<void>) | undefined;
    let isPrepared = false;
    await this.#untilDone(async () => {
      await before?.close();
      prepared ??= prepare(before);
      await machine.replace().finish(0, () => {});
      // What another try begins is not left behind as well.
      if (!isPrepared) await prepared();
      isPrepared = true;
      this.#take(await this.#open(founds));
    });
    this.#changed();
  }

  /** What the disk refuses is tried again; nothing else can be done meanwhile. */
  async #untilDone(work: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#setup;
    while (this.#closed === undefined)
      try {
        return await work();
      } catch (err) {
        log.error({ err }, "the log of this member's group could not be begun; it is tried again each second");
        const { promise, resolve } = Promise.withResolvers<void>();
        clock.schedule(RETRY_MS, resolve);
        await promise;
      }
  }

  /** @param about  what it holds, as far as that is known. */
  async #leaveBehind(about: Pick<Quarantine, "isEmpty" | "holds">): Promise<void> {
    const { files = nodeFiles, directory, identity, log, clock } = this.#setup;
    const { clusterId, epoch } = identity.identity;
    const reason = `this member belongs to cluster '${clusterId}' in epoch ${epoch}, and what it held was of another one`;
    const { leaveBehind } = await import("../../storage/quarantine.ts");
    const folder = await leaveBehind(files, directory, { ...about, reason, at: clock.wall() });
    if (folder !== undefined)
      log.warn({ folder }, `${reason}: it is set aside in ${folder}, and this member begins with nothing`);
    await identity.save({ group: "joins", peers: {} });
    await this.#leftBehind.read();
  }

  #take(log: RaftLog<C, R>): void {
    this.#log = log;
    this.#last = log;
  }

  #open(founds: boolean): Promise<RaftLog<C, R>> {
    const { clock, log, directory, machine, identity, peers, responsibility, files, raft } = this.#setup;
    const { memberId: self, clusterId, incarnation, epoch, peers: others } = identity.identity;
    if (this.#openings >= OPENINGS_MAX) throw new Error(`${OPENINGS_MAX} logs were begun by one process: restart it`);
    const life = incarnation + this.#openings++;
    this.#of = { clusterId, epoch };
    const founder: Configuration | undefined = founds ? { voters: [self], learners: [] } : undefined;
    this.#wasRemoved = false;
    this.#lostAt = clock.now();
    const isCurrent = (): boolean => life === incarnation + this.#openings - 1;
    return openRaftLog({
      directory,
      machine,
      self,
      life,
      epoch,
      peers,
      clock,
      founder,
      logger: log,
      lock: { release: () => {} },
      quarantines: Object.keys(others).length > 0,
      ...(files !== undefined && { files }),
      ...(raft !== undefined && { raft }),
      events: {
        leading: (leads) => isCurrent() && responsibility.set(leads),
        leaderChanged: (leader) => {
          this.#lostAt = leader === undefined ? (this.#lostAt ?? clock.now()) : undefined;
          this.#changed();
        },
        configurationChanged: (configuration, committed) => {
          if (isCurrent() && committed) this.#configured(configuration);
          this.#changed();
        },
        renewing: () => isCurrent() && this.#changed(),
        held: () => this.outside.held(),
        removed: () => {
          if (!isCurrent()) return;
          this.#wasRemoved = true;
          log.warn({}, REMOVED);
        },
      },
    });
  }

  #configured({ voters, learners }: Configuration): void {
    const { identity } = this.#setup;
    const self = identity.identity.memberId;
    const isIn = voters.includes(self) || learners.includes(self);
    if (isIn) this.#wasRemoved = false;
    if (identity.identity.group !== "over" && voters.length > 0) this.#noteVoters(voters);
  }

  /** Where the others are changes without an entry. */
  #noteVoters(voters: readonly MemberId[]): void {
    const { identity, peers, log } = this.#setup;
    const { memberId, group, peers: before } = identity.identity;
    const addressOf = (id: MemberId): string => {
      const address = peers.addressOf(id);
      return address === id ? (before[id] ?? "") : address;
    };
    const now = Object.fromEntries(voters.filter((id) => id !== memberId).map((id) => [id, addressOf(id)]));
    if (group === "joins" && isDeepStrictEqual(now, before)) return;
    identity
      .save({ group: "joins", peers: now })
      .catch((err: unknown) => log.error({ err }, "who this member is could not be stored"));
  }

  #changed(): void {
    this.outside.changed();
    this.look();
  }
}

/** The log as the cluster's shell uses it, whatever features propose. */
export type GroupHandle = FromPeers &
  Pick<
    GroupLog<never, unknown>,
    | "group"
    | "status"
    | "takeSnapshot"
    | "holdsData"
    | "wasRemoved"
    | "leftBehind"
    | "lostAt"
    | "readIndex"
    | "order"
    | "found"
    | "giveUp"
    | "look"
    | "outside"
  >;
