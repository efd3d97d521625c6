import {
  type CapacityScope,
  type Changed,
  type ConfigCommand,
  type ConfigOptions,
  type ConfigResult,
  type ConfigState,
  capacityOf,
  commandBroken,
  type Effect,
  type Event,
  findItem,
  type ImportPolicy,
  newConfig,
  nextWakeAt,
  type Operator,
  refuses,
  step,
  withCapacity,
} from "@nacre/core/config";
import { type ConfigName, DEFAULT_CONFIG_TYPE, RegistryError } from "@nacre/protocol";
import type { Clock, Timer } from "../clock.ts";
import type { Peers } from "../cluster/peer-calls.ts";
import type { Connections, Log } from "../connections/connections.ts";
import { EffectQueue } from "../effect-queue.ts";
import { Latency } from "../metrics/latency.ts";
import type { Responsibility } from "../responsibility.ts";
import type { ConfigStore } from "../storage/config-store.ts";
import type { DurableLog } from "../storage/port.ts";
import { throwIfStillRefused } from "../storage/refused.ts";
import { Contents } from "./contents.ts";
import { HeldPolls } from "./held-polls.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Imports } from "./importing.ts";
import { type ConfigMachine, configMachine } from "./machine.ts";
import { NamespaceAdmin, type ServicesOfNamespaces } from "./namespace-admin.ts";
import type { CheckContent, Cipher } from "./ports.ts";
import type { ProposeConfig } from "./propose.ts";
import { pushOf, receiversOf } from "./pushes.ts";
import { reachOf } from "./reach.ts";
import { clientVersionIn } from "./reached.ts";
import { type Found, type Missing, Reader } from "./reader.ts";
import { rollback } from "./rollback.ts";
import { Sealing } from "./sealing.ts";
import type {
  Asking,
  CapacityInfo,
  CapacityLimits,
  ConfigService,
  Imported,
  ImportItem,
  NamespaceInfo,
  Publish,
  Published,
  Reach,
  Read,
} from "./service.ts";
import { Stored } from "./stored.ts";
import { ConfigTimes } from "./times.ts";

/** A wake-up that is due sooner waits for the end of the current turn of the event loop at least. */
const WAKE_MS_MIN = 1;
/** Configurations whose rows are read at a time to learn their names; a row brings its content along. */
const IDS_AT_A_TIME = 16;

export interface ConfigsSetup {
  readonly clock: Clock;
  readonly log: Log;
  readonly connections: Connections;
  readonly options: Partial<ConfigOptions>;
  /** Bytes of contents and encoded answers in memory. */
  readonly contentCacheBytes: number;
  /** Days that history is kept. */
  readonly retentionDays: number;
  readonly memberId: string;
  readonly responsibility: Responsibility;
  readonly ciphers: readonly Cipher[];
  readonly checkContent: CheckContent;
  /** What naming holds of a namespace, which keeps it from being removed. */
  readonly services: ServicesOfNamespaces;
}

/** The shell of configuration: feeds events to the core one at a time and performs the effects in order. */
export class Configs implements ConfigService {
  readonly state: ConfigState;
  readonly machine: ConfigMachine;
  readonly contents: Contents;
  readonly stored: Stored;
  readonly reader: Reader;
  /** What calls took, for the metrics. */
  readonly times: ConfigTimes;
  /** From a proposal until it is durable and applied. */
  readonly commits = new Latency();
  readonly #setup: ConfigsSetup;
  readonly #sealing: Sealing;
  readonly #namespaces: NamespaceAdmin;
  readonly #imports: Imports;
  readonly #firstRequestId: number;
  #durable: Pick<DurableLog<ConfigCommand, unknown>, "propose" | "readIndex"> | undefined;
  #store: ConfigStore | undefined;
  #housekeeping: Housekeeping | undefined;
  readonly #polls = new HeldPolls((event) => this.submit(event));
  readonly #effects = new EffectQueue<Effect>(
    (effect) => this.#do(effect),
    (effect, thrown) => this.#failed(effect, thrown),
  );
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(setup: ConfigsSetup) {
    const { clock, connections } = setup;
    this.#setup = setup;
    this.state = newConfig(setup.options);
    this.times = new ConfigTimes(clock);
    this.contents = new Contents({
      read: (name, gray) => this.store.content(name, gray),
      bytesMax: setup.contentCacheBytes,
    });
    this.machine = configMachine({
      state: this.state,
      contents: this.contents,
      times: this.times,
      now: () => clock.now(),
      perform: (effects) => this.#perform(effects),
    });
    this.reader = new Reader({
      state: this.state,
      contents: this.contents,
      times: this.times,
      now: () => clock.now(),
      submit: (event) => this.submit(event),
    });
    this.stored = new Stored({ state: this.state, contents: this.contents, clock, store: () => this.store });
    this.#sealing = new Sealing(setup.ciphers);
    this.#imports = new Imports({
      state: this.state,
      sealing: this.#sealing,
      propose: this.propose,
      memberId: setup.memberId,
    });
    this.#namespaces = new NamespaceAdmin({ state: this.state, services: setup.services, propose: this.propose });
    this.#firstRequestId = this.state.nextRequestId;
    connections.listen({
      unregistered: ({ id }) => this.#stopped || this.submit({ type: "disconnected", clientId: id }),
      pushSettled: ({ connectionId, requestId, outcome }) => {
        const id = Number(requestId);
        // Naming and the connections number their pushes below, and what clients are asked lies above.
        if (id < this.#firstRequestId || id >= this.state.nextRequestId) return;
        const sent = this.state.notices.get(id);
        if (sent !== undefined && outcome === "acked") this.times.notified(clock.now() - sent.sentAt);
        this.submit({ type: "pushSettled", clientId: connectionId, requestId: id, outcome });
      },
    });
  }

  /** The parts that come to exist after configuration: the log in front of its state, and the store behind it. */
  attach(parts: {
    readonly durable: Pick<DurableLog<ConfigCommand, unknown>, "propose" | "readIndex" | "appliedIndex">;
    readonly store: ConfigStore;
  }): void {
    const { clock, log, retentionDays, responsibility } = this.#setup;
    this.#durable = parts.durable;
    this.#store = parts.store;
    this.machine.saved(parts.durable.appliedIndex);
    this.#imports
      .dropLeft()
      .catch((err: unknown) => log.warn({ err }, "items of an unfinished import could not be dropped"));
    this.#housekeeping = new Housekeeping({
      clock,
      log,
      store: parts.store,
      days: retentionDays,
      propose: this.propose,
      imports: this.#imports,
      responsibility,
    });
    this.#wake();
  }

  /** Nothing is told or cleaned from here on; calls on their way are answered, held polls with nothing. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#housekeeping?.stop();
    this.#polls.stop();
  }

  get store(): ConfigStore {
    if (this.#store === undefined) throw new RegistryError("starting", "the store of configurations is not open yet");
    return this.#store;
  }

  submit(event: Event): void {
    this.#feed(event);
  }

  listen(event: Omit<Extract<Event, { type: "listen" }>, "type">): readonly Changed[] {
    const differing = this.#feed({ type: "listen", ...event }).find((effect) => effect.type === "differing");
    return differing?.changed ?? [];
  }

  /** Whether a connection is there at this moment. */
  connected(clientId: string): boolean {
    return this.#setup.connections.get(clientId) !== undefined;
  }

  poll(event: Omit<Extract<Event, { type: "poll" }>, "type" | "id">, gone: AbortSignal): Promise<readonly Changed[]> {
    return this.#polls.wait(event, gone);
  }

  readonly propose: ProposeConfig = async (given, type) => {
    const command = withCapacity(this.state.options, given);
    if (this.#durable === undefined) throw new RegistryError("starting", "the durable log is not open yet");
    // Asked before it goes into the log: megabytes that change nothing need not be there.
    const broken = commandBroken(this.state.options, command);
    if (broken !== undefined) throw new RegistryError(broken.failure, broken.message);
    const refused = () => refuses(this.state, command);
    if (refused() !== undefined) await throwIfStillRefused(refused, this.#durable);
    const proposedAt = this.#now();
    const result = (await this.#durable.propose(command)) as ConfigResult;
    this.commits.observe((this.#now() - proposedAt) / 1000);
    if (result.type !== type) throw new Error(`${command.type} was answered with ${result.type} instead of ${type}`);
    return result as never;
  };

  async read(name: ConfigName, asking: Asking): Promise<Read> {
    const reading = await this.find(name, asking);
    if (reading.version === undefined) return { found: false, tagMissing: reading.tagMissing };
    const { version, gray, held } = reading;
    return { found: true, content: held.text, version, gray };
  }

  /** What `read` gives, at once if the content is in memory. */
  find(name: ConfigName, asking: Asking): Found | Missing | Promise<Found | Missing> {
    return this.reader.find(name, asking);
  }

  async publish(publish: Publish): Promise<Published> {
    const { name, fields, gray, terms, by } = publish;
    const startedAt = this.#now();
    if (publish.validate === true) {
      const problem = await this.#problemOf(publish);
      if (problem !== undefined) throw new RegistryError("invalidParameter", problem);
    }
    const content = await this.#sealing.seal(name, publish.content, publish.encryptedDataKey);
    const { id, revision, created } = await this.propose(
      { type: "publishConfig", name, ...(gray === undefined ? {} : { gray }), content, fields, terms, by },
      "published",
    );
    this.times.written(this.#now() - startedAt);
    return { id, md5: content.md5, revision, created };
  }

  async remove(name: ConfigName, by: Operator, gray?: string, expectedMd5?: string): Promise<boolean> {
    const startedAt = this.#now();
    const { removed } = await this.propose(
      {
        type: "removeConfigs",
        names: [name],
        ...(gray === undefined ? {} : { gray }),
        ...(expectedMd5 === undefined ? {} : { expectedMd5 }),
        by,
      },
      "removed",
    );
    this.times.written(this.#now() - startedAt);
    return removed.length > 0;
  }

  async removeByIds(ids: readonly number[], by: Operator): Promise<readonly ConfigName[]> {
    const removed: ConfigName[] = [];
    for (let from = 0; from < ids.length; from += IDS_AT_A_TIME) {
      const stored = await this.store.byIds(ids.slice(from, from + IDS_AT_A_TIME));
      // One that was removed meanwhile, and made again under another id, is not the one that was meant.
      const names = stored.flatMap(({ id, name }) => (findItem(this.state, name)?.id === id ? [name] : []));
      if (names.length === 0) continue;
      removed.push(...(await this.propose({ type: "removeConfigs", names, by }, "removed")).removed);
    }
    return removed;
  }

  rollback(nid: number, by: Operator, expectedMd5?: string): Promise<"published" | "removed"> {
    return rollback({ state: this.state, store: this.store, propose: this.propose }, nid, by, expectedMd5);
  }

  importAll(
    items: AsyncIterable<ImportItem> | Iterable<ImportItem>,
    policy: ImportPolicy,
    by: Operator,
  ): Promise<Imported> {
    return this.#imports.all(items, policy, by);
  }

  async dryRun(publish: Publish, peers: Peers): Promise<Reach> {
    const problem = await this.#problemOf(publish);
    const { state, store } = this;
    const here = { state, clientVersion: clientVersionIn(this.#setup.connections) };
    const reach = await reachOf({ here, store, sealing: this.#sealing }, publish, peers);
    return { valid: problem === undefined, problem, ...reach };
  }

  decrypted(name: ConfigName, content: string, encryptedDataKey: string): Promise<string> {
    return this.#sealing.open(name, content, encryptedDataKey);
  }

  namespaces(): readonly NamespaceInfo[] {
    return this.#namespaces.list();
  }

  createNamespace(id: string | undefined, name: string, description: string): Promise<string> {
    return this.#namespaces.create(id, name, description);
  }

  updateNamespace(id: string, name: string, description: string): Promise<void> {
    return this.#namespaces.update(id, name, description);
  }

  deleteNamespace(id: string, by: Operator, force: boolean): Promise<void> {
    return this.#namespaces.delete(id, by, force);
  }

  capacity(scope: CapacityScope): CapacityInfo {
    return capacityOf(this.state, scope);
  }

  async setCapacity(scope: CapacityScope, limits: CapacityLimits): Promise<void> {
    await this.propose({ type: "setCapacity", scope, ...limits }, "done");
  }

  /** What is wrong with a content of its type: as the publish says, else as it is stored. */
  async #problemOf({ name, content, fields }: Publish): Promise<string | undefined> {
    const stored =
      fields.type === undefined || fields.schema === undefined ? (await this.store.config(name))?.fields : undefined;
    const type = fields.type ?? stored?.type ?? DEFAULT_CONFIG_TYPE;
    return this.#setup.checkContent(type, content, fields.schema ?? stored?.schema);
  }

  #now(): number {
    return this.#setup.clock.now();
  }

  /** @throws RegistryError when the core refuses the event. */
  #feed(event: Event): readonly Effect[] {
    const effects = step(this.state, event, this.#now());
    this.#perform(effects);
    for (const effect of effects) if (effect.type === "refuse") throw new RegistryError(effect.failure, effect.message);
    return effects;
  }

  #perform(effects: readonly Effect[]): void {
    if (this.#effects.add(effects)) this.#wake();
  }

  #failed(effect: Effect, err: unknown): void {
    this.#setup.log.error({ err, effect: effect.type }, "configuration failed to do what it had decided");
    if (!("requestId" in effect)) return;
    // Nobody will answer what was not sent.
    for (const clientId of receiversOf(effect))
      this.submit({ type: "pushSettled", clientId, requestId: effect.requestId, outcome: "refused" });
  }

  #do(effect: Effect): void {
    if (this.#stopped && "requestId" in effect) return;
    switch (effect.type) {
      case "refuse":
      case "differing":
      case "result":
      case "write":
      case "store":
      case "changed":
        // For whoever fed the event, who reads them from the list.
        return;
      case "notify":
      case "fuzzySync":
      case "fuzzyChange":
        return this.#setup.connections.push(pushOf(effect, this.state.options.notifyTimeoutMs));
      case "pollAnswer":
        return this.#polls.answer(effect.id, effect.changed);
    }
  }

  #wake(): void {
    if (this.#stopped) return;
    const at = nextWakeAt(this.state);
    if (at === undefined || (at >= this.#timerAt && this.#timer !== undefined)) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#setup.clock.schedule(Math.max(WAKE_MS_MIN, at - this.#now()), () => {
      this.#timer = undefined;
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#perform(step(this.state, { type: "tick" }, this.#now()));
    });
  }
}
