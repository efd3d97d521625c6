import type { Target } from "@nacre/core/health";
import {
  beginReplacement,
  type ClientNews,
  type Command,
  type Effect,
  type Event,
  instanceKey,
  load,
  messageOf,
  type NamingOptions,
  type NamingState,
  newNaming,
  nextWakeAt,
  readRow,
  refuses,
  replacements,
  rowsOf,
  serviceInfoText,
  step,
  type View,
  type ViewQuery,
  viewOf,
} from "@nacre/core/naming";
import { encodeUtf8, namingPushes, RegistryError, type ServiceName, serviceNameOfKey } from "@nacre/protocol";
import type { Clock, Timer } from "../clock.ts";
import type { AddressEvent, BeatAnswer } from "../cluster/forwarding.ts";
import { textPayload } from "../connections/answers.ts";
import type { Connections, Log } from "../connections/connections.ts";
import { EffectQueue } from "../effect-queue.ts";
import { Latency } from "../metrics/latency.ts";
import { ALWAYS_RESPONSIBLE, type Responsibility } from "../responsibility.ts";
import type { Applied, DurableLog, Replacing, StateMachine } from "../storage/port.ts";
import { throwIfStillRefused } from "../storage/refused.ts";
import type { HealthChecks } from "./checkers/runner.ts";
import { PushTimes } from "./push-times.ts";
import type { UdpMessage, UdpPush } from "./udp.ts";

/** At least this often naming looks at its clock, so that a pause of the process is seen. */
const WAKE_MS_MAX = 500;
/** A wake-up that is due sooner waits for the end of the current turn of the event loop at least. */
const WAKE_MS_MIN = 1;
/** SDKs first connect, which takes that of Rust up to 10 s, and say again what they publish in rounds of 3 s; Python's take 30 s. */
const MOVE_MS = 15_000;
const SLOW_MOVE_MS = 33_000;
const SLOW_AGENT = "Nacos-Python-Client";
/** A message of more characters is kept as bytes: writing it to a socket must not copy so much every time. */
const TEXT_MAX = 16_384;

/** A message to a 1.x subscriber, with what the core wants to hear when it has ended. */
interface UdpNotice extends UdpMessage {
  readonly clientId: string;
  readonly requestId: number;
}

export interface NamingSetup {
  readonly clock: Clock;
  readonly log: Log;
  readonly connections: Connections;
  readonly options: Partial<NamingOptions>;
  /** Milliseconds that a subscriber has to acknowledge a push. */
  readonly pushTimeoutMs: number;
  /** Who owns what is published here, in which of its lives: versions of an earlier one are older. */
  readonly self: { readonly memberId: string; readonly incarnation: number };
}

/** The durable half of naming, for the log to drive. */
export interface NamingMachine extends Pick<StateMachine<Command, undefined>, "load" | "apply"> {
  replace(): NamingReplacing;
}

/** Another durable state on its way into a running core. */
export interface NamingReplacing extends Pick<Replacing, "row"> {
  /** Changes what differs, once all rows are known; to be done in slices. */
  change(): Generator<undefined, void>;
}

/** Of clients: what they publish, take back and beat. */
const WRITES: ReadonlySet<Event["type"]> = new Set([
  "publish",
  "withdraw",
  "publishAddress",
  "withdrawAddress",
  "beat",
]);

/** The shell of naming: feeds events to the core one at a time and performs the effects in order. */
export class Naming {
  readonly state: NamingState;
  /** How long changes took to reach subscribers, for the metrics. */
  readonly pushes = new PushTimes();
  /** From a proposal until it is durable and applied. */
  readonly commits = new Latency();
  readonly #setup: NamingSetup;
  #durable: Pick<DurableLog<Command, unknown>, "propose" | "readIndex"> | undefined;
  #udp: UdpPush | undefined;
  #responsibility: Responsibility = ALWAYS_RESPONSIBLE;
  #forward: ((event: AddressEvent) => Promise<BeatAnswer | undefined>) | undefined;
  #health: HealthChecks | undefined;
  #tellPeers: ((news: ClientNews) => void) | undefined;
  /** Effects for health checking from before it was there. */
  #tracked: Effect[] = [];
  readonly #effects = new EffectQueue<Effect>(
    (effect) => this.#do(effect),
    (effect, thrown) => this.#failed(effect, thrown),
  );
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #leaving = false;
  #stopped = false;

  constructor(setup: NamingSetup) {
    this.#setup = setup;
    this.state = newNaming(
      setup.options,
      setup.self.incarnation,
      setup.clock.wall() - setup.clock.now(),
      setup.self.memberId,
    );
    setup.connections.listen({
      unregistered: ({ id, phase, clientVersion }, cause) => {
        if (phase !== "leaving" || this.#leaving) return this.#disconnected(id, cause);
        // One that was sent to another member will be published there by its next round.
        const forMs = clientVersion.startsWith(SLOW_AGENT) ? SLOW_MOVE_MS : MOVE_MS;
        setup.clock.schedule(forMs, () => this.#disconnected(id, cause));
      },
      pushSettled: ({ connectionId, requestId, outcome }) => {
        // Configuration numbers its own from far above.
        if (Number(requestId) >= this.state.nextRequestId) return;
        const sent = this.state.fanOuts.get(Number(requestId));
        if (sent !== undefined && outcome === "acked") this.pushes.acked(this.#now() - sent.changedAt);
        this.submit({ type: "pushSettled", clientId: connectionId, requestId: Number(requestId), outcome });
      },
    });
  }

  #disconnected(clientId: string, cause: string): void {
    // A member that stops takes its clients' connections away; that is no reason to tell anybody that they are gone.
    if (this.#stopped) return;
    this.submit({ type: "disconnected", clientId, cause, ...(this.#leaving ? { leaving: true as const } : {}) });
  }

  readonly machine: NamingMachine = {
    load: (row) => this.#perform(load(this.state, row, this.#now())),
    apply: (entry): Applied<undefined> => {
      const effects = step(this.state, { type: "apply", ...entry }, this.#now());
      const rows = rowsOf(effects);
      const refused = effects.find((effect) => effect.type === "refuse");
      this.#perform(effects);
      return refused === undefined
        ? { ok: true, result: undefined, rows }
        : { ok: false, failure: refused.failure, message: refused.message, rows };
    },
    replace: () => {
      const { state } = this;
      const replacement = beginReplacement();
      const change = (): Generator<undefined, void> => this.#changeTo(replacements(state, replacement));
      return { row: (row) => readRow(state, replacement, row), change };
    },
  };

  *#changeTo(events: Iterable<Event | undefined>): Generator<undefined, void> {
    for (const event of events) {
      if (event !== undefined) this.submit(event);
      yield;
    }
  }

  /** The parts that come to exist after naming: the log in front of its state, and what acts on the network. */
  attach(parts: {
    durable: Pick<DurableLog<Command, unknown>, "propose" | "readIndex">;
    udp?: UdpPush;
    health?: HealthChecks;
    responsibility?: Responsibility;
    /** Where writes of address clients are made; at this member when absent. */
    forward?: (event: AddressEvent) => Promise<BeatAnswer | undefined>;
  }): void {
    this.#durable = parts.durable;
    this.#forward = parts.forward;
    this.#responsibility = parts.responsibility ?? ALWAYS_RESPONSIBLE;
    this.#udp = parts.udp;
    this.#health = parts.health;
    parts.udp?.onSettled(({ message, outcome }) => {
      const { clientId, requestId } = message as UdpNotice;
      // Packets are repeated by their carrier; whoever did not answer it polls, and is not sent the same again.
      this.submit({ type: "pushSettled", clientId, requestId, outcome: outcome === "acked" ? "acked" : "gone" });
    });
    for (const effect of this.#tracked.splice(0)) this.#do(effect);
    this.#wake();
  }

  /** Tells of all that is published here, and of every change of it from now on. Without it nothing is told. */
  share(tell: (news: ClientNews) => void): void {
    this.#tellPeers = tell;
    this.submit({ type: "tellPeers" });
  }

  /** Connections that end from here on go to another member: what they publish stays in the lists until it is there. */
  leave(): void {
    this.#leaving = true;
  }

  /** What changes now is told to no other member. */
  get isStopped(): boolean {
    return this.#stopped;
  }

  /** Nothing is pushed or judged from here on; calls that are still on their way are answered, and writes refused. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /**
   * Feeds one event.
   *
   * @throws RegistryError when the core refuses it; `unavailable` for a write of a client once this member has stopped.
   * @returns a heartbeat's answer.
   */
  submit(event: Event): BeatAnswer | undefined {
    if (this.#stopped && WRITES.has(event.type))
      throw new RegistryError(
        "unavailable",
        "this member stops, and would tell nobody of it: try again at another one",
      );
    const effects = step(this.state, event, this.#now());
    this.#perform(effects);
    for (const effect of effects) {
      if (effect.type === "refuse") throw new RegistryError(effect.failure, effect.message);
      if (effect.type === "beatAnswer") return effect;
    }
    return undefined;
  }

  /**
   * Feeds a write that belongs to the owner of its address: here, or at the member that owns it.
   *
   * @throws RegistryError when the core refuses it.
   */
  async submitAddress(event: AddressEvent): Promise<BeatAnswer | undefined> {
    return this.#forward === undefined ? this.submit(event) : this.#forward(event);
  }

  /** Changes durable state: answers when the change is durable and applied. @throws RegistryError. */
  async propose(command: Command): Promise<void> {
    if (this.#durable === undefined) throw new RegistryError("starting", "the durable log is not open yet");
    const refused = () => refuses(this.state, command);
    if (refused() !== undefined) await throwIfStillRefused(refused, this.#durable);
    const proposedAt = this.#now();
    await this.#durable.propose(command);
    this.commits.observe((this.#now() - proposedAt) / 1000);
  }

  /** The outcome of a health check, as it becomes durable. */
  setHealth(target: Target, healthy: boolean, reason: string): Promise<void> {
    const change = {
      service: serviceNameOfKey(target.service),
      instance: instanceKey(target),
      healthy,
      cause: "healthCheck",
      detail: reason,
    } as const;
    return this.propose({ type: "setHealth", changes: [change] });
  }

  /** What a consumer sees of a service, chosen and encoded once per revision and filter. */
  view(service: ServiceName, query: ViewQuery): View {
    return viewOf(this.state, service, query, this.#now());
  }

  /**
   * A complete answer of the gRPC wire around a service's content, encoded once for all who ask for the same.
   *
   * @param response  the type of the answer.
   * @param around  makes the message from the text of the `ServiceInfo`: one message for one type and one view.
   */
  encoded(
    service: ServiceName,
    query: ViewQuery,
    response: string,
    around: (serviceInfo: string) => string,
  ): Uint8Array {
    return this.#message(service, query, "grpc", response, (info) => textPayload(response, around(info)));
  }

  /**
   * The same for HTTP, which takes text. Bytes lie outside of the JavaScript heap, and V8 collects the whole heap for
   * every 64 MiB of them that have outlived a scavenge: only a long message is worth that.
   *
   * @param message  names the message: equal ones of one view share their bytes.
   */
  written(
    service: ServiceName,
    query: ViewQuery,
    form: "v1" | "v2",
    message: string,
    around: (serviceInfo: string) => string,
  ): Uint8Array | string {
    return this.#message(service, query, form, message, (info) => {
      const text = around(info);
      return text.length > TEXT_MAX ? encodeUtf8(text) : text;
    });
  }

  #message<M extends Uint8Array | string>(
    service: ServiceName,
    query: ViewQuery,
    form: "grpc" | "v1" | "v2",
    message: string,
    make: (serviceInfo: string) => M,
  ): M {
    const cacheMillis = this.state.switches.defaultPushCacheMillis;
    return messageOf(this.state, service, query, this.#now(), `${message}/${form}/${cacheMillis}`, (view) =>
      make(serviceInfoText(service, query.clusters, view, form, cacheMillis)),
    );
  }

  #now(): number {
    return this.#setup.clock.now();
  }

  #perform(effects: readonly Effect[]): void {
    if (this.#effects.add(effects)) this.#wake();
  }

  #failed(effect: Effect, err: unknown): void {
    this.#setup.log.error({ err, effect: effect.type }, "naming failed to do what it had decided");
    // Nobody will answer what was not sent, and a subscriber that is owed an answer is pushed nothing.
    for (const clientId of receiversOf(effect))
      if ("requestId" in effect)
        this.submit({ type: "pushSettled", clientId, requestId: effect.requestId, outcome: "refused" });
  }

  #do(effect: Effect): void {
    if (this.#stopped && "requestId" in effect) return;
    switch (effect.type) {
      case "refuse":
      case "beatAnswer":
      case "store":
        // For whoever fed the event: `submit` and `machine.apply` read them from the list.
        return;
      case "push":
        return this.#push(effect);
      case "pushUdp":
        return this.#pushUdp(effect);
      case "fuzzySync": {
        const { type: syncType, ...batch } = effect.sync;
        const fields = {
          contexts: [],
          totalBatch: 1,
          currentBatch: 1,
          ...batch,
          syncType,
          groupKeyPattern: effect.pattern,
        };
        return this.#notify("NamingFuzzyWatchSyncRequest", effect.requestId, [effect.to], fields);
      }
      case "fuzzyChange":
        return this.#notify("NamingFuzzyWatchChangeNotifyRequest", effect.requestId, effect.to, {
          syncType: "FUZZY_WATCH_RESOURCE_CHANGED",
          serviceKey: effect.service,
          changedType: effect.change,
        });
      case "propose":
        // The core comes back to it, in case that this member is responsible then.
        if (!this.#responsibility.isResponsible()) return;
        this.propose(effect.command).catch((err: unknown) => {
          this.#setup.log.warn({ err, command: effect.command.type }, "a durable change of naming's own failed");
        });
        return;
      case "track":
      case "untrack":
      case "healthChanged":
        // Before health checking is there, at start, its news are kept for it.
        if (this.#health === undefined) this.#tracked.push(effect);
        else this.#health.send(effect.type === "track" ? { ...effect, random: Math.random() } : effect);
        return;
      case "healthParams":
        if (this.#health === undefined) this.#tracked.push(effect);
        else this.#health.send({ type: "paramsChanged", params: effect.params });
        return;
      case "clientChanged":
      case "clientRemoved":
      case "clientSuperseded":
      case "copyDiffers":
        this.#tellPeers?.(effect);
    }
  }

  #push(effect: Extract<Effect, { type: "push" }>): void {
    const service = this.state.services.get(effect.service)?.name;
    if (service === undefined) return;
    const { clusters, consumerIp, requestId } = effect;
    const view = this.view(service, { clusters, healthyOnly: false, consumerIp });
    const cacheMillis = this.state.switches.defaultPushCacheMillis;
    const info = serviceInfoText(service, clusters, view, "grpc", cacheMillis);
    const names = `"namespace":${JSON.stringify(service.namespace)},"serviceName":${JSON.stringify(service.name)},"groupName":${JSON.stringify(service.group)}`;
    const text = `{"headers":{},"requestId":"${requestId}","module":"naming",${names},"serviceInfo":${info}}`;
    this.#send("NotifySubscriberRequest", requestId, effect.to, encodeUtf8(text));
    this.pushes.sent(this.#now() - effect.changedAt);
  }

  #pushUdp(effect: Extract<Effect, { type: "pushUdp" }>): void {
    const service = this.state.services.get(effect.service)?.name;
    if (service === undefined) return;
    const { clientId, ip, port } = effect.to;
    // Without a UDP port nobody answers: the push has ended.
    if (this.#udp === undefined)
      return void this.submit({ type: "pushSettled", clientId, requestId: effect.requestId, outcome: "gone" });
    const view = this.view(service, { clusters: effect.clusters, healthyOnly: false, consumerIp: ip });
    const cacheMillis = this.state.switches.defaultPushCacheMillis;
    const body = serviceInfoText(service, effect.clusters, view, "v1", cacheMillis);
    const notice: UdpNotice = { ip, port, body, topic: effect.service, clientId, requestId: effect.requestId };
    this.#udp.send(notice);
  }

  #notify(
    type: keyof typeof namingPushes,
    requestId: number,
    to: readonly string[],
    fields: Record<string, unknown>,
  ): void {
    const body = { headers: {}, requestId: String(requestId), module: "naming", ...fields };
    this.#send(type, requestId, to, encodeUtf8(JSON.stringify(body)));
  }

  #send(type: keyof typeof namingPushes, requestId: number, to: readonly string[], body: Uint8Array): void {
    const { connections, pushTimeoutMs } = this.#setup;
    connections.push({
      to,
      requestId: String(requestId),
      type,
      body,
      expects: namingPushes[type],
      timeoutMs: pushTimeoutMs,
    });
  }

  #wake(): void {
    if (this.#stopped) return;
    const now = this.#now();
    const at = Math.min(nextWakeAt(this.state) ?? Number.POSITIVE_INFINITY, now + WAKE_MS_MAX);
    if (at >= this.#timerAt && this.#timer !== undefined) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#setup.clock.schedule(Math.max(WAKE_MS_MIN, at - now), () => {
      this.#timer = undefined;
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#perform(step(this.state, { type: "tick", wallAt: this.#setup.clock.wall() }, this.#now()));
    });
  }
}

function receiversOf(effect: Effect): readonly string[] {
  switch (effect.type) {
    case "push":
    case "fuzzyChange":
      return effect.to;
    case "fuzzySync":
      return [effect.to];
    case "pushUdp":
      return [effect.to.clientId];
    default:
      return [];
  }
}
