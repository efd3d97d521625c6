import type { Command, InstanceInput, Override, ServiceMetadata } from "@nacre/core/naming";
import { clusterOf, type ServiceName, serviceKey } from "@nacre/protocol";

/** What consumers may see of an instance, in the model. */
export interface ModelInstance {
  readonly ip: string;
  readonly port: number;
  readonly cluster: string;
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  readonly ephemeral: boolean;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Published {
  readonly client: string;
  readonly service: string;
  readonly key: string;
  instance: ModelInstance;
}

const HEARTBEAT_MS = 5_000;
const TIMEOUT_MS = 15_000;
const DELETE_MS = 30_000;
const ENDED_GRACE_MS = 15_000;
/** Naming looks at heartbeats in steps of this, so that one may be judged up to a step late. */
const SLOT_MS = 250;

/**
 * Naming written a second time, slow and plain: flat lists, and everything that is asked is worked out from scratch.
 * It knows nothing of pushes, revisions and counts; those are what it is there to check.
 */
export class NamingModel {
  readonly connections = new Set<string>();
  /** When each client came, on the clock of its owner. */
  readonly createdAt = new Map<string, number>();
  published: Published[] = [];
  readonly beats = new Map<string, number>();
  /** Clients that other members own, and how they are shown. */
  readonly copies = new Map<string, "asPublished" | "unconfirmed" | "unhealthy">();
  /** Address clients whose heartbeats are expected elsewhere than their owner says. */
  readonly beatsAt = new Map<string, "here" | "elsewhere">();
  /** Clients whose connection ended because of a pause, and until when they are kept. */
  readonly ended = new Map<string, number>();
  readonly #wereCovered = new Set<string>();
  readonly metadata = new Map<string, ServiceMetadata>();
  readonly overrides = new Map<string, Override>();
  readonly instancesMax: number;

  constructor(instancesMax: number) {
    this.instancesMax = instancesMax;
  }

  /** Whether a client of this kind may publish these; the reasons in the order of the wire do not matter here. */
  mayPublish(client: string, service: ServiceName, instances: readonly InstanceInput[], ephemeral: boolean): boolean {
    const key = serviceKey(service);
    const kind =
      this.metadata.get(key)?.ephemeral ?? this.published.find((one) => one.service === key)?.instance.ephemeral;
    if (kind !== undefined && kind !== ephemeral) return false;
    if (instances.some(({ weight }) => weight < 0)) return false;
    const own = this.#own(client, key).length;
    return this.published.length - own + instances.length <= this.instancesMax;
  }

  publish(
    client: string,
    service: ServiceName,
    inputs: readonly InstanceInput[],
    ephemeral: boolean,
    now: number,
  ): void {
    const key = serviceKey(service);
    this.#came(client, now);
    this.#adopt(client, now);
    const wanted = new Map(inputs.map((input) => [keyOf(input), toInstance(input, ephemeral)]));
    for (const one of this.#own(client, key)) if (!wanted.has(one.key)) this.#takeBack(one);
    for (const [instanceKey, instance] of wanted) {
      const held = this.#own(client, key).find((one) => one.key === instanceKey);
      if (held !== undefined) held.instance = instance;
      else this.published.push({ client, service: key, key: instanceKey, instance });
    }
    this.beats.set(`${client} ${key}`, now);
    this.#forgetIdle();
  }

  withdraw(client: string, service: ServiceName, now: number): void {
    const own = this.#own(client, serviceKey(service));
    if (own.length > 0 && client.includes("#")) this.#adopt(client, now);
    if (!this.copies.has(client) && !this.ended.has(client)) for (const one of own) this.#takeBack(one);
    this.#forgetIdle();
  }

  /** @param newer  whether this is another version than the one that is held. */
  copy(
    client: string,
    createdAt: number,
    publications: readonly (readonly [ServiceName, readonly InstanceInput[]])[],
    newer: boolean,
    now: number,
  ): void {
    if (this.#isOpen(client)) return;
    const dropsOlder = newer && !client.includes("#");
    if (!this.copies.has(client)) this.copies.set(client, "asPublished");
    if (this.beatsAt.get(client) === "elsewhere") this.beatsAt.delete(client);
    this.createdAt.set(client, createdAt);
    const keys = publications.map(([service]) => serviceKey(service));
    for (const one of this.published.filter((held) => held.client === client && !keys.includes(held.service)))
      this.#drop(one, dropsOlder);
    for (const [service, inputs] of publications) {
      const key = serviceKey(service);
      const persistent =
        this.metadata.get(key)?.ephemeral ?? this.published.find((one) => one.service === key)?.instance.ephemeral;
      const room = this.instancesMax - this.published.length + this.#own(client, key).length;
      const wanted = new Map<string, ModelInstance>();
      if (persistent !== false)
        for (const input of inputs)
          if (wanted.size < room || wanted.has(keyOf(input))) wanted.set(keyOf(input), toInstance(input, true));
      for (const one of this.#own(client, key)) if (!wanted.has(one.key)) this.#drop(one, dropsOlder);
      for (const [at, instance] of wanted) {
        const held = this.#own(client, key).find((one) => one.key === at);
        if (held !== undefined) held.instance = instance;
        else this.published.push({ client, service: key, key: at, instance });
      }
      if (newer || !this.beats.has(`${client} ${key}`)) this.beats.set(`${client} ${key}`, now);
    }
    this.#forgetIdle();
  }

  forget(client: string, asked: boolean): void {
    if (this.#isOpen(client)) return;
    for (const one of this.published.filter((held) => held.client === client)) this.#drop(one, asked);
    this.#forgetIdle();
  }

  mark(client: string, as: "asPublished" | "unconfirmed" | "unhealthy"): void {
    if (this.copies.has(client)) this.copies.set(client, as);
  }

  takeOver(client: string, now: number): void {
    const held = this.published.filter((one) => one.client === client);
    if (held.length === 0) return;
    if (!this.copies.has(client)) this.beatsAt.delete(client);
    else if (this.beatsAt.get(client) !== "here") {
      this.beatsAt.set(client, "here");
      for (const { service } of held) this.beats.set(`${client} ${service}`, now);
    }
  }

  handOver(client: string): void {
    if (!this.published.some((one) => one.client === client)) return;
    if (this.copies.has(client)) this.beatsAt.delete(client);
    else this.beatsAt.set(client, "elsewhere");
  }

  /** Whether newer clients publish all of what this one does. */
  isCovered(client: string): boolean {
    return this.published
      .filter((one) => one.client === client)
      .every((one) =>
        this.published.some(
          (other) => other.service === one.service && other.key === one.key && this.#age(other) > this.#age(one),
        ),
      );
  }

  connect(client: string, now: number): void {
    if (this.connections.has(client)) return;
    this.connections.add(client);
    this.#wereCovered.delete(client);
    if (!this.ended.delete(client)) this.createdAt.set(client, now);
  }

  /** @param now  undefined when no pause was near. */
  disconnect(client: string, now: number | undefined): void {
    if (!this.connections.delete(client) || this.copies.has(client)) return;
    if (now === undefined) this.published = this.published.filter((one) => one.client !== client);
    else this.ended.set(client, now + ENDED_GRACE_MS);
  }

  /** Those go whose grace is over, and may go earlier when newer clients published all of it. */
  endGrace(now: number, isKept: (client: string) => boolean): void {
    for (const [client, until] of this.ended) {
      if (this.isCovered(client)) this.#wereCovered.add(client);
      if (until > now && (isKept(client) || !this.#wereCovered.has(client))) continue;
      this.ended.delete(client);
      this.#wereCovered.delete(client);
      this.published = this.published.filter((one) => one.client !== client);
    }
  }

  /** @returns whether the client publishes something there. */
  beat(client: string, service: ServiceName, now: number): boolean {
    const own = this.#own(client, serviceKey(service));
    if (own.length > 0) this.#adopt(client, now);
    for (const one of own) one.instance = { ...one.instance, healthy: true };
    this.beats.set(`${client} ${serviceKey(service)}`, now);
    return own.length > 0;
  }

  /** What silence does to address clients; `now` is a multiple of 250. */
  judge(now: number, heldUntil: number): void {
    if (now < heldUntil) return;
    for (const one of [...this.published]) {
      const at = this.beatsAt.get(one.client) ?? (this.copies.has(one.client) ? "elsewhere" : "here");
      if (!one.client.endsWith("#true") || at === "elsewhere") continue;
      const { timeoutMs, deleteMs } = this.#times(one);
      const over = (ms: number, of = one) =>
        Math.ceil(((this.beats.get(`${of.client} ${of.service}`) ?? assertNever()) + ms) / SLOT_MS) * SLOT_MS <= now;
      if (this.copies.has(one.client)) {
        const all = this.published.filter(({ client }) => client === one.client);
        if (all.every((other) => over(this.#times(other).deleteMs, other)))
          this.published = this.published.filter((other) => !all.includes(other));
        continue;
      }
      if (over(timeoutMs)) one.instance = { ...one.instance, healthy: false };
      if (over(deleteMs)) this.published = this.published.filter((other) => other !== one);
    }
    this.#forgetIdle();
  }

  setHealth(service: ServiceName, key: string, healthy: boolean): void {
    for (const one of this.published)
      if (one.service === serviceKey(service) && one.key === key && !one.instance.ephemeral)
        one.instance = { ...one.instance, healthy };
  }

  /** Whether a command is let into the log. */
  mayPropose(command: Command): boolean {
    if (command.type === "registerPersistent") {
      const { service: name, instance: input } = command;
      return this.mayPublish(`${input.ip}:${input.port}#false`, name, [input], false);
    }
    const key = "service" in command ? serviceKey(command.service) : "";
    if (command.type === "createService") return !this.listed().includes(key);
    if (command.type === "updateService") return this.listed().includes(key);
    if (command.type === "deleteService") return this.listed().includes(key) && this.shown(key).keys.length === 0;
    return true;
  }

  apply(command: Command, now: number): void {
    switch (command.type) {
      case "registerPersistent": {
        const { service: name, instance: input } = command;
        return this.publish(`${input.ip}:${input.port}#false`, name, [input], false, now);
      }
      case "deregisterPersistent":
        return this.withdraw(`${command.ip}:${command.port}#false`, command.service, now);
      case "setHealth":
        for (const { service: name, instance: key, healthy } of command.changes) this.setHealth(name, key, healthy);
        return;
      case "createService":
      case "updateService": {
        const key = serviceKey(command.service);
        const kind = this.published.find((one) => one.service === key)?.instance.ephemeral ?? true;
        const ephemeral =
          command.type === "createService" ? command.ephemeral : (this.metadata.get(key)?.ephemeral ?? kind);
        this.metadata.set(key, { ...command.edit, ephemeral, clusters: {} });
        return;
      }
      case "deleteService": {
        const key = serviceKey(command.service);
        this.metadata.delete(key);
        for (const at of [...this.overrides.keys()]) if (at.startsWith(`${key} `)) this.overrides.delete(at);
        return;
      }
      case "setOverrides":
        for (const at of command.instances) {
          const key = `${serviceKey(command.service)} ${at}`;
          if (command.edit.how === "replace") this.overrides.set(key, command.edit.override);
          else this.overrides.delete(key);
        }
    }
  }

  listed(): string[] {
    return [...new Set([...this.published.map(({ service }) => service), ...this.metadata.keys()])].sort();
  }

  /** Everything of a service that operators see, as sorted texts and keys; or what its clients publish. */
  shown(service: string, overridden = true): { shown: string[]; keys: string[] } {
    const top = this.#top(service, overridden);
    return {
      shown: top.map(textOf).sort(),
      keys: top.map(({ ip, port, cluster }) => `${ip}:${port}:${cluster}`),
    };
  }

  seen(service: string, clusters: string, healthyOnly: boolean): { texts: string[]; protects: boolean } {
    const wanted = clusters === "" ? undefined : clusters.split(",");
    let list = this.#top(service).filter(({ enabled, cluster }) => enabled && (wanted?.includes(cluster) ?? true));
    const threshold = this.metadata.get(service)?.protectThreshold ?? 0;
    const healthy = list.filter((one) => one.healthy).length;
    const protects = list.length > 0 && threshold > 0 && healthy / list.length <= threshold;
    if (protects) list = list.map((one) => ({ ...one, healthy: true }));
    else if (healthyOnly) list = list.filter((one) => one.healthy);
    return { texts: list.map(textOf).sort(), protects };
  }

  #isOpen(client: string): boolean {
    return this.connections.has(client) || this.ended.has(client);
  }

  /** A client begins with its connection, or with the first that it publishes. */
  #came(client: string, at: number): void {
    if (!this.connections.has(client) && !this.published.some((one) => one.client === client))
      this.createdAt.set(client, at);
  }

  #own(client: string, service: string): Published[] {
    return this.published.filter((one) => one.client === client && one.service === service);
  }

  #newest(one: Published): boolean {
    return !this.published.some(
      (other) => other.service === one.service && other.key === one.key && this.#over(other, one),
    );
  }

  /** Which of two instances of one key shows. */
  #over(one: Published, other: Published): boolean {
    const rank = ({ client }: Published): string => {
      const trusted = (this.copies.get(client) ?? "asPublished") === "asPublished";
      return client.endsWith("#false") ? "2" : trusted ? "1" : "0";
    };
    const [a, b] = [rank(one), rank(other)];
    return a > b || (a === b && this.#age(one) > this.#age(other));
  }

  /** Greater for what came later. */
  #age({ client }: Published): string {
    return `${String(this.createdAt.get(client) ?? assertNever()).padStart(20, "0")} ${client}`;
  }

  #takeBack(one: Published): void {
    const all = one.instance.ephemeral && this.#newest(one);
    this.published = this.published.filter(
      (other) => other !== one && !(all && other.service === one.service && other.key === one.key),
    );
  }

  #drop(one: Published, dropsOlder: boolean): void {
    if (dropsOlder) this.#takeBack(one);
    else this.published = this.published.filter((other) => other !== one);
  }

  /** A client that is heard here is owned here. */
  #adopt(client: string, now: number): void {
    this.beatsAt.delete(client);
    if (!this.copies.delete(client)) return;
    for (const { service } of this.published.filter((one) => one.client === client))
      this.beats.set(`${client} ${service}`, now);
  }

  #forgetIdle(): void {
    for (const table of [this.copies, this.beatsAt])
      for (const client of table.keys()) if (!this.published.some((one) => one.client === client)) table.delete(client);
  }

  #top(service: string, overridden = true): ModelInstance[] {
    const newest = new Map<string, Published>();
    for (const one of this.published) if (one.service === service && this.#newest(one)) newest.set(one.key, one);
    return [...newest.values()].map(({ key, instance, client }) => {
      const over = overridden ? this.overrides.get(`${service} ${key}`) : undefined;
      return {
        ...instance,
        healthy: instance.healthy && this.copies.get(client) !== "unhealthy",
        weight: over?.weight ?? instance.weight,
        enabled: over?.enabled ?? instance.enabled,
        metadata: { ...instance.metadata, ...over?.metadata },
      };
    });
  }

  #times({ service, key, instance }: Published): { timeoutMs: number; deleteMs: number } {
    const metadata = { ...instance.metadata, ...this.overrides.get(`${service} ${key}`)?.metadata };
    return {
      timeoutMs: Number(metadata["preserved.heart.beat.timeout"] ?? TIMEOUT_MS),
      deleteMs: Number(metadata["preserved.ip.delete.timeout"] ?? DELETE_MS),
    };
  }
}

/** Heartbeat times that an instance may ask for: every combination is legal. */
export const HEARTBEATS: readonly Readonly<Record<string, string>>[] = [
  {},
  { "preserved.heart.beat.timeout": String(HEARTBEAT_MS + 1000), "preserved.ip.delete.timeout": "9000" },
  { "preserved.heart.beat.timeout": "20000", "preserved.ip.delete.timeout": "7000" },
];

function keyOf(input: InstanceInput): string {
  return `${input.ip}:${input.port}:${clusterOf(input.clusterName)}`;
}

function toInstance(input: InstanceInput, ephemeral: boolean): ModelInstance {
  const { ip, port, weight, healthy, enabled, clusterName, metadata } = input;
  return { ip, port, weight, healthy, enabled, cluster: clusterOf(clusterName), ephemeral, metadata };
}

/** An instance as one line, for comparing lists without their order. */
export function textOf(instance: ModelInstance): string {
  const { ip, port, cluster, weight, healthy, enabled, ephemeral, metadata } = instance;
  const state = `${healthy ? "healthy" : "unhealthy"} ${enabled ? "on" : "off"} ${ephemeral ? "ephemeral" : "persistent"}`;
  return `${ip}:${port}:${cluster} ${weight} ${state} ${JSON.stringify(Object.entries(metadata).sort())}`;
}

function assertNever(): never {
  throw new Error("the model lost a moment that it should know");
}
