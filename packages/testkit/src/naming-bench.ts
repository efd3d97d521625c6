import type { Contents } from "@nacre/core/distro";
import {
  beginReplacement,
  type Caller,
  type Command,
  type Effect,
  type Event,
  findService,
  type InstanceInput,
  load,
  type NamingOptions,
  type NamingState,
  newNaming,
  nextWakeAt,
  readRow,
  replacements,
  step,
  viewOf,
} from "@nacre/core/naming";
import { clusterOf, type ServiceName } from "@nacre/protocol";
import { assertNamingInvariants } from "./naming-invariants.ts";

/** Monotonic milliseconds at which a bench starts; they are anchored at the epoch, like a server's. */
export const NAMING_START = Date.UTC(2026, 0, 1);
/** The shell looks at its clock at least this often. */
const TICK_MS = 500;
/** Longer than any service pauses after a push. */
const QUIET_MS = 100;

export type Push = Extract<Effect, { type: "push" }>;

/** One host of a view as consumers read it. */
export interface Host {
  readonly ip: string;
  readonly port: number;
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  readonly clusterName: string;
  readonly metadata: Record<string, string>;
  readonly instanceId: string;
  readonly [field: string]: unknown;
}

/** Naming with a clock moved by hand; every step checks the invariants that can be checked on a state. */
export class NamingBench {
  readonly state: NamingState;
  now = NAMING_START;
  #logIndex = 0;

  constructor(options: Partial<NamingOptions> = {}) {
    this.state = newNaming(options, 1, 0, "here");
  }

  send(event: Event): Effect[] {
    const effects = step(this.state, event, this.now);
    assertNamingInvariants(this.state);
    return effects;
  }

  load(kind: string, key: string, value: string): Effect[] {
    return load(this.state, { kind, key, value }, this.now);
  }

  tick(): Effect[] {
    return this.send({ type: "tick", wallAt: this.now });
  }

  /** Lets time go on as a server would: a tick when naming wants one, and twice a second. */
  forward(ms: number): Effect[] {
    const end = this.now + ms;
    const effects: Effect[] = [];
    while (this.now < end) {
      const wake = Math.max(nextWakeAt(this.state) ?? Number.POSITIVE_INFINITY, this.now + 1);
      this.now = Math.min(end, wake, this.now + TICK_MS);
      effects.push(...this.tick());
    }
    return effects;
  }

  /** The process stands still, then looks at its clock again. */
  pause(ms: number): Effect[] {
    this.now += ms;
    return this.tick();
  }

  /** One after the other, so that it can be told which is the newest. */
  connect(...clientIds: string[]): void {
    for (const clientId of clientIds) {
      this.now++;
      this.send({ type: "connected", clientId, ip: "10.9.0.1", port: 1, caller: CALLER });
    }
  }

  disconnect(clientId: string): Effect[] {
    return this.send({ type: "disconnected", clientId, cause: "connection reset" });
  }

  publish(clientId: string, service: ServiceName, ...instances: InstanceInput[]): Effect[] {
    return this.send({ type: "publish", clientId, service, instances, caller: CALLER });
  }

  withdraw(clientId: string, service: ServiceName, instance?: InstanceInput): Effect[] {
    return this.send({ type: "withdraw", clientId, service, ...(instance && { instance }), caller: CALLER });
  }

  publishAddress(service: ServiceName, instance: InstanceInput): Effect[] {
    return this.send({ type: "publishAddress", service, instance, caller: CALLER });
  }

  withdrawAddress(service: ServiceName, { ip, port }: { ip: string; port: number }): Effect[] {
    return this.send({ type: "withdrawAddress", service, ip, port, caller: CALLER });
  }

  beat(service: ServiceName, { ip, port }: { ip: string; port: number }, instance?: InstanceInput): Effect[] {
    return this.send({ type: "beat", service, ip, port, instance, caller: CALLER });
  }

  subscribe(clientId: string, service: ServiceName, clusters = ""): Effect[] {
    return this.send({ type: "subscribe", clientId, service, clusters, caller: CALLER });
  }

  /** Subscribes, acknowledges the first push, and lets the pause after it pass: the next change is pushed at once. */
  read(clientId: string, service: ServiceName, clusters = ""): void {
    this.ack(this.subscribe(clientId, service, clusters));
    this.forward(QUIET_MS);
  }

  settle(clientId: string, push: { requestId: number }, outcome: "acked" | "refused" | "timeout" | "busy" | "gone") {
    return this.send({ type: "pushSettled", clientId, requestId: push.requestId, outcome });
  }

  /** Acknowledges every push among the effects, for each of its receivers, and gives what followed from that. */
  ack(effects: readonly Effect[]): Effect[] {
    return pushesOf(effects).flatMap((push) => push.to.flatMap((clientId) => this.settle(clientId, push, "acked")));
  }

  /** From now on effects tell what peers have to know. */
  share(): Effect[] {
    return this.send({ type: "tellPeers" });
  }

  /** What `owner` publishes for a client that came to it at `createdAt`, an offset from the start. */
  copy(clientId: string, counter: number, published: Published, given: Partial<CopyOptions> = {}): Effect[] {
    const { owner = "there", incarnation = 1, createdAt = 0, slice } = given;
    const kind = clientId.endsWith("#true") ? "address" : "connection";
    const contents: Contents = {
      ip: "10.9.0.2",
      port: 2,
      app: "shop",
      agent: "Nacos-Go-Client:v2.3.5",
      createdAt: NAMING_START + createdAt,
      publications: published.map(([service, ...instances]) => ({
        service,
        instances: instances.map(({ clusterName, instanceId, ...rest }) => ({
          ...rest,
          cluster: clusterOf(clusterName),
          instanceId: instanceId === "" ? undefined : instanceId,
        })),
      })),
    };
    const version = { owner, incarnation, counter };
    return this.send({ type: "copy", clientId, kind, version, contents, ...(slice && { slice }) });
  }

  forget(
    clientId: string,
    cause: Extract<Event, { type: "forgetCopy" }>["cause"] = "removed",
    owner = "there",
  ): Effect[] {
    return this.send({ type: "forgetCopy", clientId, cause, owner });
  }

  mark(as: "unconfirmed" | "unhealthy" | "trusted", ...clientIds: string[]): Effect[] {
    return this.send({ type: "mark", clientIds, as });
  }

  apply(command: Command): Effect[] {
    return this.send({ type: "apply", index: ++this.#logIndex, at: this.now, command });
  }

  /** Another durable state in the place of the present one. */
  replace(rows: Iterable<{ kind: string; key: string; value: string }>, rowsPerStep?: number): Effect[] {
    const replacement = beginReplacement();
    for (const row of rows) readRow(this.state, replacement, row);
    const effects: Effect[] = [];
    for (const event of replacements(this.state, replacement, rowsPerStep))
      if (event !== undefined) effects.push(...this.send(event));
    return effects;
  }

  view(service: ServiceName, query: { clusters?: string; healthyOnly?: boolean; consumerIp?: string } = {}) {
    const { clusters = "", healthyOnly = false, consumerIp } = query;
    return viewOf(this.state, service, { clusters, healthyOnly, consumerIp }, this.now);
  }

  hosts(service: ServiceName, query: Parameters<NamingBench["view"]>[1] = {}): Host[] {
    return JSON.parse(this.view(service, query).hosts) as Host[];
  }

  /** `ip:port` of the hosts that consumers see. */
  addresses(service: ServiceName, query: Parameters<NamingBench["view"]>[1] = {}): string[] {
    return this.hosts(service, query).map(({ ip, port }) => `${ip}:${port}`);
  }

  revision(service: ServiceName): number {
    return findService(this.state, service)?.revision ?? -1;
  }

  /** Causes of the journal, oldest first, in short form. */
  causes(): string[] {
    return this.state.journal
      .find(() => true, 1000)
      .map(({ instance, what, cause }) => `${instance} ${what}: ${cause}`)
      .reverse();
  }
}

/** What a copy publishes, service by service. */
export type Published = readonly (readonly [ServiceName, ...InstanceInput[]])[];

export interface CopyOptions {
  readonly owner: string;
  readonly incarnation: number;
  readonly createdAt: number;
  readonly slice: NonNullable<Extract<Event, { type: "copy" }>["slice"]>;
}

/** What peers are told, in short form. */
export function newsOf(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => {
    switch (effect.type) {
      case "clientChanged":
        return [`changed ${effect.clientId} ${effect.counter}`];
      case "clientRemoved":
        return [`removed ${effect.clientId} ${effect.cause}`];
      case "clientSuperseded":
        return [`superseded ${effect.clientId}`];
      case "copyDiffers":
        return [`differs ${effect.clientId}`];
      default:
        return [];
    }
  });
}

export const CALLER: Caller = { ip: "10.9.0.1", app: "shop", agent: "Nacos-Go-Client:v2.3.5" };

export function service(name = "orders", group = "DEFAULT_GROUP", namespace = "public"): ServiceName {
  return { namespace, group, name };
}

/** `address` is `ip:port`. */
export function instance(address: string, given: Partial<InstanceInput> = {}): InstanceInput {
  const [ip = "", port = ""] = address.split(":");
  return {
    ip,
    port: Number(port),
    weight: 1,
    healthy: true,
    enabled: true,
    clusterName: "",
    metadata: {},
    instanceId: "",
    ...given,
  };
}

export function pushesOf(effects: readonly Effect[]): Push[] {
  return effects.filter((effect) => effect.type === "push");
}

/** Who is pushed, in order. */
export function pushedTo(effects: readonly Effect[]): string[] {
  return pushesOf(effects).flatMap(({ to }) => to);
}

/** The refusal among the effects as `failure: message`, or undefined. */
export function refusalOf(effects: readonly Effect[]): string | undefined {
  const refused = effects.find((effect) => effect.type === "refuse");
  return refused && `${refused.failure}: ${refused.message}`;
}
