import {
  type Connection,
  type ConnectionId,
  type ConnectionOptions,
  type ConnectionTable,
  type Effect,
  type Event,
  newConnectionTable,
  type PushOutcome,
  type Redirect,
  step,
} from "@nacre/core/connections";
import {
  acknowledgement,
  connectionSetup,
  decodePayload,
  encodePayload,
  type Payload,
  parseJsonObject,
} from "@nacre/protocol";
import type { Clock, Timer } from "../clock.ts";
import { EffectQueue } from "../effect-queue.ts";
import type { TransportConnection, TransportHandlers } from "../transport/grpc/transport.ts";
import { pushBody } from "./answers.ts";
import { Counters } from "./counters.ts";
import { Dispatch, type Port } from "./dispatch.ts";
import type { Feature, Filter } from "./handlers.ts";
import { internalFeature, type Load } from "./internal.ts";
import { Outbox } from "./outbox.ts";
import { WaitingCalls } from "./waiting-calls.ts";

/** How often the core looks at what is due. */
const TICK_MS = 200;
/** How long what is queued may take to leave when this server ends a connection. */
const CLOSE_GRACE_MS = 1000;
/** A setup is a name, a namespace and some labels, and is kept as long as the connection. */
const SETUP_BYTES_MAX = 64 * 1024;
/** Oddities of clients that are logged, once each; more kinds than this stay silent. */
const COMPLAINTS_MAX = 100;

/** One encoded request on its way to many connections. */
export interface Push {
  readonly to: readonly ConnectionId[];
  /**
   * Decimal text, the same as in the body; unique among the pushes of all features that are pending: each feature has a
   * range of its own, and those from `OWN_REQUEST_IDS_FROM` are the connections'.
   */
  readonly requestId: string;
  readonly type: string;
  /** The JSON of the request, encoded once for all. */
  readonly body: Uint8Array;
  /** The response type that acknowledges it. */
  readonly expects: string;
  readonly timeoutMs: number;
}

export interface Settled {
  readonly connectionId: ConnectionId;
  readonly requestId: string;
  readonly outcome: PushOutcome;
  /** Of a refusal. */
  readonly errorCode?: number;
  readonly message?: string;
}

/** What features hear. Calls come one at a time, never inside a call that the feature makes. */
export interface ConnectionListener {
  registered?(connection: Connection): void;
  unregistered?(connection: Connection, cause: string): void;
  /** Once for each connection of each push; never after `unregistered` of that connection. */
  pushSettled?(settled: Settled): void;
}

export interface Log {
  debug(details: object, text: string): void;
  info(details: object, text: string): void;
  warn(details: object, text: string): void;
  error(details: object, text: string): void;
}

export interface ConnectionsSetup {
  readonly clock: Clock;
  readonly log: Log;
  /** What this server can do, as `SetupAckRequest` says; what is false or absent makes SDKs fall back. */
  readonly abilities: Readonly<Record<string, boolean>>;
  /** This member's address as clients and members know it; `port` is the main port. */
  readonly address: { readonly ip: string; readonly port: number };
  /** As given to the transport: above this a connection counts as slow. */
  readonly queuedBytesMax: number;
  readonly options?: Partial<ConnectionOptions>;
  readonly filters?: readonly Filter[];
  readonly load?: () => Load;
}

/** The shell of the connection life cycle: between a transport, which carries bytes, and the features. */
export class Connections {
  readonly counters = new Counters();
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #setup: ConnectionsSetup;
  readonly #table: ConnectionTable;
  readonly #dispatch: Dispatch;
  readonly #waiting: WaitingCalls;
  readonly #outbox: Outbox;
  readonly #carried = new Map<ConnectionId, TransportConnection>();
  readonly #listeners: ConnectionListener[] = [];
  /** Effects not yet performed. A listener that pushes adds to the end, so effects keep the order of their events. */
  readonly #effects = new EffectQueue<Effect>(
    (effect) => this.#do(effect),
    ({ type }, err) => this.#log.error({ err, effect: type }, "the connections failed to do what they had decided"),
  );
  /** Payloads between the event of a push and its `send`. */
  readonly #payloads = new Map<string, Uint8Array>();
  readonly #complaints = new Set<string>();
  #timer: Timer | undefined;
  #empty: (() => void)[] = [];

  constructor(setup: ConnectionsSetup) {
    this.#setup = setup;
    this.#clock = setup.clock;
    this.#log = setup.log;
    this.#table = newConnectionTable(setup.options);
    this.#waiting = new WaitingCalls(setup.clock);
    this.#outbox = new Outbox(setup.clock, (id, payload) => this.#send(id, payload));
    this.#dispatch = new Dispatch({
      clock: setup.clock,
      counters: this.counters,
      filters: setup.filters ?? [],
      log: setup.log,
      registered: (id) => this.get(id),
      waitForSetup: (connection, goOn) =>
        connection.streaming && this.#carried.has(connection.id) && this.#waiting.add(connection.id, goOn),
      active: (id) => this.#feed({ type: "activity", id }),
    });
    this.serve(internalFeature(this, setup));
  }

  /** Adds the handlers of a feature. @throws Error when one of its types is served already. */
  serve(feature: Feature): void {
    this.#dispatch.serve(feature);
  }

  listen(listener: ConnectionListener): void {
    this.#listeners.push(listener);
  }

  /** What a transport on that port is to call. Both ports share one table of connections. */
  port(port: Port): TransportHandlers {
    return {
      opened: (connection) => this.#opened(connection),
      unary: (connection, payload) => this.#dispatch.call(port, connection, payload),
      streamOpened: () => {},
      streamMessage: (connection, payload) => this.#streamMessage(connection, payload),
      drained: ({ id }) => this.#feed({ type: "drained", id }),
      closed: ({ id }, cause) => this.#closed(id, cause),
    };
  }

  /** Begins to look at what is due. Calls are answered with 300 until `ready`. */
  start(): void {
    this.#timer ??= this.#clock.schedule(TICK_MS, () => {
      this.#timer = undefined;
      this.#feed({ type: "tick" });
      this.start();
    });
  }

  ready(): void {
    this.#dispatch.ready();
  }

  /** Calls are answered with 300 again, by which SDKs look for another member. */
  notReady(): void {
    this.#dispatch.notReady();
  }

  /**
   * Accepts nothing new, tells a tenth of the connections per second to go elsewhere, and ends what is left after
   * `withinMs`. @returns when no connection is registered any more.
   */
  drain(withinMs: number): Promise<void> {
    this.#feed({ type: "drain", withinMs });
    if (this.#table.byId.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#empty.push(resolve);
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** A registered connection. */
  get(id: ConnectionId): Connection | undefined {
    const held = this.#table.byId.get(id);
    return held === undefined || held.phase === "opened" ? undefined : held;
  }

  /** Registered connections, oldest first. Do not keep the iterator over an `await`. */
  *list(): Iterable<Connection> {
    for (const held of this.#table.byId.values()) if (held.phase !== "opened") yield held;
  }

  /** Registered connections, and those of them that are SDKs and not leaving. */
  get count(): { readonly all: number; readonly sdk: number } {
    return { all: this.#table.registered, sdk: this.#table.sdks };
  }

  /** Sends one request to many connections; each outcome reaches `pushSettled`, at the earliest after this returns. */
  push(push: Push): void {
    const { requestId, type, body, expects, to, timeoutMs } = push;
    const payload = encodePayload({ type, clientIp: this.#setup.address.ip, body });
    this.#payloads.set(requestId, payload);
    const effects = step(this.#table, { type: "push", requestId, expects, to, timeoutMs }, this.#clock.now());
    const sent = effects[0]?.type === "send" ? effects[0].to.length : 0;
    if (sent === 0) this.#payloads.delete(requestId);
    else this.counters.push(type, sent);
    this.#perform(effects);
  }

  /** Tells one connection to go elsewhere, and ends it after 3 s. @returns false when it is not registered. */
  reset(id: ConnectionId, redirect?: Redirect): boolean {
    if (this.get(id) === undefined) return false;
    this.#feed({ type: "reset", id, redirect });
    return true;
  }

  /**
   * Tells SDK connections to go elsewhere until `keep` remain, but at most `share` of them (0 to 1, default all), and none
   * that came less than `settledMs` ago.
   * @returns how many were told.
   */
  reload(keep: number, redirect?: Redirect, share = 1, settledMs = 0): number {
    const before = this.#table.sdks;
    this.#feed({ type: "reload", keep, share, redirect, settledMs });
    return before - this.#table.sdks;
  }

  #opened(connection: TransportConnection): boolean {
    const { id, remoteIp, remotePort, localPort } = connection;
    // Two ports may accept the same peer in the same millisecond.
    if (this.#table.byId.has(id)) return false;
    const event: Event = { type: "opened", id, remoteIp, remotePort, localPort };
    const [effect] = step(this.#table, event, this.#clock.now());
    if (effect?.type === "refuse") {
      this.counters.refused++;
      this.#complain(`refused: ${effect.reason}`, { remoteIp }, `a connection was refused: ${effect.reason}`);
      return false;
    }
    this.#carried.set(id, connection);
    return true;
  }

  #closed(id: ConnectionId, cause: string): void {
    this.#carried.delete(id);
    this.#feed({ type: "closed", id, cause });
    this.#waiting.release(id);
    this.#nowEmpty();
  }

  /** Nothing that a client writes on its stream may throw, or get an answer other than the setup's. */
  #streamMessage(connection: TransportConnection, bytes: Uint8Array): void {
    const { id } = connection;
    let payload: Payload;
    try {
      payload = decodePayload(bytes);
    } catch (thrown) {
      this.#feed({ type: "activity", id });
      this.#complain("unreadable", { id, err: thrown }, "a stream message could not be read");
      return;
    }
    try {
      if (payload.type === "ConnectionSetupRequest") this.#setUp(connection, payload);
      else if (payload.type.endsWith("Response")) {
        const ack = acknowledgement.body.read(parseJsonObject(payload.body, payload.type), "");
        const { requestId, resultCode, errorCode, message = "" } = ack;
        this.#feed({ type: "ack", id, requestId, response: payload.type, resultCode, errorCode, message });
      } else {
        this.#feed({ type: "activity", id });
        // Some SDKs check the connection by writing these into the stream, and expect nothing.
        if (payload.type !== "HealthCheckRequest" && payload.type !== "ServerCheckRequest")
          this.#complain(`type ${payload.type.slice(0, 100)}`, { id }, "a request on the stream was ignored");
      }
    } catch (thrown) {
      this.#feed({ type: "activity", id });
      const type = payload.type.slice(0, 100);
      this.#complain(`body ${type}`, { id, type, err: thrown }, "a stream message could not be read");
    }
  }

  #setUp(connection: TransportConnection, payload: Payload): void {
    const { id, tls } = connection;
    if (payload.body.length > SETUP_BYTES_MAX || payload.clientIp.length > 128) {
      this.#complain(
        "long setup",
        { id, bytes: payload.body.length },
        `a setup over ${SETUP_BYTES_MAX} bytes was refused`,
      );
      this.#end(id);
      return;
    }
    const setup = connectionSetup.body.read(parseJsonObject(payload.body, payload.type), "");
    this.#feed({
      type: "setup",
      id,
      clientIp: payload.clientIp,
      clientVersion: setup.clientVersion,
      tenant: setup.tenant ?? "",
      labels: setup.labels,
      abilities: setup.abilityTable,
      tls,
    });
    this.#waiting.release(id);
  }

  #feed(event: Event): void {
    this.#perform(step(this.#table, event, this.#clock.now()));
  }

  #perform(effects: readonly Effect[]): void {
    if (effects.length > 0 && this.#effects.add(effects)) this.#nowEmpty();
  }

  #do(effect: Effect): void {
    switch (effect.type) {
      case "refuse":
        // Performed where the transport asked, by its answer.
        return;
      case "registered":
        this.counters.connection(effect.connection.module, 1);
        this.#tell((listener) => listener.registered?.(effect.connection));
        return;
      case "unregistered":
        this.counters.connection(effect.connection.module, -1);
        this.#log.debug({ id: effect.connection.id, cause: effect.cause }, "a connection ended");
        this.#tell((listener) => listener.unregistered?.(effect.connection, effect.cause));
        return;
      case "pushSettled":
        this.counters.settled[effect.outcome]++;
        this.#tell((listener) => listener.pushSettled?.(effect));
        return;
      case "close":
        this.counters.ended++;
        this.#log.info({ id: effect.id, reason: effect.reason }, "ending a connection");
        this.#end(effect.id);
        return;
      case "send": {
        const payload = this.#payloads.get(effect.requestId) as Uint8Array;
        this.#payloads.delete(effect.requestId);
        this.#outbox.add(payload, effect.to);
        return;
      }
      case "setupAck":
        this.#request("SetupAckRequest", undefined, [effect.id], { abilityTable: this.#setup.abilities });
        return;
      case "probe":
        this.#request("ClientDetectionRequest", effect.requestId, effect.to);
        return;
      case "redirect":
        // Without a target all three stay absent: the SDK then goes to any other server of its list.
        this.#request("ConnectResetRequest", effect.requestId, [effect.id], {
          serverIp: effect.to?.ip,
          serverPort: effect.to === undefined ? undefined : String(effect.to.port),
          connectionId: effect.to === undefined ? undefined : effect.id,
        });
        return;
    }
  }

  #request(
    type: string,
    requestId: string | undefined,
    to: readonly ConnectionId[],
    fields: Record<string, unknown> = {},
  ): void {
    const body = pushBody(requestId, "internal", fields);
    this.#outbox.add(encodePayload({ type, clientIp: this.#setup.address.ip, body }), to);
    this.counters.push(type, to.length);
  }

  #send(id: ConnectionId, payload: Uint8Array): void {
    const connection = this.#carried.get(id);
    if (connection === undefined) return;
    connection.send(payload);
    if (connection.queuedBytes > this.#setup.queuedBytesMax) this.#feed({ type: "blocked", id });
  }

  #end(id: ConnectionId): void {
    this.#carried.get(id)?.close(CLOSE_GRACE_MS);
  }

  /** A listener's fault must not keep the other listeners, or the effects that follow, from happening. */
  #tell(tell: (listener: ConnectionListener) => void): void {
    for (const listener of this.#listeners) {
      try {
        tell(listener);
      } catch (err) {
        this.#log.error({ err }, "a feature failed to follow the connections");
      }
    }
  }

  #nowEmpty(): void {
    if (this.#empty.length === 0 || this.#table.byId.size > 0) return;
    const empty = this.#empty;
    this.#empty = [];
    for (const resolve of empty) resolve();
  }

  #complain(kind: string, details: object, text: string): void {
    if (this.#complaints.has(kind) || this.#complaints.size >= COMPLAINTS_MAX) return;
    this.#complaints.add(kind);
    this.#log.warn({ ...details, kind }, text);
  }
}
