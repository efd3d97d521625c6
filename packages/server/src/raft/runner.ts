import {
  type Configuration,
  type Effect,
  type Event,
  type Index,
  keepFrom,
  type MemberId,
  newRaft,
  nextAt,
  type Persist,
  peerStatuses,
  type Raft,
  type Snapshot,
  snapshotsInUse,
  step,
} from "@nacre/core/raft";
import { RegistryError } from "@nacre/protocol";
import type { Clock, Timer } from "../clock.ts";
import type { LogLimits } from "../storage/durable-log.ts";
import { nodeFiles } from "../storage/files.ts";
import { type StorageLogger, silent } from "../storage/logger.ts";
import type { NewRecord } from "../storage/records.ts";
import type { incomingIn } from "../storage/snapshot-transfer.ts";
import type { Storage } from "../storage/storage.ts";
import { ApplyLoop } from "./apply-loop.ts";
import type { Carried } from "./carried.ts";
import { configurationText, type Packet } from "./codec.ts";
import { Disk } from "./disk.ts";
import { FrameReader, FrameWriter } from "./frames.ts";
import type { Group } from "./group.ts";
import type { ReplicatedMachine, Settled } from "./machine.ts";
import { Orders, roleIn } from "./orders.ts";
import { Outbox } from "./outbox.ts";
import type { GroupOrder, RaftStatus } from "./port.ts";
import { probeDisk } from "./probe-disk.ts";
import { PROPOSER_OPTIONS, Proposer } from "./proposer.ts";
import type { RaftLog, RaftLogOptions } from "./raft-log.ts";
import { Reads } from "./reads.ts";
import { Receiver } from "./receiver.ts";
import { startOf } from "./start.ts";
import { StateHashes } from "./state-hashes.ts";
import { Tail } from "./tail.ts";

/** How long a stop waits for what was proposed, and then for another leader. */
const CLOSE_MS = 3_000;
/** How often a disk that refused is tried. */
const PROBE_MS = 1_000;
const NOTHING = Buffer.alloc(0);

/** Sent once everything it rests on is on disk. */
interface Waiting {
  readonly after: number;
  readonly run: () => void;
}

interface Fed {
  readonly event: Event;
  readonly packet: Extract<Packet, { type: "raft" }> | undefined;
}

/** Owns the core: feeds it one event at a time, and does what it says, in order (Q1). */
export class Runner<C, R> implements RaftLog<C, R> {
  /** Of the newest snapshot, epoch milliseconds. */
  snapshotAt: number | undefined;
  readonly #options: RaftLogOptions<C, R>;
  readonly #logger: StorageLogger;
  readonly #clock: Clock;
  readonly #storage: Storage<Carried<C>, Settled<R>>;
  readonly #core: Raft;
  readonly #tail: Tail;
  readonly #disk: Disk;
  readonly #outbox: Outbox;
  readonly #receiver: Receiver;
  readonly #applying: ApplyLoop<R>;
  readonly #proposer: Proposer<C, R>;
  readonly #reads: Reads;
  readonly #orders: Orders;
  readonly #hashes: StateHashes;
  readonly #writers = new Map<MemberId, FrameWriter>();
  readonly #readers = new Map<MemberId, FrameReader>();
  #events: Fed[] = [];
  #isFeeding = false;
  #waiting: Waiting[] = [];
  /** What the entries hold that this step appends. */
  #fresh: NewRecord[] = [];
  #persisted = 0;
  #tokens = 0;
  #timer: Timer | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #probeTimer: Timer | undefined;
  #diskFailure: string | undefined;
  #noticed: Index;
  #isLeading = false;
  /** Of the newest configuration that is committed. */
  #members: ReadonlySet<MemberId> = new Set();
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
    this.#storage = storage;
    const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
    this.#core = newRaft(startOf(storage, self, seed, founder), clock.now(), options.raft);
    this.#members = new Set([...this.#core.configuration.voters, ...this.#core.configuration.learners]);
    this.#tail = new Tail(storage.log.lastIndex + 1);
    this.#noticed = storage.snapshots.index;
    this.#disk = new Disk(
      storage,
      {
        persisted: (number) => this.#onPersisted(number),
        failed: (number, error, isOfSnapshot) => this.#onFailed(number, error, isOfSnapshot),
        install: (snapshot) => this.#install(snapshot),
      },
      options.disk ?? {},
    );
    this.#outbox = new Outbox({
      storage,
      tail: this.#tail,
      logger: this.#logger,
      send: (to, packet) => this.#send(to, packet),
      snapshotLost: (index) => this.#feed({ type: "snapshotLost", index }),
    });
    this.#receiver = new Receiver(storage, (thrown) => {
      this.#logger.warn({ err: thrown }, "a part of a snapshot could not be written, so that it is sent again");
      this.#feed({ type: "chunksLost" });
    });
    this.#applying = new ApplyLoop({
      storage,
      tail: this.#tail,
      clock,
      answer: (settled) => this.#proposer.settled(settled),
      applied: (index) => this.#onApplied(index),
      stopped: (thrown) => this.#onMachineStopped(thrown),
    });
    const group: Group = {
      self,
      core: this.#core,
      clock,
      peers: options.peers,
      token: () => ++this.#tokens,
      propose: (proposals) => this.#feed({ type: "propose", proposals }),
      send: (to, packet) => this.#send(to, packet),
    };
    const proposals = { ...PROPOSER_OPTIONS, ...options.proposals };
    this.#proposer = new Proposer<C, R>(group, {
      life,
      codec: options.machine.codec,
      sessions: () => machine.sessions,
      limits,
      options: proposals,
    });
    this.#proposer.refusing = () => storage.log.refusing ?? storage.log.full;
    this.#proposer.diskFailure = () => this.#proposer.refusing() ?? this.#diskFailure;
    this.#reads = new Reads(group, storage.applier.appliedIndex, proposals, (token) =>
      this.#feed({ type: "readRequested", token }),
    );
    this.#orders = new Orders(group, proposals.deadlineMs, (event) => this.#feed(event));
    this.#hashes = new StateHashes(
      () => machine.hashes,
      (id, index) => {
        this.#logger.warn({ member: id, index }, "the same entries led to another state at this member than here");
        options.events?.stateDiffers?.(id, index);
      },
    );
    storage.snapshots.retention = {
      keepFrom: () => keepFrom(this.#core, clock.now()),
      inUse: () => snapshotsInUse(this.#core),
    };
  }

  get configs() {
    return this.#storage.configs;
  }

  get appliedIndex(): Index {
    return this.#storage.applier.appliedIndex;
  }

  /** @param there  what an earlier life left of a snapshot on its way. */
  start(there: Awaited<ReturnType<typeof incomingIn>>): void {
    if (there !== undefined) this.#feed({ type: "chunksThere", ...there });
    this.#arm();
  }

  propose(command: C): Promise<R> {
    return this.#proposer.propose(command);
  }

  readIndex(): Promise<Index> {
    return this.#reads.read();
  }

  order(order: GroupOrder): Promise<void> {
    return this.#orders.order(order);
  }

  status(): RaftStatus {
    const { applier, snapshots, log, storeFailing } = this.#storage;
    const { role, term, leader, configuration, commit, log: entries, trust } = this.#core;
    return {
      appliedIndex: applier.appliedIndex,
      snapshotIndex: snapshots.index,
      logBytes: log.bytes,
      pending: this.#proposer.pending,
      refusing: this.#stopped ?? applier.refusing ?? this.#proposer.refusing(),
      storeFailing,
      syncMs: log.syncMs,
      role,
      term,
      leader,
      configuration,
      commitIndex: commit,
      lastIndex: entries.last,
      firstIndex: log.firstIndex,
      snapshotAt: this.snapshotAt,
      trust,
      followers: peerStatuses(this.#core).map((peer) => ({
        ...peer,
        role: roleIn(configuration, peer.id),
        lag: Math.max(0, entries.last - peer.match),
      })),
    };
  }

  // Peers

  received(from: MemberId, frame: Uint8Array): string | undefined {
    if (this.#isClosed) return undefined;
    let reader = this.#readers.get(from);
    if (reader === undefined) {
      reader = new FrameReader();
      this.#readers.set(from, reader);
    }
    const packet = reader.push(frame);
    if (packet === undefined) return undefined;
    if (packet.type === "malformed") return packet.reason;
    this.#take(from, reader.life, packet);
    return undefined;
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
    else if (leader !== undefined) this.#send(leader, { type: "stateHash", index, hash });
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
    this.#timer?.cancel();
    this.#probeTimer?.cancel();
    this.#outbox.close();
    this.#reads.close(new RegistryError("unavailable", "the server is stopping"));
    await this.#disk.idle();
    await this.#applying.close();
    await this.#receiver.close();
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

  #take(from: MemberId, life: number, packet: Packet): void {
    switch (packet.type) {
      case "raft":
        // As if it had been lost: it comes again when the disk has caught up.
        if (packet.message.type === "chunk" && this.#receiver.isFull) return;
        return this.#feed({ type: "received", from, message: packet.message }, packet);
      case "forward":
      case "taken":
      case "notTaken":
        return this.#proposer.received(from, life, packet);
      case "askIndex":
      case "index":
        return this.#reads.received(from, packet);
      case "stateHash":
        if (this.#core.leading !== undefined) this.#hashes.told(from, packet.index, packet.hash);
        return;
      case "order":
      case "orderEnded":
        return this.#orders.received(from, packet);
    }
  }

  #send(to: MemberId, packet: Packet): void {
    let writer = this.#writers.get(to);
    if (writer === undefined) {
      writer = new FrameWriter(this.#options.life);
      this.#writers.set(to, writer);
    }
    for (const frame of writer.frames(packet)) this.#options.peers.send(to, frame);
  }

  // Events and effects

  #feed(event: Event, packet?: Extract<Packet, { type: "raft" }>): void {
    if (this.#isClosed || this.#stopped !== undefined) return;
    this.#events.push({ event, packet });
    if (this.#isFeeding) return;
    this.#isFeeding = true;
    try {
      for (let fed = this.#events.shift(); fed !== undefined; fed = this.#events.shift()) this.#step(fed);
    } catch (thrown) {
      this.#stop(thrown);
    } finally {
      this.#isFeeding = false;
    }
    this.#arm();
  }

  #step({ event, packet }: Fed): void {
    this.#fresh = [];
    for (const effect of step(this.#core, event, this.#clock.now())) this.#perform(effect, packet);
  }

  #perform(effect: Effect, packet: Extract<Packet, { type: "raft" }> | undefined): void {
    const { events } = this.#options;
    switch (effect.type) {
      case "persist":
        return this.#persist(effect, packet);
      case "send": {
        const { to, message, after } = effect;
        const run = () => this.#outbox.post(to, message);
        if (after > this.#persisted) this.#waiting.push({ after, run });
        else run();
        return;
      }
      case "accepted": {
        const tokens = effect.proposals.map(({ token }) => token);
        for (const token of tokens) {
          const payload = this.#proposer.payloadOf(token) ?? NOTHING;
          this.#fresh.push({ term: effect.term, kind: "command", at: this.#now(), payload });
        }
        return this.#proposer.accepted(effect.first, tokens);
      }
      case "made": {
        const { term, configuration } = effect;
        const payload = configuration === undefined ? NOTHING : Buffer.from(configurationText(configuration));
        const kind = configuration === undefined ? "noop" : "configuration";
        this.#fresh.push({ term, kind, at: this.#now(), payload });
        return;
      }
      case "refused":
        this.#proposer.notTaken(effect.tokens, effect.reason);
        return this.#orders.notTaken(effect.tokens, effect.reason);
      case "lost":
        this.#proposer.notTaken(effect.tokens, "lost");
        return this.#orders.notTaken(effect.tokens, "lost");
      case "overtaken":
        return this.#proposer.overtaken(effect.tokens);
      case "commit":
        return this.#applying.upTo(effect.index);
      case "readReady":
        return this.#reads.answered(effect.tokens, effect.index);
      case "readFailed":
        return this.#reads.answered(effect.tokens, undefined);
      case "leaderChanged":
        this.#proposer.leaderChanged();
        this.#reads.leaderChanged();
        events?.leaderChanged?.(effect.leader, effect.term);
        return;
      case "roleChanged":
        this.#hashes.forget();
        if (effect.role !== "leader") this.#transferEnded?.();
        if (this.#isLeading === (effect.role === "leader")) return;
        this.#isLeading = !this.#isLeading;
        events?.leading?.(this.#isLeading);
        return;
      case "configurationChanged":
        if (effect.committed) this.#onMembers(effect.index, effect.configuration);
        events?.configurationChanged?.(effect.configuration, effect.committed);
        return;
      case "removedFromGroup":
        events?.removed?.();
        return;
      case "transferEnded":
        this.#orders.transferEnded(effect.done);
        this.#transferEnded?.();
        return;
      case "writeChunk": {
        if (packet?.message.type !== "chunk") return;
        const { index, snapshotTerm: term, total } = packet.message;
        return this.#receiver.write({ index, term, total }, effect.offset, packet.chunk);
      }
      case "peerDamaged":
        events?.peerDamaged?.(effect.id, effect.trust);
        return;
      case "trusted":
        return this.#disk.trusted();
    }
  }

  #onMembers(index: Index, { voters, learners }: Configuration): void {
    this.#orders.committed(index);
    const members = new Set([...voters, ...learners]);
    if (this.#core.leading !== undefined) for (const id of this.#members) if (!members.has(id)) this.#proposer.left(id);
    this.#members = members;
  }

  /** Of entries that this member makes. Apply sees to it that the log's time never goes back. */
  #now(): number {
    return Math.max(0, Math.floor(this.#options.wallClock?.() ?? this.#clock.wall()));
  }

  // Disk

  #persist(persist: Persist, packet: Extract<Packet, { type: "raft" }> | undefined): void {
    const { snapshot, cutFrom, first, last } = persist;
    if (snapshot !== undefined) {
      this.#applying.pause();
      this.#tail.restart(snapshot.index + 1);
    }
    if (cutFrom !== undefined) this.#tail.cut(cutFrom);
    let records: readonly NewRecord[] = [];
    if (last >= first) {
      const message = packet?.message;
      records =
        this.#fresh.length > 0 || message?.type !== "append"
          ? this.#fresh
          : (packet?.entries ?? []).slice(first - message.prevIndex - 1);
      if (records.length !== last - first + 1) throw new Error(`entries ${first} to ${last} are not here`);
    }
    this.#disk.write(persist, records.length === 0 ? [] : this.#tail.append(first, records));
  }

  #onPersisted(number: number): void {
    if (this.#isClosed) return;
    this.#persisted = number;
    this.#diskFailure = undefined;
    const due = this.#waiting.filter(({ after }) => after <= number);
    this.#waiting = this.#waiting.filter(({ after }) => after > number);
    for (const { run } of due) run();
    this.#feed({ type: "persisted", number });
  }

  #onFailed(number: number, error: RegistryError, isOfSnapshot: boolean): void {
    if (this.#isClosed) return;
    this.#logger.warn({ err: error }, "the disk took nothing of what the group decided");
    this.#diskFailure = error.message;
    this.#tail.restart(this.#storage.log.lastIndex + 1);
    this.#waiting = this.#waiting.filter(({ after }) => after < number);
    this.#applying.resume(this.#storage.applier.appliedIndex);
    this.#feed({ type: "persistFailed", number });
    const { voters } = this.#core.configuration;
    const isAlone = voters.length === 1 && voters[0] === this.#options.self;
    if (this.#storage.log.refusing !== undefined) return;
    // Alone, every proposal is a try of its own.
    if (isOfSnapshot || isAlone) this.#feed({ type: "diskTakes" });
    else this.#probeLater();
  }

  #probeLater(): void {
    if (this.#probeTimer !== undefined || this.#isClosed) return;
    this.#probeTimer = this.#clock.schedule(PROBE_MS, () => {
      const { files = nodeFiles, directory } = this.#options;
      probeDisk(files, directory).then((takes) => {
        this.#probeTimer = undefined;
        if (!this.#core.diskRefuses) return;
        if (takes) this.#feed({ type: "diskTakes" });
        else this.#probeLater();
      });
    });
  }

  async #install({ index, term }: Snapshot): Promise<void> {
    await this.#applying.idle();
    await this.#receiver.install(index, term);
    this.snapshotAt = this.#clock.wall();
    this.#noticed = this.#storage.snapshots.index;
    this.#applying.resume(this.#storage.applier.appliedIndex);
    this.#proposer.installed();
    this.#reads.applied(this.#storage.applier.appliedIndex);
    this.#feed({ type: "applied", index: this.#storage.applier.appliedIndex });
  }

  // Machine

  #onApplied(index: Index): void {
    if (this.#isClosed) return;
    this.#tail.shrink(index + 1);
    this.#proposer.applied(index);
    this.#feed({ type: "applied", index });
    this.#reads.applied(index);
    this.#noticeSnapshot();
  }

  /** Storage takes snapshots by itself, and lets the log go behind them. */
  #noticeSnapshot(): void {
    const { snapshots, log } = this.#storage;
    const { newest } = snapshots;
    if (newest !== undefined && newest.index > this.#noticed) {
      this.#noticed = newest.index;
      this.snapshotAt = this.#clock.wall();
      this.#feed({ type: "snapshotTaken", index: newest.index, bytes: newest.bytes });
    }
    if (log.firstIndex - 1 > this.#core.log.baseIndex && log.firstIndex - 1 <= this.#core.snapshot.index)
      this.#feed({ type: "logCut", first: log.firstIndex });
  }

  /** The machine broke (L10): this member applies nothing more, and is of use to the others as a voter. */
  #onMachineStopped(thrown: unknown): void {
    const error = RegistryError.from(thrown);
    const later = new RegistryError("dataAccess", this.#storage.applier.refusing ?? error.message);
    this.#logger.warn({ err: error }, "the log stopped");
    this.#proposer.stop(error, later);
    this.#reads.close(later);
    this.#feed({ type: "diskRefuses" });
  }

  /** An invariant of the core is broken: it is fed nothing more. */
  #stop(thrown: unknown): void {
    this.#stopped =
      "the log stopped, because an invariant of the group's agreement is broken: report this as a bug and restart";
    this.#logger.warn({ err: thrown }, this.#stopped);
    this.#events = [];
    this.#timer?.cancel();
    const later = new RegistryError("dataAccess", this.#stopped);
    const now = new RegistryError("outcomeUnknown", this.#stopped, { cause: thrown });
    this.#proposer.stop(now, later);
    this.#reads.close(later);
    this.#orders.close();
    this.#transferEnded?.();
  }

  // Time

  #arm(): void {
    if (this.#isClosed || this.#stopped !== undefined) return;
    const at = nextAt(this.#core);
    if (at >= this.#wakeAt) return;
    this.#timer?.cancel();
    this.#wakeAt = at;
    this.#timer = this.#clock.schedule(Math.max(0, Math.ceil(at - this.#clock.now())), () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#feed({ type: "tick" });
      if (this.#core.leading !== undefined) this.#orders.manage();
      this.#noticeSnapshot();
    });
  }
}
