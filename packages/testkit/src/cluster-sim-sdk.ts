import { decodePayload, encodePayload, parseJsonObject } from "@nacre/protocol";
import { type SimHost, shownIn } from "./cluster-sim-machine.ts";
import { SDK_PORT } from "./cluster-sim-member.ts";
import type { Half, HalfListener, SimNet } from "./cluster-sim-net.ts";
import { type Machine, SimProcess } from "./cluster-sim-process.ts";
import type { SdkMessage } from "./cluster-sim-transport.ts";

const REDO_MS = 3000;
const REQUEST_MS = 3000;
const KEEP_ALIVE_MS = 5000;
const RETRY_MS = 100;
const RETRY_MAX_MS = 5000;

export interface SimInstance {
  /** `ip:port`. */
  readonly address: string;
  readonly zone: string;
}

/** What the last view of a service was, and who showed it. */
export interface SdkView {
  readonly lastRefTime: number;
  readonly shown: ReadonlyMap<string, boolean>;
  readonly text: string;
  /** On the connection that is used now. */
  readonly isCurrent: boolean;
}

/** What a client says of one service, and whether the member that it is connected to has said yes. */
interface Wanted {
  readonly instances: readonly SimInstance[];
  acked: boolean;
  changedAt: number;
}

type Answer = Record<string, unknown> & { readonly errorCode?: number };

/** One connection, from the dial to its end. */
interface Connection {
  readonly half: Half;
  readonly ip: string;
  readonly pending: Map<number, (answer: Answer | undefined) => void>;
  /** `lastRefTime` of what was taken last, by service. */
  readonly seen: Map<string, number>;
  isReady: boolean;
  openedAt: number;
}

/** A process with an SDK: publishes, subscribes, says it again every 3 s as far as it was not confirmed, and moves on. */
export class SimSdk {
  readonly name: string;
  readonly host: SimHost;
  readonly process: SimProcess;
  readonly wanted = new Map<string, Wanted>();
  readonly subscribed = new Map<string, boolean>();
  readonly views = new Map<string, SdkView>();
  /** It left the member by itself, and nobody has confirmed anew what it publishes. */
  readonly left = new Set<string>();
  /** When it did so last. */
  leftAt = Number.NEGATIVE_INFINITY;
  /** When it was last connected anew: its former member may hold what it said there. */
  movedAt = Number.NEGATIVE_INFINITY;
  #connection: Connection | undefined;
  #servers: () => readonly string[];
  #at = 0;
  #number = 0;
  #isConnecting = false;
  #connections = 0;
  /** The member told it to go elsewhere. */
  #isMoved = false;
  #tries = 0;

  constructor(host: SimHost, name: string, machine: Machine, servers: () => readonly string[]) {
    this.name = name;
    this.host = host;
    this.#servers = servers;
    this.process = new SimProcess(host.net.agenda, machine);
    this.#at = host.random.below(100);
    this.#connect();
    this.#redo();
    this.#keepAlive();
  }

  get net(): SimNet {
    return this.host.net;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** The address of the member that it is connected to over a connection that works. */
  get heldBy(): string | undefined {
    const { half, ip, isReady } = this.#connection ?? {};
    return isReady === true && half?.isWhole === true ? ip : undefined;
  }

  /** Publishes these instances of the service in place of what was published; several as a batch. */
  publish(service: string, instances: readonly SimInstance[]): void {
    this.wanted.set(service, { instances, acked: false, changedAt: this.net.agenda.now });
    void this.#say(service);
  }

  /** @returns whether a member confirmed it. */
  async deregister(service: string): Promise<boolean> {
    const wanted = this.wanted.get(service);
    this.wanted.delete(service);
    const connection = this.#connection;
    if (wanted === undefined || connection?.isReady !== true) return false;
    const [instance] = wanted.instances;
    const fields = { type: "deregisterInstance", instance: instance && wireOf(instance) };
    const answer = await this.#ask(connection, "InstanceRequest", { ...named(service), ...fields });
    return answer?.resultCode === 200;
  }

  subscribe(service: string): void {
    this.subscribed.set(service, false);
    void this.#listen(service);
  }

  /** Goes to another member, as an application does that makes a new client: the old connection ends after the new one stands. */
  move(ip?: string): void {
    this.#isMoved = false;
    this.#switch(ip);
  }

  /** The process ends: its machine says so, or nobody does. */
  die(power: "on" | "off"): void {
    this.host.log(`${this.name} dies${power === "off" ? " with its machine" : ""}`);
    this.process.end(power);
  }

  #connect(ip?: string): void {
    if (this.#isConnecting) return;
    this.#isConnecting = true;
    const servers = this.#servers();
    const to = ip !== undefined && servers.includes(ip) ? ip : servers[this.#at++ % servers.length];
    const again = (): void => {
      this.#isConnecting = false;
      this.#tries++;
      this.process.schedule(Math.min(RETRY_MAX_MS, RETRY_MS * this.#tries), () => this.#connect());
    };
    if (to === undefined) return again();
    this.net.dial(this.process, to, SDK_PORT, REQUEST_MS, {
      failed: again,
      connected: (half) => {
        const connection: Connection = {
          half,
          ip: to,
          pending: new Map(),
          seen: new Map(),
          isReady: false,
          openedAt: this.net.agenda.now,
        };
        void this.#setUp(connection, again);
        return this.#listenerOf(connection);
      },
    });
  }

  async #setUp(connection: Connection, again: () => void): Promise<void> {
    const checked = await this.#ask(connection, "ServerCheckRequest", {});
    if (checked?.resultCode !== 200) {
      connection.half.destroy();
      return again();
    }
    this.#write(connection, "ConnectionSetupRequest", {
      clientVersion: "Nacos-Java-Client:v2.3.2",
      tenant: "",
      labels: { source: "sdk", module: "naming", AppName: this.name },
      abilityTable: {},
    });
    await this.process.sleep(100);
    if (connection.half.isClosed) return again();
    const before = this.#connection;
    if (before !== undefined && !this.#isMoved) this.#hasLeft();
    this.#isMoved = false;
    this.#isConnecting = false;
    this.#tries = 0;
    connection.isReady = true;
    this.#connection = connection;
    if (this.#connections++ > 0) this.movedAt = this.net.agenda.now;
    this.host.log(`${this.name} is connected to ${connection.ip}`);
    for (const wanted of this.wanted.values()) wanted.acked = false;
    for (const service of this.subscribed.keys()) this.subscribed.set(service, false);
    for (const [service, view] of this.views) this.views.set(service, { ...view, isCurrent: false });
    before?.half.end();
  }

  #listenerOf(connection: Connection): HalfListener {
    return {
      received: (data) => {
        const message = data as SdkMessage;
        const { type, body } = decodePayload(message.payload);
        if (message.type !== "answer") return this.#pushed(connection, type, parseJsonObject(body, type));
        const taken = connection.pending.get(message.number);
        connection.pending.delete(message.number);
        taken?.(parseJsonObject(body, type) as Answer);
      },
      ended: (reason) => {
        for (const fail of connection.pending.values()) fail(undefined);
        connection.pending.clear();
        if (this.#connection !== connection) return;
        this.host.log(`${this.name} loses ${connection.ip}: ${reason}`);
        this.#connection = undefined;
        for (const wanted of this.wanted.values()) wanted.acked = false;
        this.#connect();
      },
    };
  }

  #pushed(connection: Connection, type: string, body: Record<string, unknown>): void {
    const { requestId } = body;
    const acknowledge = (as: string): void => this.#write(connection, as, { requestId, resultCode: 200 });
    if (type === "NotifySubscriberRequest") {
      this.#take(connection, body.serviceInfo as ServiceInfo, true);
      acknowledge("NotifySubscriberResponse");
    } else if (type === "ClientDetectionRequest") acknowledge("ClientDetectionResponse");
    else if (type === "ConnectResetRequest") {
      acknowledge("ConnectResetResponse");
      if (connection !== this.#connection) return;
      this.#isMoved = true;
      this.#switch(body.serverIp as string | undefined);
    }
  }

  #take(connection: Connection, info: ServiceInfo, isPush: boolean): void {
    const service = info.name;
    const { lastRefTime, hosts } = info;
    const before = connection.seen.get(service) ?? 0;
    if (lastRefTime < before) {
      // A call's answer may be overtaken by a push; pushes come in order.
      if (isPush) this.host.fail(`AP-13: ${this.name} is pushed ${service} of ${lastRefTime} after ${before}`);
      return;
    }
    connection.seen.set(service, lastRefTime);
    if (connection !== this.#connection) return;
    const shown = shownIn(hosts, this.host, this.name);
    this.views.set(service, { lastRefTime, shown, text: JSON.stringify(hosts), isCurrent: true });
  }

  #switch(ip: string | undefined): void {
    if (this.#isConnecting) return;
    const servers = this.#servers();
    if (servers[this.#at % servers.length] === this.#connection?.ip) this.#at++;
    this.#connect(ip);
  }

  #redo(): void {
    this.process.schedule(REDO_MS, () => {
      for (const [service, { acked }] of this.wanted) if (!acked) void this.#say(service);
      for (const [service, isConfirmed] of this.subscribed) if (!isConfirmed) void this.#listen(service);
      this.#redo();
    });
  }

  #keepAlive(): void {
    this.process.schedule(KEEP_ALIVE_MS, async () => {
      const connection = this.#connection;
      this.#keepAlive();
      if (connection !== undefined) await this.#ask(connection, "HealthCheckRequest", {});
    });
  }

  async #say(service: string): Promise<void> {
    const wanted = this.wanted.get(service);
    const connection = this.#connection;
    if (wanted === undefined || connection?.isReady !== true) return;
    const [first, ...more] = wanted.instances;
    if (first === undefined) return;
    const [type, fields] =
      more.length === 0
        ? ["InstanceRequest", { type: "registerInstance", instance: wireOf(first) }]
        : ["BatchInstanceRequest", { type: "batchRegisterInstance", instances: wanted.instances.map(wireOf) }];
    const answer = await this.#ask(connection, type as string, { ...named(service), ...(fields as object) });
    if (connection !== this.#connection || answer?.resultCode !== 200) return;
    wanted.acked = true;
    this.left.delete(service);
  }

  async #listen(service: string): Promise<void> {
    const connection = this.#connection;
    if (connection?.isReady !== true) return;
    const fields = { ...named(service), subscribe: true, clusters: "" };
    const answer = await this.#ask(connection, "SubscribeServiceRequest", fields);
    if (connection !== this.#connection || answer?.resultCode !== 200) return;
    this.subscribed.set(service, true);
    this.#take(connection, answer.serviceInfo as ServiceInfo, false);
  }

  /** Undefined: no answer in time, or the connection ended. Whoever does not answer is left. */
  #ask(connection: Connection, type: string, fields: object): Promise<Answer | undefined> {
    const { promise, resolve } = Promise.withResolvers<Answer | undefined>();
    const number = this.#number++;
    connection.pending.set(number, resolve);
    this.process.schedule(REQUEST_MS, () => {
      if (!connection.pending.delete(number)) return;
      resolve(undefined);
      this.#leave(connection);
    });
    const payload = payloadOf(type, fields);
    const message: SdkMessage = { type: "call", number, payload };
    connection.half.send(message, payload.length);
    return promise.then((answer) => {
      if (answer === undefined || answer.resultCode === 200) return answer;
      this.host.log(`${this.name}: ${type} is answered ${JSON.stringify(answer).slice(0, 200)}`);
      // Not ready, or the connection was given up meanwhile: everything else should have been served.
      const isExpected = answer.errorCode === 300 || answer.errorCode === 301;
      if (!isExpected) this.host.fail(`AP-15: ${type} of ${this.name} is answered ${JSON.stringify(answer)}`);
      // The server does not know the connection: a new one is needed.
      if (answer.errorCode === 301) this.#leave(connection);
      return answer;
    });
  }

  #hasLeft(): void {
    this.leftAt = this.net.agenda.now;
    for (const service of this.wanted.keys()) this.left.add(service);
  }

  #leave(connection: Connection): void {
    if (connection === this.#connection) this.#hasLeft();
    connection.half.destroy();
  }

  #write(connection: Connection, type: string, fields: object): void {
    const payload = payloadOf(type, fields);
    const message: SdkMessage = { type: "stream", payload };
    connection.half.send(message, payload.length);
  }
}

interface ServiceInfo {
  readonly name: string;
  readonly lastRefTime: number;
  readonly hosts: readonly unknown[];
}

function payloadOf(type: string, fields: object): Uint8Array {
  return encodePayload({ type, clientIp: "10.9.0.1", body: Buffer.from(JSON.stringify(fields)) });
}

function named(service: string) {
  return { namespace: "public", groupName: "DEFAULT_GROUP", serviceName: service };
}

function wireOf({ address, zone }: SimInstance) {
  const [ip, port] = address.split(":");
  return { ip, port: Number(port), metadata: { zone }, ephemeral: true };
}
