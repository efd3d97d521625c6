import { type ConfigurationAt, NOBODY, type Persist, type Run, type Start, type Trust } from "@nacre/core/raft";
import type { Entry, Saved, SavedSnapshot } from "./raft-sim-model.ts";
import type { Random } from "./random.ts";

/** A log: `entries[0]` is at `base` + 1. */
export interface SimLog {
  base: number;
  baseTerm: number;
  entries: Entry[];
}

interface Write {
  readonly persist: Persist;
  readonly entries: readonly Entry[];
  readonly snapshot: SavedSnapshot | undefined;
}

export const EMPTY: Saved = { index: 0, time: 0, registers: [], sessions: [] };

/** What a member keeps over a crash, and what is on its way there. */
export class SimDisk {
  term = 0;
  vote: string | undefined;
  log: SimLog = { base: 0, baseTerm: 0, entries: [] };
  snapshot: SavedSnapshot;
  trust: Trust = "whole";
  isFull = false;
  delayMaxMs = 8;
  /** Broken: term and vote are not kept. */
  forgetsVotes = false;
  /** The machine as it was when the process was killed, if the machine's pages survived. */
  kept: Saved | undefined;
  readonly writes: Write[] = [];

  constructor(voters: readonly string[]) {
    const configuration = { voters, learners: [] };
    this.snapshot = { index: 0, term: 0, configuration, bytes: 1, saved: EMPTY };
  }

  /** Everything that was written goes to disk. @returns the number of the last write. */
  sync(): number {
    const number = this.writes.at(-1)?.persist.number ?? 0;
    for (const write of this.writes.splice(0)) this.#take(write, write.entries.length);
    return number;
  }

  /** Of what was not synced some first writes are there, and of the next one perhaps a part. */
  crash(random: Random): void {
    const writes = this.writes.splice(0);
    const whole = random.below(writes.length + 1);
    for (const write of writes.slice(0, whole)) this.#take(write, write.entries.length);
    const torn = writes[whole];
    // A snapshot takes its place at once or not at all.
    if (torn === undefined || torn.snapshot !== undefined) return;
    if (random.chance(0.6)) this.#takeLog(torn, random.below(torn.entries.length + 1));
    if (random.chance(0.5)) this.#takeHard(torn);
  }

  /** The log, and with `votes` term and vote too, cannot be read any more. */
  damage(votes: boolean): void {
    this.log = { base: 0, baseTerm: 0, entries: [] };
    this.snapshot = { index: 0, term: 0, configuration: NOBODY, bytes: 1, saved: EMPTY };
    this.kept = undefined;
    this.trust = votes || this.trust === "allLost" ? "allLost" : "logLost";
    if (!votes) return;
    this.term = 0;
    this.vote = undefined;
  }

  cutBefore(first: number): void {
    cutLog(this.log, first);
  }

  start(self: string, seed: number): Start {
    const { term, vote, log, snapshot, trust } = this;
    const runs: Run[] = [];
    const configurations: ConfigurationAt[] = [];
    log.entries.forEach((entry, at) => {
      const index = log.base + 1 + at;
      if (runs.at(-1)?.term !== entry.term) runs.push({ first: index, term: entry.term });
      if (entry.configuration !== undefined) configurations.push({ index, configuration: entry.configuration });
    });
    const lastIndex = log.base + log.entries.length;
    const applied = this.kept?.index ?? snapshot.index;
    const { base: baseIndex, baseTerm } = log;
    return { self, seed, term, vote, snapshot, baseIndex, baseTerm, lastIndex, runs, configurations, applied, trust };
  }

  #take(write: Write, count: number): void {
    this.#takeHard(write);
    this.#takeLog(write, count);
  }

  /** Term and vote have a place of their own. */
  #takeHard({ persist: { hard } }: Write): void {
    if (hard === undefined || this.forgetsVotes) return;
    this.term = hard.term;
    this.vote = hard.vote;
  }

  #takeLog({ persist, entries, snapshot }: Write, count: number): void {
    if (snapshot !== undefined) {
      this.snapshot = snapshot;
      this.log = { base: snapshot.index, baseTerm: snapshot.term, entries: [] };
    }
    if (persist.cutFrom !== undefined) this.log.entries.length = persist.cutFrom - this.log.base - 1;
    for (const entry of entries.slice(0, count)) this.log.entries.push(entry);
  }
}

export function cutLog(log: SimLog, first: number): void {
  const count = first - 1 - log.base;
  if (count <= 0) return;
  log.baseTerm = log.entries[count - 1]?.term ?? log.baseTerm;
  log.entries.splice(0, count);
  log.base = first - 1;
}

export function entryAt(log: SimLog, index: number): Entry | undefined {
  return log.entries[index - log.base - 1];
}
