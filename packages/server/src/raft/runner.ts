import { join } from "node:path";
import { type Event, type Index, type MemberId, newRaft, type Raft, type Snapshot } from "@nacre/core/raft";
import { RegistryError } from "@nacre/protocol";
import type { Clock } from "../clock.ts";
import type { LogLimits } from "../storage/durable-log.ts";
import { nodeFiles } from "../storage/files.ts";
import { type StorageLogger, silent } from "../storage/logger.ts";
import type { incomingIn } from "../storage/snapshot-transfer.ts";
import type { Storage } from "../storage/storage.ts";
import { ApplyLoop } from "./apply-loop.ts";
import type { Carried } from "./carried.ts";
import { Feeder, type RaftPacket } from "./feeder.ts";
import type { Group } from "./group.ts";
import { Inbound } from "./inbound.ts";
import type { ReplicatedMachine, Settled } from "./machine.ts";
import { Orders } from "./orders.ts";
import { Outbox } from "./outbox.ts";
import { Outcomes } from "./outcomes.ts";
import { OwnSnapshots } from "./own-snapshots.ts";
import { Performer } from "./performer.ts";
import type { GroupOrder, RaftStatus, TakenSnapshot } from "./port.ts";
import { PROPOSER_OPTIONS, Proposer } from "./proposer.ts";
import type { RaftLog, RaftLogOptions } from "./raft-log.ts";
import { Reads } from "./reads.ts";
import { Receiver } from "./receiver.ts";
import { RENEWING, Renewal } from "./renewal.ts";
import { startOf } from "./start.ts";
import { StateHashes } from "./state-hashes.ts";
import { statusOf } from "./status.ts";
import { Tail } from "./tail.ts";
import { Wire } from "./wire.ts";
import { Writes } from "./writes.ts";

const BROKEN =
  "the log stopped, because an invariant of the group's agreement is broken: report this as a bug and restart";
/** How long a stop waits for what was proposed, and then for another leader. */
const CLOSE_MS = 3_000;

/** Puts the parts of the shell together, begins and ends them, and is the port that features see. */
export class Runner<C, R> implements RaftLog<C, R> {
  readonly #options: RaftLogOptions<C, R>;
  readonly #logger: StorageLogger;
  readonly #clock: Clock;
  readonly #storage: Storage<Carried<C>, Settled<R>>;
  readonly #core: Raft;
  readonly #feeder: Feeder;
  readonly #tail: Tail;
  readonly #writes: Writes;
  readonly #outbox: Outbox;
  readonly #receiver: Receiver;
  readonly #applying: ApplyLoop<R>;
  readonly #proposer: Proposer<C, R>;
  readonly #reads: Reads;
  readonly #orders: Orders;
  readonly #snapshots: OwnSnapshots;
  readonly #hashes: StateHashes;
  readonly #renewal: Renewal;
  readonly #wire: Wire;
  readonly #machine: ReplicatedMachine<C, R>;
  readonly #outcomes = new Outcomes();
  readonly #inbound: Inbound<C, R>;
  readonly #performer: Performer<C, R>;
  #tokens: number;
  #stopped: string | undefined;
  #isClosed = false;
  #closed: Promise<void> | undefined;
  #transferEnded: (() => void) | undefined;

  constructor(
    options: RaftLogOptions<C, R>,
    limits: LogLimits,
    storage: Storage<Carried<C>, Settled<R>>,
    machine: ReplicatedMachine<C, R>,
  ) {
    const { self, clock, founder, life } = options;
    this.#options = options;
    this.#logger = options.logger ?? silent;
    this.#clock = clock;
    this.#wire = new Wire(life, options.epoch ?? 0, options.peers);
    this.#storage = storage;
    this.#machine = machine;
    const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
    // Other ones than in a life before, to which somebody may still answer: a read would be told an index from before it began.
    this.#tokens = seed * 2 ** 15;
    this.#core = newRaft(startOf(storage, self, seed, founder), clock.now(), options.raft);
    this.#feeder = new Feeder({
      core: this.#core,
      clock,
      perform: (effects, packet) => this.#performer.perform(effects, packet),
      ticked: () => {
        if (this.#core.leading !== undefined) this.#orders.manage();
        this.#snapshots.takeIfNeeded();
        this.#snapshots.notice();
      },
      broken: (thrown) => this.#stop(thrown, BROKEN),
    });
    this.#tail = new Tail(storage.log.lastIndex + 1);
    this.#outbox = new Outbox({
      storage,
      tail: this.#tail,
      logger: this.#logger,
      send: (to, packet) => this.#wire.send(to, packet),
      snapshotLost: (index) => this.#snapshots.lost(index),
      snapshotDoubted: (index) => this.#snapshots.doubted(index),
    });
    this.#receiver = new Receiver(storage, (thrown) => {
      this.#logger.warn({ err: thrown }, "a part of a snapshot could not be written, so that it is sent again");
      this.#feed({ type: "chunksLost" });
    });
    this.#applying = new ApplyLoop({
      storage,
      tail: this.#tail,
      clock,
      logger: this.#logger,
      answer: (settled) => this.#proposer.settled(settled),
      applied: (index) => this.#onApplied(index),
      stopped: (thrown) => this.#onMachineStopped(thrown),
    });
    this.#writes = new Writes({
      self,
      core: this.#core,
      storage,
      tail: this.#tail,
      applying: {
        pause: () => this.#applying.pause(),
        resume: (index) => {
          if (!this.#renewal.isUnderWay) this.#applying.resume(index);
        },
      },
      clock,
      logger: this.#logger,
      files: options.files ?? nodeFiles,
      directory: options.directory,
      limits,
      feed: (event) => this.#feed(event),
      broken: (error) => this.#stop(error, `the log stopped, because ${error.message}`),
      install: (snapshot) => this.#install(snapshot),
    });
    const group: Group = {
      self,
      core: this.#core,
      clock,
      peers: options.peers,
      token: () => ++this.#tokens,
      propose: (proposals) => this.#feed({ type: "propose", proposals }),
      send: (to, packet) => this.#wire.send(to, packet),
    };
    const proposals = { ...PROPOSER_OPTIONS, ...options.proposals };
    this.#proposer = new Proposer<C, R>(group, {
      life,
      codec: options.machine.codec,
      sessions: () => machine.sessions,
      limits,
      options: proposals,
    });
    this.#proposer.refusing = () =>
      storage.log.refusing ??
      storage.vote.refusing ??
      storage.log.full ??
      (this.#renewal.isUnderWay ? RENEWING : undefined);
    this.#proposer.waitsForStore = () => (storage.applier.isBehind ? storage.storeFailing : undefined);
    this.#proposer.diskFailure = () => this.#proposer.refusing() ?? this.#writes.failure;
    this.#reads = new Reads(group, storage.applier.appliedIndex, proposals, (token) =>
      this.#feed({ type: "readRequested", token }),
    );
    this.#orders = new Orders(group, proposals.deadlineMs, (event) => this.#feed(event));
    this.#hashes = new StateHashes({
      self,
      own: () => machine.hashes,
      voters: () => this.#core.configuration.voters,
      differs: (id, index) => {
        this.#logger.warn({ member: id, index }, "the same entries led to another state at this member than here");
        options.events?.stateDiffers?.(id, index);
      },
      odd: (id, index) => {
        if (id === self) this.#renewal.differs(index);
        else this.#wire.send(id, { type: "stateDiffers", index });
      },
    });
    const folder = join(options.directory, "snapshots");
    const feed = (event: Event): void => this.#feed(event);
    this.#snapshots = new OwnSnapshots(this.#core, clock, storage, folder, this.#logger, feed);
    this.#renewal = new Renewal({
      core: this.#core,
      clock,
      logger: this.#logger,
      applying: this.#applying,
      feed,
      keep: async (reason) => {
        const { path } = await this.#snapshots.take();
        const { keepState } = await import("../storage/quarantine.ts");
        return keepState(options.files ?? nodeFiles, options.directory, path, reason);
      },
      told: (isRenewing) => options.events?.renewing?.(isRenewing),
    });
    const parts = {
      core: this.#core,
      receiver: this.#receiver,
      proposer: this.#proposer,
      reads: this.#reads,
      orders: this.#orders,
    };
    this.#inbound = new Inbound({
      ...parts,
      wire: this.#wire,
      hashes: this.#hashes,
      renewal: this.#renewal,
      feed: (event, packet) => this.#feed(event, packet),
    });
    this.#performer = new Performer({
      ...parts,
      logger: this.#logger,
      events: options.events,
      writes: this.#writes,
      outbox: this.#outbox,
      applying: this.#applying,
      at: () => this.#now(),
      leaderChanged: () => this.#tellHash(),
      roleChanged: () => this.#hashes.forget(),
      handedOver: () => this.#transferEnded?.(),
    });
  }

  get configs() {
    return this.#storage.configs;
  }

  get holdsData(): boolean {
    return this.#machine.holdsData;
  }

  get hasGroup(): boolean {
    return this.#core.configuration.voters.length > 0;
  }

  get appliedIndex(): Index {
    return this.#storage.applier.appliedIndex;
  }

  /**
   * @param snapshotAt  of the newest snapshot, epoch milliseconds.
   * @param there  what an earlier life left of one on its way.
   */
  start(snapshotAt: number | undefined, there: Awaited<ReturnType<typeof incomingIn>>): void {
    this.#snapshots.at = snapshotAt;
    if (there !== undefined) this.#feed({ type: "chunksThere", ...there });
    this.#feeder.arm();
  }

  propose(command: C): Promise<R> {
    return this.#outcomes.of(this.#proposer.propose(command));
  }

  readIndex(): Promise<Index> {
    return this.#reads.read();
  }

  order(order: GroupOrder): Promise<void> {
    return this.#orders.order(order);
  }

  takeSnapshot(): Promise<TakenSnapshot> {
    return this.#snapshots.take();
  }

  status(): RaftStatus {
    const { pending } = this.#proposer;
    const stopped = this.#stopped ?? this.#storage.applier.refusing;
    const refusing = stopped ?? this.#proposer.refusing();
    const { differing } = this.#hashes;
    return statusOf(this.#core, this.#storage, {
      pending,
      refusing,
      stopped,
      snapshotAt: this.#snapshots.at,
      differing,
      hashes: this.#machine.hashes,
      passedOver: this.#machine.passedOver,
      counts: { ...this.#performer.counts, proposals: { ...this.#outcomes.counts } },
    });
  }

  // Peers

  received(from: MemberId, frame: Uint8Array): string | undefined {
    if (this.#isClosed) return undefined;
    return this.#inbound.received(from, frame);
  }

  reachable(id: MemberId): void {
    this.#feed({ type: "peerReachable", id });
    if (this.#core.leader === id) this.#proposer.leaderBack();
  }

  unreachable(id: MemberId): void {
    this.#outbox.forget(id);
    this.#feed({ type: "peerUnreachable", id });
  }

  /** An end of a block was applied. */
  hashed(index: Index, hash: number): void {
    const { leader, leading } = this.#core;
    if (leading !== undefined) this.#hashes.came();
    else if (leader !== undefined) this.#wire.send(leader, { type: "stateHash", index, hash });
  }

  /** To a leader that does not know it. */
  #tellHash(): void {
    const newest = this.#machine.hashes.at(-1);
    if (newest !== undefined && this.#core.leading === undefined) this.hashed(...newest);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { promise: giveUp, resolve: stopWaiting } = Promise.withResolvers<void>();
    const timer = this.#clock.schedule(CLOSE_MS, stopWaiting);
    await this.#proposer.close(giveUp);
    this.#orders.close();
    await this.#handOver(giveUp);
    timer.cancel();
    this.#isClosed = true;
    this.#feeder.end();
    this.#outbox.close();
    this.#reads.close(new RegistryError("unavailable", "the server is stopping"));
    await this.#writes.close();
    await this.#applying.close();
    await this.#receiver.close();
    await this.#renewal.kept();
    await this.#storage.close();
  }

  /** A stop that is planned costs the others no election timeout. */
  async #handOver(giveUp: Promise<void>): Promise<void> {
    const { leading, configuration } = this.#core;
    if (leading === undefined || configuration.voters.length < 2 || this.#stopped !== undefined) return;
    const ended = new Promise<void>((resolve) => {
      this.#transferEnded = resolve;
    });
    if (leading.transfer === undefined) this.#feed({ type: "transfer", to: undefined });
    await Promise.race([ended, giveUp]);
  }

  #feed(event: Event, packet?: RaftPacket): void {
    this.#feeder.feed(event, packet);
  }

  /** Of entries that this member makes. Apply sees to it that the log's time never goes back. */
  #now(): number {
    return Math.max(0, Math.floor(this.#options.wallClock?.() ?? this.#clock.wall()));
  }

  async #install({ index, term }: Snapshot): Promise<void> {
    await this.#applying.idle();
    await this.#renewal.kept();
    await this.#receiver.install(index, term);
    this.#snapshots.installed();
    this.#renewal.ended();
    this.#applying.resume(this.#storage.applier.appliedIndex);
    this.#proposer.installed();
    this.#reads.applied(this.#storage.applier.appliedIndex);
    this.#feed({ type: "applied", index: this.#storage.applier.appliedIndex });
    this.#tellHash();
  }

  // Snapshots and the machine

  #onApplied(index: Index): void {
    if (this.#isClosed) return;
    const { voters, learners } = this.#core.configuration;
    const isAlone = learners.length === 0 && voters.length === 1 && voters[0] === this.#options.self;
    this.#tail.shrink(index + 1, isAlone);
    this.#proposer.applied(index);
    this.#feed({ type: "applied", index });
    this.#reads.applied(index);
    this.#snapshots.notice();
  }

  /** The machine broke (L10): this member applies nothing more, and is of use to the others as a voter. */
  #onMachineStopped(thrown: unknown): void {
    const error = RegistryError.from(thrown);
    const why = new RegistryError("dataAccess", this.#storage.applier.refusing ?? error.message, { cause: thrown });
    this.#logger.warn({ err: error }, "the log stopped");
    this.#proposer.stop(why);
    this.#reads.close(why);
    this.#feed({ type: "machineStopped" });
  }

  /** An invariant of the core, or what it rests on, is broken: it is fed nothing more. @param sentence  why. */
  #stop(thrown: unknown, sentence: string): void {
    this.#feeder.end();
    this.#stopped = sentence;
    this.#logger.warn({ err: thrown }, this.#stopped);
    const why = new RegistryError("dataAccess", this.#stopped, { cause: thrown });
    this.#proposer.stop(why);
    this.#reads.close(why);
    this.#orders.close();
    this.#transferEnded?.();
  }
}
