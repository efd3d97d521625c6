/**
 * How much processor time one step of the core of Distro takes at worst when something concerns all clients, with and without what
 * the garbage collector takes of it: `node packages/testkit/src/distro-bench.ts [clients]`.
 */
import { PerformanceObserver } from "node:perf_hooks";
import { setImmediate as turn, setTimeout as wait } from "node:timers/promises";
import { type Contents, type DistroState, type Event, type Head, newDistro, nextAt, step } from "@nacre/core/distro";

const CONTENTS: Contents = { ip: "10.0.0.1", port: 80, app: "", agent: "", createdAt: 0, publications: [] };

class Bench {
  readonly state: DistroState;
  now = 0;
  #steps: { readonly at: number; readonly until: number; readonly cpuMs: number }[] = [];
  readonly #pauses: { readonly startTime: number; readonly duration: number }[] = [];

  constructor() {
    this.state = newDistro("a", 2, { heardAt: () => undefined });
    new PerformanceObserver((list) => this.#pauses.push(...list.getEntries())).observe({ entryTypes: ["gc"] });
  }

  async start(journal: readonly Head[]): Promise<void> {
    this.feed({ type: "start", journal });
    await this.settle();
    this.feed({ type: "peer", id: "b", state: "up", incarnation: 1 });
    this.feed({ type: "peer", id: "c", state: "up", incarnation: 1 });
    this.feed({ type: "membersKnown" });
    for (const from of ["b", "c"])
      this.feed({ type: "received", from, message: { type: "loadOffer", loaded: false, clients: 0 } });
    await this.settle();
  }

  feed(event: Event): void {
    const at = performance.now();
    const before = process.threadCpuUsage();
    step(this.state, event, this.now);
    const { user, system } = process.threadCpuUsage(before);
    this.#steps.push({ at, until: performance.now(), cpuMs: (user + system) / 1_000 });
  }

  /** Ticks until nothing is due at once. */
  async settle(): Promise<void> {
    while (nextAt(this.state) <= this.now) await this.#tick(this.now + 1);
  }

  /** Ticks as the shell would, with digests and all, until then. */
  async until(end: number): Promise<void> {
    while (this.now < end) await this.#tick(Math.min(end, Math.max(this.now + 1, nextAt(this.state))));
  }

  async #tick(at: number): Promise<void> {
    this.now = at;
    await turn();
    this.feed({ type: "tick" });
  }

  async report(what: string): Promise<void> {
    // Pauses of the collector are told a little later.
    await wait(20);
    const pausedMs = (from: number, to: number): number =>
      this.#pauses
        .filter(({ startTime }) => startTime >= from && startTime < to)
        .reduce((sum, { duration }) => sum + duration, 0);
    const worst = (ms: readonly number[]): string =>
      Math.max(...ms)
        .toFixed(1)
        .padStart(6);
    const bare = this.#steps.map(({ at, until, cpuMs }) => cpuMs - pausedMs(at, until));
    const told = `${worst(this.#steps.map(({ cpuMs }) => cpuMs))} ms at worst,${worst(bare)} ms without the collector`;
    process.stdout.write(`${what.padEnd(54)}${told}, ${this.#steps.length} steps\n`);
    this.#steps = [];
    this.#pauses.length = 0;
  }

  async told(from: string, heads: readonly Head[]): Promise<void> {
    for (let at = 0; at < heads.length; at += 500) {
      await turn();
      const changes = heads.slice(at, at + 500).map((head) => ({ ...head, contents: CONTENTS }));
      this.feed({ type: "received", from, message: { type: "sync", seq: 1, changes, removals: [] } });
    }
  }
}

function heads(count: number, owner: string, incarnation: number, kind: Head["kind"]): Head[] {
  return Array.from({ length: count }, (_, at) => ({
    id: kind === "address" ? `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}:80#true` : `179000000_10.0.0.${at}`,
    kind,
    version: { owner, incarnation, counter: 1 },
    contentHash: at,
    gone: undefined,
    answers: false,
    after: 0,
    ageMs: 0,
  }));
}

const clients = Number(process.argv[2] ?? 500_000);
const bench = new Bench();
await bench.start([]);
await bench.told("b", heads(clients, "b", 1, "connection"));
await bench.report(`${clients} clients told, 500 at a time`);
bench.feed({ type: "peer", id: "b", state: "down", incarnation: 1 });
await bench.settle();
await bench.report("their owner goes down");
bench.feed({ type: "peer", id: "b", state: "up", incarnation: 1 });
await bench.settle();
await bench.report("and comes back");
bench.feed({ type: "isolated", isolated: true });
bench.feed({ type: "peer", id: "b", state: "down", incarnation: 1 });
await bench.until(bench.now + 60_000);
await bench.report("goes down again, while isolated, through the grace");
bench.feed({ type: "isolated", isolated: false });
await bench.until(bench.now + 12_000);
await bench.report(`given up; ${bench.state.table.size} are left`);
await bench.until(bench.now + 380_000);
await bench.report(`tombstones forgotten; ${bench.state.table.graves} are left`);
await bench.told("c", heads(clients, "c", 1, "address"));
await bench.report("as many address clients told");
bench.feed({ type: "ring", ownerOf: (id) => (id.length % 2 === 0 ? "a" : "b") });
await bench.settle();
await bench.report("the ring changes");
bench.feed({ type: "peerRemoved", id: "c" });
await bench.settle();
await bench.report("their owner leaves the list");

const again = new Bench();
await again.start(heads(clients, "a", 1, "connection"));
await again.report("a start with as many in the journal");
