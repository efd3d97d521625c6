import assert from "node:assert/strict";
import { allClusterChecks } from "./cluster-checks/all.ts";
import { findingsOf } from "./cluster-checks/findings.ts";
import { viewersOf } from "./cluster-checks/shown.ts";
import type { SimBeater } from "./cluster-sim-beats.ts";
import type { Breakage, SimMachine } from "./cluster-sim-machine.ts";
import type { SimSdk } from "./cluster-sim-sdk.ts";
import { type ClusterCheck, ClusterWorld } from "./cluster-sim-world.ts";

/** Until rings are stable, and what has to hold at once holds. */
const FORMED_MS = 12_000;

/** A cluster that is made by a scenario: members that list each other, and clients whose instances have plain names. */
export class ClusterStage {
  readonly world: ClusterWorld;
  readonly machines: SimMachine[] = [];
  #nextAddress = 1;

  constructor(seed: number, checks: readonly ClusterCheck[] = allClusterChecks(), breakage: Breakage = {}) {
    this.world = new ClusterWorld(seed, checks, breakage);
  }

  /** Members of one cluster that have found each other. */
  static async of(
    count: number,
    seed = 1,
    checks?: readonly ClusterCheck[],
    breakage?: Breakage,
  ): Promise<ClusterStage> {
    const stage = new ClusterStage(seed, checks, breakage);
    for (let at = 0; at < count; at++) stage.add();
    stage.list();
    for (const machine of stage.machines) stage.world.start(machine);
    await stage.run(FORMED_MS);
    return stage;
  }

  add(): SimMachine {
    const machine = this.world.addMachine("prod", true);
    this.machines.push(machine);
    return machine;
  }

  at(index: number): SimMachine {
    return this.machines[index] ?? assert.fail(`there is no member ${index}`);
  }

  list(machines: readonly SimMachine[] = this.machines): void {
    this.world.editLists(machines.map(({ address }) => address).join("\n"), this.machines);
  }

  run(ms: number): Promise<void> {
    return this.world.runFor(ms);
  }

  /** An application that begins at that member, and knows all of them. */
  async sdk(at: SimMachine, beside?: SimMachine): Promise<SimSdk> {
    const all = (): string[] => this.machines.map(({ ip }) => ip);
    let first = true;
    const sdk = this.world.addSdk(beside, () => (first ? [at.ip] : all()));
    await this.world.until(5000, `${sdk.name} is connected`, () => sdk.connection?.isReady === true);
    first = false;
    return sdk;
  }

  async provider(at: SimMachine, service: string, count = 1): Promise<{ sdk: SimSdk; addresses: string[] }> {
    const sdk = await this.sdk(at);
    const addresses = Array.from({ length: count }, () => this.address());
    this.world.publish(
      sdk,
      service,
      addresses.map((address) => ({ address, zone: "a" })),
    );
    await this.shows(1000, service, addresses, true);
    return { sdk, addresses };
  }

  /** @returns whether a member confirmed it. */
  deregister(sdk: SimSdk, service: string): Promise<boolean> {
    return this.world.during(this.world.deregister(sdk, service));
  }

  async beater(service: string): Promise<SimBeater> {
    const beater = this.world.addBeater(undefined, service, this.address());
    this.world.register(beater);
    await this.shows(2000, service, [beater.address], true);
    return beater;
  }

  address(): string {
    return `10.1.0.${this.#nextAddress++}:8080`;
  }

  /** Until every member that is ready, and every application that asked, is shown all of these, or none. */
  async shows(withinMs: number, service: string, addresses: readonly string[], isShown: boolean): Promise<number> {
    const from = this.world.now;
    const odd = (): string[] =>
      viewersOf(this.world)
        .filter((viewer) => {
          const shown = viewer.shows(service);
          return shown !== undefined && addresses.some((address) => shown.has(address) !== isShown);
        })
        .map(({ name }) => name);
    while (odd().length > 0) {
      const took = this.world.now - from;
      const what = `${service} ${addresses} ${isShown ? "is missing" : "is left"} on ${odd()} after ${took} ms`;
      if (took >= withinMs) assert.fail(`${what}\n${this.world.trace.slice(-40).join("\n")}`);
      await this.run(50);
    }
    return this.world.now - from;
  }

  async ready(withinMs: number): Promise<void> {
    const { world } = this;
    await world.until(withinMs, "all members are ready", () => world.ready.length === this.machines.length);
  }

  /** The same on all that are shown anything, and members hold the same. */
  shown(machine: SimMachine, service: string): ReadonlyMap<string, boolean> {
    return machine.member?.shows({ namespace: "public", group: "DEFAULT_GROUP", name: service }) ?? new Map();
  }

  get findings(): string[] {
    return findingsOf(this.world).map(({ code }) => code);
  }
}
