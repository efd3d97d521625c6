import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Configuration } from "@nacre/core/raft";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { type Faults, faultyFiles } from "@nacre/testkit/faulty-files";
import { type Files, nodeFiles, type OpenFile } from "../storage/files.ts";
import type { StateMachine } from "../storage/port.ts";
import { turn } from "../storage/turn.ts";
import { openRaftLog, type RaftLog, type RaftLogOptions } from "./raft-log.ts";

export interface LocalMember<C, R, M> {
  readonly id: string;
  readonly machine: M;
  readonly log: RaftLog<C, R>;
  readonly faults: Faults;
}

/** Members in one process with real files, a network in memory, and a clock that goes on when the test says so. */
export class LocalGroup<C, R, M extends StateMachine<C, R>> {
  readonly clock = new FakeClock();
  readonly directory: string;
  readonly founder: Configuration;
  readonly members = new Map<string, LocalMember<C, R, M>>();
  readonly #disk = { atWork: 0 };
  /** Both ways. */
  readonly #apart = new Map<string, number>();
  readonly #lives = new Map<string, number>();
  readonly #closing: Promise<void>[] = [];
  /** Members that are not open count as in reach. */
  reachesAll = false;
  loses: (from: string, to: string, frame: Uint8Array) => boolean = () => false;

  /** @param directory  is removed with the group. */
  constructor(directory: string, voters: readonly string[]) {
    this.directory = directory;
    this.founder = { voters, learners: [] };
  }

  async dispose(): Promise<void> {
    this.loses = () => false;
    for (const id of [...this.members.keys()]) this.#close(id);
    await this.#ended();
    await rm(this.directory, { recursive: true });
    assert.equal(this.clock.waiting, 0, "no timer is left");
  }

  async openWith(id: string, machine: M, options: Partial<RaftLogOptions<C, R>> = {}): Promise<LocalMember<C, R, M>> {
    const life = (this.#lives.get(id) ?? 0) + 1;
    this.#lives.set(id, life);
    const { files, faults } = faultyFiles(counted(nodeFiles, this.#disk));
    const log = await openRaftLog({
      directory: join(this.directory, id),
      machine,
      self: id,
      life,
      peers: {
        send: (to, frame) => this.#send(id, life, to, frame),
        outOfReachSince: (other) => this.outOfReachSince(id, other),
        addressOf: (other) => `${other}:8848`,
      },
      clock: this.clock,
      founder: this.founder,
      seed: id.charCodeAt(0) * 7919 + life,
      boot: "here",
      files,
      ...options,
    });
    const member = { id, machine, log, faults };
    this.members.set(id, member);
    for (const other of this.members.values()) if (other.id !== id) other.log.reachable(id);
    return member;
  }

  /** This machine's files, whose work holds up the group's time (see `until`). */
  get files(): Files {
    return counted(nodeFiles, this.#disk);
  }

  get(id: string): LocalMember<C, R, M> {
    const member = this.members.get(id);
    assert.ok(member !== undefined, `${id} is not open`);
    return member;
  }

  get leader(): LocalMember<C, R, M> | undefined {
    const leaders = [...this.members.values()].filter(({ log }) => log.status().role === "leader");
    return leaders.toSorted((a, b) => b.log.status().term - a.log.status().term)[0];
  }

  /** Some member that follows. */
  get follower(): LocalMember<C, R, M> {
    const follower = [...this.members.values()].find(({ log }) => log.status().role === "follower");
    assert.ok(follower !== undefined);
    return follower;
  }

  /**
   * Lets time pass, 5 ms after every few turns, until the condition holds. While a disk is at work there are more turns,
   * so that on a slow machine its syncs take no seconds of the group's time. Bounded, so that a failure is no hang.
   */
  async until(condition: () => boolean, what = "the condition"): Promise<void> {
    for (let round = 0; !condition(); round++) {
      assert.ok(round < 20_000, `${what} did not come`);
      this.clock.advance(5);
      for (let at = 0; at < 4 || (this.#disk.atWork > 0 && at < 300); at++) await turn();
    }
  }

  /** Lets time pass until the promise has its outcome, which this has too. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    promise.then(over, over);
    await this.until(() => isOver, "the outcome");
    return promise;
  }

  /** Breaks or mends the link between two members. */
  cut(one: string, two: string, isCut = true): void {
    const key = [one, two].sort().join(" ");
    if (isCut === this.#apart.has(key)) return;
    if (isCut) this.#apart.set(key, this.clock.wall());
    else this.#apart.delete(key);
    for (const [at, other] of [
      [one, two],
      [two, one],
    ] as const) {
      if (isCut) this.members.get(at)?.log.unreachable(other);
      else this.members.get(at)?.log.reachable(other);
    }
  }

  /** Epoch milliseconds; undefined for who is in reach of the other. */
  outOfReachSince(from: string, to: string): number | undefined {
    if (!this.members.has(to)) return this.reachesAll ? undefined : this.clock.wall();
    return this.#apart.get([from, to].sort().join(" "));
  }

  isolate(id: string, isCut = true): void {
    for (const other of this.members.keys()) if (other !== id) this.cut(id, other, isCut);
  }

  /** The process ends: its memory is gone, and what it was about to write is not written. */
  async kill(id: string): Promise<void> {
    const { faults } = this.get(id);
    faults.changesLeft = 0;
    this.#close(id);
    await this.#ended();
  }

  /** As a planned stop. */
  async stop(id: string): Promise<void> {
    const { log } = this.get(id);
    await this.during(log.close());
    this.members.delete(id);
    for (const other of this.members.values()) other.log.unreachable(id);
  }

  #close(id: string): void {
    const { log } = this.get(id);
    this.members.delete(id);
    for (const other of this.members.values()) other.log.unreachable(id);
    this.#closing.push(log.close().catch(() => {}));
  }

  async #ended(): Promise<void> {
    await this.during(Promise.all(this.#closing.splice(0)));
  }

  #send(from: string, life: number, to: string, frame: Uint8Array): void {
    const isLost = () =>
      this.outOfReachSince(from, to) !== undefined ||
      !this.members.has(from) ||
      !this.members.has(to) ||
      this.#lives.get(from) !== life;
    if (isLost() || this.loses(from, to, frame)) return;
    turn().then(() => {
      if (!isLost()) assert.equal(this.get(to).log.received(from, frame), undefined);
    });
  }
}

/** Files that tell how many changes are under way. */
function counted(files: Files, disk: { atWork: number }): Files {
  const during = async <T>(work: Promise<T>): Promise<T> => {
    disk.atWork++;
    try {
      return await work;
    } finally {
      disk.atWork--;
    }
  };
  const file = (one: OpenFile): OpenFile => ({
    write: (bytes, position) => during(one.write(bytes, position)),
    sync: () => during(one.sync()),
    truncate: (bytes) => during(one.truncate(bytes)),
    close: () => during(one.close()),
  });
  return {
    ...files,
    create: async (path) => file(await during(files.create(path))),
    open: async (path) => file(await during(files.open(path))),
    readRange: (path, position, bytes) => during(files.readRange(path, position, bytes)),
    syncDirectory: (path) => during(files.syncDirectory(path)),
    rename: (from, to) => during(files.rename(from, to)),
    remove: (path) => during(files.remove(path)),
  };
}
