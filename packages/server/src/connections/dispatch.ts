import type { Connection } from "@nacre/core/connections";
import { decodePayload, type Payload, RegistryError } from "@nacre/protocol";
import type { Clock } from "../clock.ts";
import { escalate } from "../faults.ts";
import { parseBody } from "../large-json.ts";
import type { TransportConnection } from "../transport/grpc/transport.ts";
import { errorReply, failureReply, type Reply, reply, replyTo } from "./answers.ts";
import type { Counters } from "./counters.ts";
import type { Answer, AnyMessage, Feature, Filter, RequestContext } from "./handlers.ts";
import { headerLookup } from "./headers.ts";

/** Which port a call came in on: types reserved for members are refused on the SDKs'. */
export type Port = "sdk" | "member";

/** How long an answer with error code 503 is kept back, so that a client over its limit slows down. */
const OVER_THRESHOLD_DELAY_MS = 1000;
/** Answers kept back at a time; further ones leave at once. */
const DELAYED_MAX = 1000;

export interface DispatchSetup {
  readonly clock: Clock;
  readonly counters: Counters;
  readonly filters: readonly Filter[];
  readonly log: { error(details: object, text: string): void };
  /** The registered connection of a TCP connection. */
  readonly registered: (id: string) => Connection | undefined;
  /** Keeps a call until the setup of its connection is read. @returns false when it is not on its way. */
  readonly waitForSetup: (connection: TransportConnection, goOn: () => void) => boolean;
  readonly active: (id: string) => void;
}

interface Served {
  readonly message: AnyMessage;
  readonly handler: { handle(request: unknown, context: RequestContext): Answer | Promise<Answer> };
}

/** Takes unary calls through the checks of the wire, in its order, to the handler and back. */
export class Dispatch {
  readonly #setup: DispatchSetup;
  readonly #served = new Map<string, Served>();
  #starting = true;
  #delayed = 0;

  constructor(setup: DispatchSetup) {
    this.#setup = setup;
  }

  /** @throws Error when a type is served already: two features would answer it. */
  serve(feature: Feature): void {
    for (const [type, message] of Object.entries(feature.messages)) {
      if (this.#served.has(type)) throw new Error(`${type} is served twice`);
      this.#served.set(type, { message, handler: feature.handlers[type] as Served["handler"] });
    }
  }

  /** Until this, every call is answered with 300. */
  ready(): void {
    this.#starting = false;
  }

  /** As before `ready`. */
  notReady(): void {
    this.#starting = true;
  }

  call(port: Port, connection: TransportConnection, bytes: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const { clock, counters } = this.#setup;
    const arrivedAt = clock.now();
    const answer = this.#answer(port, connection, bytes);
    const finish = (type: string, answered: Reply): Uint8Array | Promise<Uint8Array> => {
      counters.call(type, answered.errorCode, clock.now() - arrivedAt);
      return answered.errorCode === 503 ? this.#later(answered.payload) : answered.payload;
    };
    if (!(answer.reply instanceof Promise)) return finish(answer.type, answer.reply);
    return answer.reply.then((answered) => finish(answer.type, answered));
  }

  #answer(
    port: Port,
    connection: TransportConnection,
    bytes: Uint8Array,
  ): { type: string; reply: Reply | Promise<Reply> } {
    let payload: Payload;
    try {
      payload = decodePayload(bytes);
    } catch (thrown) {
      return { type: "unreadable", reply: errorReply(RegistryError.from(thrown)) };
    }
    const served = this.#served.get(payload.type);
    // What is not served shares one name: the type is the caller's to choose, and counters must stay few.
    const type = served === undefined ? "unknown" : payload.type;
    return { type, reply: this.#check(port, connection, payload, served) };
  }

  /** The order is the wire's: SDKs draw conclusions from which failure comes first. */
  #check(
    port: Port,
    connection: TransportConnection,
    payload: Payload,
    served: Served | undefined,
  ): Reply | Promise<Reply> {
    if (served?.message.source === "member" && port === "sdk")
      return errorReply(new RegistryError("badRequest", ` invoke ${payload.type} from sdk is forbidden`));
    if (this.#starting) return errorReply(new RegistryError("starting", "Server is starting,please try later."));
    if (payload.type === "ServerCheckRequest")
      return reply("ServerCheckResponse", {
        resultCode: 200,
        errorCode: 0,
        success: true,
        connectionId: connection.id,
        supportAbilityNegotiation: true,
      });
    if (served === undefined) return errorReply(new RegistryError("noHandler", "RequestHandler Not Found"));
    if (this.#setup.registered(connection.id) !== undefined) return this.#handle(connection, payload, served);
    return new Promise((resolve) => {
      const goOn = (): void => resolve(this.#handle(connection, payload, served));
      if (!this.#setup.waitForSetup(connection, goOn)) goOn();
    });
  }

  #handle(from: TransportConnection, payload: Payload, served: Served): Reply | Promise<Reply> {
    const connection = this.#setup.registered(from.id);
    if (connection === undefined) return unregistered();
    const unreadable = (thrown: unknown): Reply => {
      escalate(thrown);
      return errorReply(RegistryError.from(thrown));
    };
    try {
      const body = parseBody(payload.body, payload.type);
      if (!(body instanceof Promise)) return this.#serve(connection, payload, served, body);
      // Nobody would take back what is registered for a connection that has gone meanwhile.
      return body.then((read) => {
        const still = this.#setup.registered(from.id);
        return still === undefined ? unregistered() : this.#serve(still, payload, served, read);
      }, unreadable);
    } catch (thrown) {
      return unreadable(thrown);
    }
  }

  #serve(
    connection: Connection,
    payload: Payload,
    served: Served,
    body: Record<string, unknown>,
  ): Reply | Promise<Reply> {
    this.#setup.active(connection.id);
    try {
      const context = { connection, type: payload.type, header: headerLookup(payload.headers, body.headers) };
      const request = served.message.body.read(body, "");
      const passed = this.#filter(0, request, context);
      const answer =
        passed === undefined
          ? served.handler.handle(request, context)
          : passed.then(() => served.handler.handle(request, context));
      if (!(answer instanceof Promise)) return replyTo(served.message, answer);
      return answer
        .then((answered) => replyTo(served.message, answered))
        .catch((thrown: unknown) => this.#failed(served.message, payload.type, thrown, body));
    } catch (thrown) {
      return this.#failed(served.message, payload.type, thrown, body);
    }
  }

  /** @returns undefined when every filter let the call pass without waiting. */
  #filter(from: number, request: unknown, context: RequestContext): Promise<void> | undefined {
    const { filters } = this.#setup;
    for (let at = from; at < filters.length; at++) {
      const passed = filters[at]?.(request, context);
      if (passed instanceof Promise) return passed.then(() => this.#filter(at + 1, request, context));
    }
    return undefined;
  }

  #failed(message: AnyMessage, type: string, thrown: unknown, body: unknown): Reply {
    if (thrown instanceof RegistryError) {
      if (thrown.cause !== undefined) this.#setup.log.error({ type, err: thrown.cause }, thrown.message);
      return failureReply(message, thrown, body);
    }
    this.#setup.log.error({ type, err: thrown }, "a handler failed");
    escalate(thrown);
    return errorReply(RegistryError.from(thrown));
  }

  #later(payload: Uint8Array): Uint8Array | Promise<Uint8Array> {
    if (this.#delayed >= DELAYED_MAX) return payload;
    this.#delayed++;
    return new Promise((resolve) => {
      this.#setup.clock.schedule(OVER_THRESHOLD_DELAY_MS, () => {
        this.#delayed--;
        resolve(payload);
      });
    });
  }
}

function unregistered(): Reply {
  return errorReply(new RegistryError("unregistered", "Connection is unregistered."));
}
