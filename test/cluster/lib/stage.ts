import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { Beats } from "./beats.ts";
import { Cluster, type ClusterSetup } from "./cluster.ts";
import { Driver } from "./driver.ts";
import { SDKS, type Sdk } from "./drivers.ts";
import { History } from "./history.ts";
import { LightClient } from "./light-client.ts";
import { journalOf } from "./looks.ts";
import type { MemberProcess } from "./member-process.ts";
import { Observer } from "./observer.ts";

const LOOK_AGAIN_MS = 20;
const CHANGES_MAX = 150;
/** Clients that beat over HTTP. */
const BEATING = 6;
const OPEN_MAX_MS = 15_000;
/** Applications on SDKs and light clients publish here; instances of killed clients, so that they are judged apart. */
export const SERVICES = ["apps", "guests", "beats"] as const;
/** Looked at, and not judged. */
const UNJUDGED = ["forgetful"] as const;

/** A cluster, those who watch it, those who use it, and what all of them were shown. */
export class Stage {
  readonly cluster: Cluster;
  readonly history = new History();
  readonly drivers: Driver[] = [];
  readonly beats: Beats;
  readonly #observers: Observer[] = [];
  readonly #lights: LightClient[] = [];
  /** Stands for the ports of all applications: it answers on each address of this machine. */
  readonly #door: Server = createServer((socket) => socket.destroy());
  readonly #publishers = new Map<string, string>();
  readonly #size: number;
  #addresses = 0;

  private constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.#size = cluster.members.length;
    this.beats = new Beats(
      cluster,
      "beats",
      Array.from({ length: BEATING }, () => this.address()),
      this.history,
    );
    for (const member of cluster.members) this.observe(member);
  }

  /** Open when all members show all beating clients. */
  static async open(setup: ClusterSetup = {}): Promise<Stage> {
    const stage = new Stage(await Cluster.start(setup));
    stage.#door.listen(0, "0.0.0.0");
    await once(stage.#door, "listening");
    stage.beats.start();
    const beating = () => (stage.history.alive("beats", performance.now()).length < BEATING ? ["not all beat"] : []);
    await stage.until(OPEN_MAX_MS, beating);
    await stage.settled(OPEN_MAX_MS);
    return stage;
  }

  observe(member: MemberProcess): void {
    const observer = new Observer(member, [...SERVICES, ...UNJUDGED], this.history);
    this.#observers.push(observer);
    observer.start();
  }

  /** An address that no other instance of this stage has, and where nobody listens. */
  address(): string {
    const n = ++this.#addresses;
    return `127.0.${100 + Math.floor(n / 250)}.${(n % 250) + 1}:9`;
  }

  /** An address that no other instance has, and where somebody answers: it belongs to an application that works. */
  openAddress(): string {
    return this.address().replace(/\d+$/, String((this.#door.address() as AddressInfo).port));
  }

  /** An application with one instance of `apps`, that is subscribed to it. */
  async app(sdk: Sdk): Promise<Driver> {
    const driver = await Driver.start(sdk.name, await sdk.build.ready(), this.cluster.clientAddresses, this.history);
    this.drivers.push(driver);
    await driver.subscribe("apps");
    const address = this.openAddress();
    this.#publishers.set(address, sdk.name);
    await driver.register(sdk.isForgetful === true ? "forgetful" : "apps", address);
    return driver;
  }

  /** A light client that begins at a member and knows the others. */
  async light(
    name: string,
    at: MemberProcess,
    others: readonly MemberProcess[] = this.#others(at),
  ): Promise<LightClient> {
    return this.lightAt(
      name,
      [at, ...others].map((member) => member.grpc),
    );
  }

  async lightAt(name: string, addresses: readonly string[]): Promise<LightClient> {
    const client = await LightClient.start(name, addresses, this.history);
    this.#lights.push(client);
    return client;
  }

  #others(at: MemberProcess): MemberProcess[] {
    return this.cluster.members.filter((member) => member !== at);
  }

  /** Applications that are told at once of every change, whatever happens to members. */
  get quickApps(): string[] {
    const quick = SDKS.filter(({ transport, isSlow }) => transport === "gRPC" && isSlow !== true).map(
      ({ name }) => name,
    );
    return this.drivers.map(({ name }) => name).filter((name) => quick.includes(name));
  }

  /**
   * Resolves when every running member shows exactly what lives, and so do applications that are told at once, with the milliseconds since `since`.
   *
   * @throws Error with what differs.
   */
  async settled(maxMs: number, since = performance.now(), members = this.cluster.running): Promise<number> {
    const viewers = members.map(({ name }) => name);
    const found = () => {
      const now = performance.now();
      return [
        ...this.history.unsettled(viewers, now, SERVICES),
        ...this.history.unsettled(this.quickApps, now, ["apps"]),
      ];
    };
    return this.until(maxMs, () => found().map((each) => this.#named(each)), since);
  }

  /** What everybody was shown since a moment, as far as it fits a screen. */
  changes(from: number): string {
    return this.history
      .changes(from, CHANGES_MAX)
      .map((each) => this.#named(each))
      .join("\n");
  }

  /** Why instances came and went at each member. */
  async journals(): Promise<string> {
    const all = this.cluster.running.map(async (member) => {
      const lines = await journalOf(member, CHANGES_MAX).catch((thrown: unknown) => [String(thrown)]);
      return [`--- journal of ${member.name}`, ...lines].join("\n");
    });
    return (await Promise.all(all)).join("\n");
  }

  /** With the names of applications beside their addresses. */
  #named(sentence: string): string {
    return sentence.replaceAll(/[\d.]+:\d+/g, (address) => {
      const publisher = this.#publishers.get(address);
      return publisher === undefined ? address : `${address} ${publisher}`;
    });
  }

  /**
   * Waits until nothing is found, or fails with what was found last; a look that was not answered in time has found that.
   *
   * @returns the milliseconds since `since`.
   */
  async until(
    maxMs: number,
    found: () => readonly string[] | Promise<readonly string[]>,
    since = performance.now(),
  ): Promise<number> {
    for (;;) {
      const last = await this.#look(found);
      const tookMs = performance.now() - since;
      if (last.length === 0 && tookMs <= maxMs) return tookMs;
      if (tookMs > maxMs) throw new Error(`not within ${Math.round(maxMs)} ms:\n${last.join("\n")}`);
      await pause(LOOK_AGAIN_MS);
    }
  }

  async #look(found: () => readonly string[] | Promise<readonly string[]>): Promise<readonly string[]> {
    try {
      return await found();
    } catch (thrown) {
      if ((thrown as Error).name !== "TimeoutError") throw thrown;
      return ["a member did not answer in time"];
    }
  }

  /** Waits until all, or the named, members show an instance or do not. @returns the milliseconds since `since`. */
  async shows(
    isShown: boolean,
    service: string,
    address: string,
    maxMs: number,
    since: number,
    members: readonly MemberProcess[] = this.cluster.running,
  ): Promise<number> {
    return this.until(
      maxMs,
      () =>
        members.flatMap(({ name }) => {
          const shown = this.history.shown(name, service, performance.now());
          const isThere = shown?.some((host) => host.address === address);
          return isThere === isShown ? [] : [`${address} is ${isShown ? "not " : ""}shown by ${name}`];
        }),
      since,
    );
  }

  /** After a scenario that failed: the next one finds the cluster as it was made, and nobody else's clients. */
  async repair(): Promise<void> {
    for (const client of this.#lights.splice(0)) client.kill();
    this.cluster.mend();
    for (const member of this.cluster.members.slice(this.#size)) await this.cluster.remove(member);
    for (const member of this.cluster.members) member.thaw();
    await Promise.all(this.cluster.members.filter((member) => !member.isRunning).map((member) => member.start()));
    await this.cluster.formed();
  }

  async close(): Promise<void> {
    for (const client of this.#lights) client.kill();
    await Promise.all([this.beats.stop(), ...this.#observers.map((each) => each.stop())]);
    await Promise.all(this.drivers.map((driver) => driver.kill()));
    this.#door.close();
    await this.cluster.dispose();
  }
}
