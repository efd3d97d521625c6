import { peers as knownPeers, type Membership, readAddress } from "@nacre/core/membership";
import { RegistryError } from "@nacre/protocol";
import type { Clock } from "../../clock.ts";
import type { Peers } from "../../cluster/peer-calls.ts";
import { type BackupHead, backupBytes, describeBackup } from "../../offline/backup-file.ts";
import type { GroupOrder } from "../../raft/port.ts";
import { nodeFiles } from "../../storage/files.ts";
import { KEEPS_NOTHING, type OwnGroup } from "./own-group.ts";
import { type GroupStatus, groupStatus, memberStatus, type Named } from "./status.ts";
import type { RaftCalls, SnapshotAnswer } from "./wire.ts";

export interface RaftOpsSetup {
  readonly clock: Clock;
  readonly version: string;
  /** Undefined for a member that keeps nothing on disk. */
  readonly group: () => OwnGroup | undefined;
  readonly epoch: () => number;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly address: () => string;
  readonly shown: (id: string) => string;
}

/** What came of a snapshot at one member. */
export type SnapshotTaken = Named &
  (
    | (SnapshotAnswer & { readonly tookMs: number; readonly error?: never })
    | { readonly error: string; readonly index?: never }
  );

export interface Changed {
  /** The member that the order was about. */
  readonly member: Named;
  readonly voters: readonly Named[];
  readonly learners: readonly Named[];
  /** What comes of it next, as a sentence. */
  readonly note: string;
}

export interface Transferred {
  readonly from: Named;
  readonly to: Named | undefined;
}

export interface Backup {
  readonly head: BackupHead;
  readonly bytes: AsyncIterable<Uint8Array>;
}

const ASK_MS = 3_000;
/** A state of gigabytes takes its time. */
const SNAPSHOT_MS = 120_000;
/** How long it is waited for the next leader, and how often it is looked. */
const ELECTED_MS = 2_000;
const LOOK_MS = 20;
/** That are prepared at a time: each reads a snapshot from its first to its last byte. */
const BACKUPS_MAX = 2;
/** That are sent at a time: each keeps a snapshot on the disk, also when newer ones have taken its place. */
const SENT_MAX = 4;

/** What operators ask of a group, and tell it to do, through any of its members. Loaded when somebody does. */
export class RaftOps {
  readonly #setup: RaftOpsSetup;
  #backups = 0;
  #sent = 0;

  constructor(setup: RaftOpsSetup) {
    this.#setup = setup;
  }

  /** What this member answers others. */
  readonly calls: {
    readonly [Name in keyof RaftCalls]: () => RaftCalls[Name]["answered"] | Promise<RaftCalls[Name]["answered"]>;
  } = {
    "raft.status": () => ({ status: this.#setup.group() && this.#ownStatus() }),
    "raft.snapshot": () => this.#takeSnapshot(),
  };

  /** @param isAll  whether the others are asked; else only this member says what it knows. @throws RegistryError. */
  async status(isAll: boolean): Promise<GroupStatus> {
    this.#group();
    const { peers, shown, membership } = this.#setup;
    const others = isAll ? await peers.askAll("raft.status", null, ASK_MS) : [];
    return groupStatus({ ...this.#own(), clusterId: membership.clusterId }, this.#ownStatus(), others, shown);
  }

  /** @param who  id or address; undefined: whoever has most of the log. @throws RegistryError with the reason why not. */
  async transfer(who: string | undefined): Promise<Transferred> {
    const group = this.#group();
    const { leader, configuration } = group.status();
    const to = who === undefined ? undefined : this.#find(who);
    if (leader === undefined)
      throw new RegistryError("illegalState", "no member leads the group: nothing can be handed over");
    if (to === leader) throw new RegistryError("illegalState", `${this.#shown(leader)} leads the group already`);
    if (to !== undefined && !configuration.voters.includes(to))
      throw new RegistryError("illegalState", `${this.#shown(to)} is no voter of the group, so that it cannot lead`);
    if (configuration.voters.length === 1)
      throw new RegistryError("illegalState", "the group has one voter: there is nobody to hand over to");
    await group.order({ type: "transfer", id: to });
    const next = to ?? (await this.#leaderAfter(leader));
    return { from: this.#named(leader), to: next === undefined ? undefined : this.#named(next) };
  }

  /** @param who  id or address; undefined: every member of the group. */
  async snapshot(who: string | undefined): Promise<readonly SnapshotTaken[]> {
    const { voters, learners } = this.#group().status().configuration;
    const ids = who === undefined ? [...voters, ...learners] : [this.#find(who)];
    return Promise.all(ids.map((id) => this.#snapshotAt(id)));
  }

  /** @throws RegistryError with the reason why not. */
  async add(who: string): Promise<Changed> {
    const group = this.#group();
    const id = this.#find(who);
    const { voters, learners } = group.status().configuration;
    if (voters.includes(id))
      throw new RegistryError("illegalState", `${this.#shown(id)} is a voter of the group already`);
    if (learners.includes(id))
      throw new RegistryError(
        "illegalState",
        `${this.#shown(id)} is in the group already, and becomes a voter by itself when it has caught up`,
      );
    return this.#change({ type: "addLearner", id }, "it becomes a voter by itself when it has caught up");
  }

  /** @throws RegistryError with the reason why not. */
  async remove(who: string): Promise<Changed> {
    const group = this.#group();
    const id = this.#find(who);
    const { configuration, leader } = group.status();
    const { voters, learners } = configuration;
    const shown = this.#shown(id);
    if (!voters.includes(id) && !learners.includes(id))
      throw new RegistryError("illegalState", `${shown} is not in the group`);
    if (voters.length === 1 && voters[0] === id)
      throw new RegistryError("illegalState", `${shown} is the only voter: the group would end with it`);
    if (id === leader)
      throw new RegistryError(
        "illegalState",
        `${shown} leads the group: hand that over first, with nacre raft transfer`,
      );
    const runs = id === this.#setup.membership.start.id || this.#isUp(id);
    const note = runs
      ? "it runs, and asks to be taken in again when it is started anew: nacre cluster leave --forever, at it, takes it off for good"
      : "nacre cluster forget takes it off the list of members as well";
    return this.#change({ type: "remove", id }, note);
  }

  /**
   * Everything durable that this member holds, as of one moment of the log.
   *
   * @param isNewest  whether it holds at least what was acknowledged anywhere before; else what this member has.
   * @throws RegistryError `unavailable` when that cannot be made sure of; `overThreshold`; as `takeSnapshot`.
   */
  async backup(isNewest: boolean): Promise<Backup> {
    const group = this.#group();
    if (this.#backups >= BACKUPS_MAX)
      throw new RegistryError("overThreshold", `${BACKUPS_MAX} backups are being made at this member: try again later`);
    this.#mayBeSent();
    this.#backups++;
    try {
      if (isNewest) await group.readIndex();
      const taken = await group.takeSnapshot();
      const { version, membership, clock, epoch } = this.#setup;
      const { id: memberId, address } = this.#own();
      const origin = { clusterId: membership.clusterId, epoch: epoch(), memberId, address, version, at: clock.wall() };
      const head = await describeBackup(nodeFiles, taken, origin);
      return { head, bytes: this.#counted(backupBytes(nodeFiles, head, taken.path)) };
    } finally {
      this.#backups--;
    }
  }

  /** From its first piece to its last, or until its reader goes away. */
  async *#counted(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    this.#mayBeSent();
    this.#sent++;
    try {
      yield* bytes;
    } finally {
      this.#sent--;
    }
  }

  #mayBeSent(): void {
    if (this.#sent >= SENT_MAX)
      throw new RegistryError("overThreshold", `${SENT_MAX} backups are being sent by this member: try again later`);
  }

  /** The id of a member that is named by id or address. @throws RegistryError `notFound`. */
  find(who: string): string | undefined {
    const { membership, clock, address } = this.#setup;
    const { id: self, port } = membership.start;
    const { voters, learners } = this.#group().status().configuration;
    if (who === self || [...voters, ...learners].includes(who)) return who;
    const read = readAddress(who, port);
    const wanted = typeof read === "string" ? undefined : hostAndPort(read);
    if (wanted === undefined || wanted === address()) return wanted === undefined ? this.#known(who) : self;
    return knownPeers(membership, clock.now()).find((peer) => peer.addresses.includes(wanted))?.id ?? this.#known(who);
  }

  #known(who: string): string | undefined {
    const { membership, clock } = this.#setup;
    return knownPeers(membership, clock.now()).find(({ id }) => id === who)?.id;
  }

  #find(who: string): string {
    const id = this.find(who);
    if (id !== undefined) return id;
    throw new RegistryError(
      "notFound",
      `no member has the id or address '${who.slice(0, 128)}': nacre raft status lists them`,
    );
  }

  /** Whoever was chosen has to be elected first. @returns undefined when that is not heard of in time. */
  async #leaderAfter(before: string): Promise<string | undefined> {
    const { clock } = this.#setup;
    const giveUpAt = clock.now() + ELECTED_MS;
    for (;;) {
      const { leader } = this.#group().status();
      if (leader !== undefined && leader !== before) return leader;
      if (clock.now() >= giveUpAt) return undefined;
      const { promise, resolve } = Promise.withResolvers<void>();
      clock.schedule(LOOK_MS, resolve);
      await promise;
    }
  }

  async #change(order: GroupOrder & { readonly id: string }, note: string): Promise<Changed> {
    const group = this.#group();
    await group.order(order);
    const { voters, learners } = group.status().configuration;
    return {
      member: this.#named(order.id),
      voters: voters.map((id) => this.#named(id)),
      learners: learners.map((id) => this.#named(id)),
      note,
    };
  }

  async #snapshotAt(id: string): Promise<SnapshotTaken> {
    const { clock, membership, peers } = this.#setup;
    const begunAt = clock.now();
    try {
      const isOwn = id === membership.start.id;
      const taken = isOwn ? await this.#takeSnapshot() : await peers.ask(id, "raft.snapshot", null, SNAPSHOT_MS);
      return { ...this.#named(id), ...taken, tookMs: Math.round(clock.now() - begunAt) };
    } catch (thrown) {
      return { ...this.#named(id), error: RegistryError.from(thrown).message };
    }
  }

  async #takeSnapshot(): Promise<SnapshotAnswer> {
    const { index, term, bytes } = await this.#group().takeSnapshot();
    return { index, term, bytes };
  }

  #group(): OwnGroup {
    const group = this.#setup.group();
    if (group === undefined) throw new RegistryError("illegalState", KEEPS_NOTHING);
    return group;
  }

  #ownStatus() {
    const { clock, epoch } = this.#setup;
    return memberStatus(this.#group().status(), epoch(), clock.now(), clock.wall());
  }

  #own(): Named {
    return { id: this.#setup.membership.start.id, address: this.#setup.address() };
  }

  #isUp(id: string): boolean {
    const state = this.#setup.membership.members.get(id)?.state;
    return state !== undefined && state !== "DOWN";
  }

  #named(id: string): Named {
    return { id, address: this.#shown(id) };
  }

  #shown(id: string): string {
    return id === this.#setup.membership.start.id ? this.#setup.address() : this.#setup.shown(id);
  }
}

function hostAndPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
