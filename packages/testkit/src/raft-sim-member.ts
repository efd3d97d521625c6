import assert from "node:assert/strict";
import {
  type Append,
  type Effect,
  type Event,
  isClose,
  keepFrom,
  type Message,
  needsSnapshot,
  newRaft,
  nextAt,
  type Persist,
  type Raft,
  snapshotsInUse,
  splitAppend,
} from "@nacre/core/raft";
import { RaftClients } from "./raft-sim-clients.ts";
import { cutLog, entryAt, SimDisk, type SimLog } from "./raft-sim-disk.ts";
import { type Command, type Entry, Machine, type SavedSnapshot } from "./raft-sim-model.ts";
import type { RaftWorld } from "./raft-sim-world.ts";

/** What members send each other: messages of the core with what the shell adds, and questions of the shells. */
export type Packet =
  | {
      readonly type: "raft";
      readonly message: Message;
      readonly entries: readonly Entry[];
      readonly snapshot: SavedSnapshot | undefined;
    }
  | { readonly type: "forward"; readonly id: number; readonly command: Command }
  | { readonly type: "forwardEnded"; readonly id: number }
  | { readonly type: "askIndex"; readonly id: number }
  | { readonly type: "index"; readonly id: number; readonly index: number | undefined };

/** A member: the core in a small shell, its disk, its machine, and a clock that runs as it likes. */
export class RaftMember {
  readonly id: string;
  readonly world: RaftWorld;
  readonly disk: SimDisk;
  readonly clients: RaftClients;
  /** Undefined while it is down. */
  core: Raft | undefined;
  machine: Machine;
  /** The log as the core has it, on disk or on its way there. */
  log: SimLog = { base: 0, baseTerm: 0, entries: [] };
  life = 0;
  rate = 1;
  offsetMs = 0;
  pausedUntil = 0;
  /** Up to where entries may be applied. */
  commit = 0;
  readonly #lives = new Map<string, number>();
  readonly #snapshots = new Map<number, SavedSnapshot>();
  #waiting: { readonly after: number; readonly to: string; readonly packet: Packet }[] = [];
  /** What the entries hold that this step appends. */
  #fresh: Entry[] = [];
  #parts: { readonly snapshot: SavedSnapshot; upTo: number } | undefined;
  #isSyncing = false;
  #isApplying = false;
  #wakeAt = Infinity;
  #lastSaved = 0;

  constructor(id: string, world: RaftWorld, voters: readonly string[]) {
    this.id = id;
    this.world = world;
    this.disk = new SimDisk(voters);
    this.machine = new Machine(world.breakage.machine ?? {});
    this.clients = new RaftClients(this);
  }

  clock(): number {
    return this.offsetMs + this.world.now * this.rate;
  }

  start(): void {
    if (this.core !== undefined) return;
    const { disk, world } = this;
    this.life++;
    world.log(`${this.id} starts, life ${this.life}, term ${disk.term}, ${disk.trust}`);
    const { snapshot } = disk;
    this.machine = new Machine(world.breakage.machine ?? {}, disk.kept ?? snapshot.saved);
    this.log = { ...disk.log, entries: [...disk.log.entries] };
    this.#lives.clear();
    this.#snapshots.clear();
    this.#snapshots.set(snapshot.index, snapshot);
    this.#waiting = [];
    this.#parts = undefined;
    this.#isSyncing = false;
    this.#isApplying = false;
    this.#wakeAt = Infinity;
    this.#lastSaved = snapshot.index;
    this.commit = this.machine.index;
    this.core = newRaft(disk.start(this.id, world.random.below(2 ** 32)), this.clock(), world.options);
    for (const checker of world.checkers) checker.started?.(world, this);
    this.clients.start();
    this.#wake();
    this.#pump(this.core);
    world.linkBegins(this, world.running());
  }

  crash(): void {
    if (this.core === undefined) return;
    this.world.log(`${this.id} crashes`);
    const { disk, world } = this;
    this.core = undefined;
    this.pausedUntil = 0;
    disk.crash(world.random);
    const isKept = world.random.chance(0.5) && this.machine.index >= disk.snapshot.index;
    disk.kept = isKept ? this.machine.save() : undefined;
    this.clients.crash();
    world.linkEnds(this, world.running());
  }

  receive(from: RaftMember, life: number, packet: Packet): void {
    if (this.core === undefined) return;
    // Links tell lives apart: nothing of an earlier one comes after something of a later one.
    if (life < (this.#lives.get(from.id) ?? 0)) return;
    this.#lives.set(from.id, life);
    if (packet.type !== "raft") return this.clients.receive(from, packet);
    const { message } = packet;
    this.feed({ type: "received", from: from.id, message }, packet);
  }

  /** Of a link; not while it stands still. */
  hearReach(id: string, type: "peerUnreachable" | "peerReachable"): void {
    const { world } = this;
    if (world.now < this.pausedUntil) world.at(this.pausedUntil, () => this.hearReach(id, type));
    else this.feed({ type, id });
  }

  feed(event: Event, packet?: Extract<Packet, { type: "raft" }>): void {
    const { core, world } = this;
    if (core === undefined) return;
    const effects = world.step(core, event, this.clock());
    this.#fresh = [];
    for (const effect of effects) this.#perform(effect, packet);
    for (const checker of world.checkers) checker.stepped?.(world, this, event, effects);
    this.#wake();
  }

  entry(index: number): Entry | undefined {
    return entryAt(this.log, index);
  }

  lastIndex(): number {
    return this.log.base + this.log.entries.length;
  }

  #perform(effect: Effect, packet: Extract<Packet, { type: "raft" }> | undefined): void {
    switch (effect.type) {
      case "persist":
        return this.#persist(effect, packet);
      case "send":
        return this.#send(effect.to, effect.message, effect.after);
      case "accepted": {
        const time = this.clock();
        for (const { token } of effect.proposals) {
          const command = this.clients.commandOf(token);
          this.#fresh.push({ term: effect.term, command, configuration: undefined, time });
        }
        return;
      }
      case "made": {
        const { term, configuration } = effect;
        this.#fresh.push({ term, command: undefined, configuration, time: this.clock() });
        return;
      }
      case "commit":
        this.commit = effect.index;
        this.world.noteCommitted(this, effect.index);
        return this.#apply();
      case "writeChunk": {
        const snapshot = packet?.snapshot;
        assert.ok(snapshot !== undefined, "a chunk comes with its bytes");
        if (effect.offset === 0) this.#parts = { snapshot, upTo: 0 };
        assert.ok(this.#parts?.snapshot === snapshot && this.#parts.upTo === effect.offset, "chunks fit together");
        this.#parts.upTo += effect.bytes;
        return;
      }
      case "trusted":
        this.disk.trust = "whole";
        return;
      case "distrusted":
        this.disk.trust = "stateLost";
        return;
      case "roleChanged":
      case "leaderChanged":
        this.world.log(`${this.id} ${effect.type} ${effect.type === "roleChanged" ? effect.role : effect.leader}`);
        return this.clients.leaderChanged();
      case "configurationChanged":
      case "removedFromGroup":
      case "transferEnded":
      case "peerDamaged":
        this.world.log(`${this.id} ${JSON.stringify(effect)}`);
        return;
      default:
        return this.clients.perform(effect);
    }
  }

  // Messages

  #send(to: string, message: Message, after: number): void {
    if (message.type === "append" && message.lastIndex - message.prevIndex > 1 && this.world.random.chance(0.1)) {
      // What a shell does when entries turn out to be large.
      const at = message.prevIndex + 1 + this.world.random.below(message.lastIndex - message.prevIndex - 1);
      for (const part of splitAppend(message, at)) this.#post(to, part, after);
      return;
    }
    if (message.type === "chunk" && !this.#snapshots.has(message.index)) {
      this.#later(0, () => this.feed({ type: "snapshotLost", index: message.index }));
      return;
    }
    this.#post(to, message, after);
  }

  #post(to: string, message: Message, after: number): void {
    const entries = message.type === "append" ? this.#entriesOf(message) : [];
    const snapshot = message.type === "chunk" ? this.#snapshots.get(message.index) : undefined;
    const packet: Packet = { type: "raft", message, entries, snapshot };
    if (after > (this.core as Raft).persisted && this.world.breakage.sendsEarly !== true)
      this.#waiting.push({ after, to, packet });
    else this.world.post(this, to, packet);
  }

  #entriesOf({ prevIndex, lastIndex }: Append): readonly Entry[] {
    const { base, entries } = this.log;
    const found = entries.slice(prevIndex - base, lastIndex - base);
    assert.equal(found.length, lastIndex - prevIndex, `${this.id} has what it sends`);
    return found;
  }

  // Disk

  #persist(persist: Persist, packet: Extract<Packet, { type: "raft" }> | undefined): void {
    const { log } = this;
    let snapshot: SavedSnapshot | undefined;
    if (persist.snapshot !== undefined) {
      snapshot = this.#parts?.snapshot;
      assert.equal(snapshot?.index, persist.snapshot.index);
      log.base = persist.snapshot.index;
      log.baseTerm = persist.snapshot.term;
      log.entries = [];
    }
    if (persist.cutFrom !== undefined) log.entries.length = persist.cutFrom - log.base - 1;
    let entries: readonly Entry[] = [];
    if (persist.last >= persist.first) {
      const message = packet?.message.type === "append" ? packet.message : undefined;
      if (this.#fresh.length > 0 || message === undefined) entries = this.#fresh;
      else entries = (packet?.entries ?? []).slice(persist.first - message.prevIndex - 1);
      assert.equal(entries.length, persist.last - persist.first + 1, `${this.id} has what it appends`);
      assert.equal(persist.first, this.lastIndex() + 1, `${this.id} appends at the end`);
      log.entries.push(...entries);
    }
    this.disk.writes.push({ persist, entries, snapshot });
    this.#sync();
  }

  #sync(): void {
    if (this.#isSyncing || this.disk.writes.length === 0) return;
    this.#isSyncing = true;
    const { world, disk } = this;
    this.#later(world.random.next() * disk.delayMaxMs, () => {
      this.#isSyncing = false;
      // What came of a snapshot is not always what was sent: a fault like any other, of which there are none after healing.
      const hasSnapshot = disk.writes.some(({ snapshot }) => snapshot !== undefined);
      const isSpoilt = hasSnapshot && world.random.chance(0.05) && world.now < world.healedAt;
      if (disk.isFull || isSpoilt) return this.#syncFailed(isSpoilt && !disk.isFull);
      const installed = disk.writes.findLast(({ snapshot }) => snapshot !== undefined)?.snapshot;
      const number = disk.sync();
      if (installed !== undefined) this.#install(installed);
      const due = this.#waiting.filter(({ after }) => after <= number);
      this.#waiting = this.#waiting.filter(({ after }) => after > number);
      for (const { to, packet } of due) world.post(this, to, packet);
      this.feed({ type: "persisted", number });
      this.#sync();
    });
  }

  #syncFailed(isSpoilt: boolean): void {
    const { disk, world } = this;
    const number = disk.writes[0]?.persist.number ?? 0;
    world.log(`${this.id} cannot write ${number}`);
    disk.writes.length = 0;
    this.log = { ...disk.log, entries: [...disk.log.entries] };
    this.#waiting = this.#waiting.filter(({ after }) => after < number);
    this.feed({ type: "persistFailed", number });
    if (isSpoilt) this.feed({ type: "diskTakes" });
    this.#apply();
    this.#sync();
  }

  #install(snapshot: SavedSnapshot): void {
    this.machine = new Machine(this.world.breakage.machine ?? {}, snapshot.saved);
    this.commit = Math.max(this.commit, snapshot.index);
    this.#snapshots.set(snapshot.index, snapshot);
    this.#lastSaved = snapshot.index;
    this.clients.installed();
    this.feed({ type: "stateRenewed" });
    for (const checker of this.world.checkers) checker.installed?.(this.world, this);
  }

  // Machine

  #apply(): void {
    if (this.#isApplying) return;
    this.#isApplying = true;
    const { world } = this;
    this.#later(world.random.next() * 3, (core) => {
      this.#isApplying = false;
      // A snapshot that is on its way to disk takes the place of what was not applied.
      while (core.trust !== "stateLost" && this.machine.index < this.commit && this.machine.index >= this.log.base) {
        const entry = this.entry(this.machine.index + 1);
        assert.ok(entry !== undefined, `${this.id} has what it applies`);
        const { admission, output } = this.machine.apply(entry, this.clock());
        for (const checker of world.checkers) checker.applied?.(world, this, entry, admission);
        this.clients.applied(entry, admission, output);
      }
      this.feed({ type: "applied", index: this.machine.index });
      this.clients.readable();
      this.#save(core);
    });
  }

  #save(core: Raft): void {
    const { world, machine, disk } = this;
    const isDue = machine.index - this.#lastSaved >= world.snapshotEvery || needsSnapshot(core);
    if (!isDue || disk.isFull) return;
    if (disk.writes.some(({ snapshot }) => snapshot !== undefined)) return;
    this.#lastSaved = machine.index;
    const bytes = 30 + world.random.below(150);
    this.feed({ type: "snapshotTaken", index: machine.index, bytes });
    if (core.snapshot.index !== machine.index) return;
    disk.snapshot = { ...core.snapshot, saved: machine.save() };
    this.#snapshots.set(machine.index, disk.snapshot);
    const inUse = snapshotsInUse(core);
    for (const index of this.#snapshots.keys())
      if (index !== machine.index && !inUse.includes(index)) this.#snapshots.delete(index);
    const first = keepFrom(core, this.clock());
    if (first <= this.log.base + 1) return;
    cutLog(this.log, first);
    disk.cutBefore(first);
    this.feed({ type: "logCut", first });
  }

  // Time

  /** Unless the process ends before; and not while it stands still. */
  #later(ms: number, run: (core: Raft) => void): void {
    const { core, world } = this;
    const due = () => {
      if (core === undefined || this.core !== core) return;
      if (world.now < this.pausedUntil) world.at(this.pausedUntil, due);
      else run(core);
    };
    world.at(world.now + ms, due);
  }

  #wake(): void {
    const { core, world } = this;
    if (core === undefined) return;
    const at = Math.max(world.now + 0.01, (nextAt(core) - this.offsetMs) / this.rate + 0.001);
    if (at >= this.#wakeAt || at === Infinity) return;
    this.#wakeAt = at;
    world.at(at, () => this.#tick(core, at));
  }

  #tick(core: Raft, at: number): void {
    if (this.core !== core || this.#wakeAt !== at) return;
    const { world } = this;
    if (world.now < this.pausedUntil) {
      // What has come meanwhile may be looked at first.
      world.at(this.pausedUntil + world.random.next() * 3, () => this.#tick(core, at));
      return;
    }
    this.#wakeAt = Infinity;
    this.feed({ type: "tick" });
    this.#wake();
  }

  /** What the shell does by itself every now and then. */
  #pump(core: Raft): void {
    if (this.core !== core) return;
    const { world } = this;
    if (world.now >= this.pausedUntil) {
      this.clients.pump();
      if (core.leading !== undefined) this.#manage(core);
      if (needsSnapshot(core)) this.#save(core);
      if (core.diskRefuses && !this.disk.isFull) this.feed({ type: "diskTakes" });
    }
    world.at(world.now + 60, () => this.#pump(core));
  }

  /** Leads the configuration to what the operator asked for, and repairs members with damage. */
  #manage(core: Raft): void {
    const { configuration, leading } = core;
    const { wanted } = this.world;
    for (const { id, trust } of leading?.peers.values() ?? [])
      if (trust === "allLost" && configuration.voters.includes(id)) return this.#order("demote", id);
    for (const id of wanted)
      if (!configuration.voters.includes(id) && !configuration.learners.includes(id))
        return this.#order("addLearner", id);
    for (const id of configuration.learners)
      if (wanted.has(id) && isClose(core, id, this.clock())) return this.#order("promote", id);
    const surplus = [...configuration.voters, ...configuration.learners].find((id) => !wanted.has(id));
    if (surplus !== undefined) this.#order("remove", surplus);
  }

  #order(type: "demote" | "addLearner" | "promote" | "remove", id: string): void {
    this.feed({ type: "change", token: this.world.token(), order: { type, id } });
  }
}
