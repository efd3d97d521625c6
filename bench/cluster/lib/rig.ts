import { cpus } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import type { Cluster, ClusterSetup } from "../../../test/cluster/lib/cluster.ts";
import { Cluster as Clusters } from "../../../test/cluster/lib/cluster.ts";
import { Stage } from "../../../test/cluster/lib/stage.ts";
import { type Cell, type Scale, type Section, say, type Table } from "../../lib/bench.ts";
import { Remote } from "../../lib/remote.ts";

/** One table of the page and how its figures come about. */
export interface ClusterBench {
  /** What `--only` takes. */
  readonly name: string;
  readonly title: string;
  readonly method: string;
  readonly columns: readonly string[];
  /** After this the section ends with the rows that it has. */
  readonly maxMs: number;
  run(rig: Rig): Promise<void>;
}

/** A section of the page, with how busy the machine was before it began. */
export interface ClusterSection extends Section {
  /**
   * Of all its processors, in percent, over {@link LOOKED_BEFORE_MS}; what a host takes from a guest counts. Not known of
   * sections of a time when nobody looked.
   */
  readonly busyBefore?: number;
}

export const LOOKED_BEFORE_MS = 3000;

/** What a bench starts, which is ended however the bench ends, and what it has found so far. */
export class Rig {
  readonly scale: Scale;
  readonly #rows: Cell[][] = [];
  readonly #remarks: string[] = [];
  readonly #closers: (() => unknown)[] = [];
  #isOver = false;

  constructor(scale: Scale) {
    this.scale = scale;
  }

  row(...cells: Cell[]): void {
    if (this.#isOver) return;
    say(`  ${cells.join("  ")}`);
    this.#rows.push(cells);
  }

  remark(sentence: string): void {
    if (!this.#isOver && !this.#remarks.includes(sentence)) this.#remarks.push(sentence);
  }

  /** Runs at the end, the last first. */
  defer(close: () => unknown): void {
    this.#closers.push(close);
  }

  /** Members that do not run yet. */
  async members(setup: ClusterSetup = {}): Promise<Cluster> {
    const cluster = await Clusters.create(setup);
    this.#endWith(cluster, () => cluster.dispose());
    return cluster;
  }

  /** Members that have formed a cluster. */
  async cluster(setup: ClusterSetup = {}): Promise<Cluster> {
    const cluster = await this.members(setup);
    await Promise.all(cluster.members.map((member) => member.start()));
    await cluster.formed();
    return cluster;
  }

  /** Such members with observers and light clients, and a history of what all of them were shown. */
  async stage(setup: ClusterSetup = {}): Promise<Stage> {
    const stage = await Stage.open(setup);
    this.#endWith(stage.cluster, () => stage.close());
    return stage;
  }

  /** A generator of `bench/load`. */
  load(file: string): Remote {
    const remote = Remote.load(file);
    this.defer(() => remote.end());
    return remote;
  }

  async close(): Promise<void> {
    this.#isOver = true;
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (thrown) {
        say(`  at the end: ${thrown}`);
      }
    }
  }

  /** What was found, also of a section that did not come to its end. */
  get table(): Pick<Table, "rows" | "remarks"> {
    return { rows: [...this.#rows], remarks: [...this.#remarks] };
  }

  #endWith(cluster: Cluster, close: () => Promise<void>): void {
    this.defer(async () => {
      // A profile is written by a process that ends by itself.
      if (process.env.NODE_OPTIONS?.includes("--cpu-prof") === true)
        await Promise.all(cluster.running.map((member) => member.terminate()));
      await close();
    });
  }
}

/** Of the section that is being measured. */
let current: Rig | undefined;

/** Ends what the section in progress has started: members outlive the process that started them. */
export async function abandon(): Promise<void> {
  await current?.close();
}

/** Runs a bench within its time; what fails or is late stands in the section. */
export async function measure(bench: ClusterBench, scale: Scale): Promise<ClusterSection> {
  const { title, method, columns, maxMs } = bench;
  const busyBefore = await busyPercent();
  const startedAt = performance.now();
  const rig = new Rig(scale);
  current = rig;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`its ${maxMs / 1000} s were over`)), maxMs);
  const run = bench.run(rig);
  // When its time is over it fails at what is ended under it.
  run.catch(() => {});
  try {
    await Promise.race([run, late.promise]);
  } catch (thrown) {
    const [sentence = ""] = String((thrown as Error).message).split("\n");
    say(`  ${(thrown as Error).stack}`);
    rig.remark(`**The section did not come to its end**: ${sentence}`);
  } finally {
    clearTimeout(timer);
  }
  const { table } = rig;
  await rig.close();
  const tookSeconds = Math.round((performance.now() - startedAt) / 1000);
  return { title, method, columns, ...table, measuredAt: new Date().toISOString(), tookSeconds, busyBefore };
}

/** The load of the last minute would still show the section before. */
async function busyPercent(): Promise<number> {
  const idleMs = () => cpus().reduce((sum, { times }) => sum + times.idle, 0);
  const [before, from] = [idleMs(), performance.now()];
  await wait(LOOKED_BEFORE_MS);
  const share = 1 - (idleMs() - before) / ((performance.now() - from) * cpus().length);
  return Math.max(0, Math.round(share * 100));
}

/** The last two cells of a row: what is wanted, and whether it was so. */
export function aim(value: number, max: number, unit: string): [string, string] {
  return [`≤ ${max.toLocaleString("en-US")} ${unit}`.trim(), value <= max ? "yes" : "**no**"];
}
