import type { ChannelCredentials } from "@grpc/grpc-js";
import { decodePayload, encodePayload, encodeUtf8 } from "@nacre/protocol";
import { GrpcClient, type Stream } from "./grpc-client.ts";

/** A message as it crosses the wire, its body parsed. */
export interface Message {
  readonly type: string;
  // Bodies are looked into by tests that say what they expect.
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  readonly body: any;
  /** The body as it was written. */
  readonly text: string;
  readonly clientIp: string;
}

/** What an SDK that is set up to do naming says of itself. */
const SETUP = {
  clientVersion: "Nacos-Go-Client:v2.3.5",
  tenant: "",
  labels: { source: "sdk", module: "naming" },
};

/**
 * A client at the level of the wire, on one connection. As constructed it does nothing on its own account; `connect`
 * gives it the manners of an SDK: it sets its connection up, answers what must be answered and keeps what it is pushed.
 */
export class RegistryClient {
  readonly grpc: GrpcClient;
  /** What the server wrote into the stream of a client made by `connect`. */
  readonly pushes: Message[] = [];
  /** Answers each push of a client made by `connect`, if it has a request id; false leaves them unanswered. */
  acknowledging = true;
  /** Called with each push as it comes to a client made by `connect`. */
  onPush: (message: Message) => void = () => {};
  #stream: Stream | undefined;
  #read = 0;
  #watching = false;
  #waiting: { readonly matches: (message: Message) => boolean; readonly found: (message: Message) => void }[] = [];

  /** @param at a port of this machine, or `host:port`. */
  constructor(at: number | string, credentials?: ChannelCredentials) {
    this.grpc = new GrpcClient(at, credentials);
  }

  /** A client that is registered, acknowledges pushes and keeps them. `setup` changes fields of the setup request. */
  static async connect(at: number | string, setup: Record<string, unknown> = {}): Promise<RegistryClient> {
    const client = new RegistryClient(at);
    try {
      await client.join(setup);
    } catch (thrown) {
      client.close();
      throw thrown;
    }
    return client;
  }

  /** What `connect` does, for a client that is to be closed by others while it is under way. */
  async join(setup: Record<string, unknown> = {}): Promise<void> {
    await this.call("ServerCheckRequest");
    this.#watch();
    await this.register(setup);
  }

  /** A unary call. `body` is an object, or the text or bytes to send as they are. @returns failures of the wire too. */
  async call(type: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Message> {
    return read(await this.grpc.unary(written(type, body, headers)));
  }

  get stream(): Stream {
    this.#stream ??= this.grpc.stream();
    return this.#stream;
  }

  /** Resolves with the status when the server, or `close`, has ended the stream. */
  get ended(): Promise<number> {
    return this.stream.ended;
  }

  /** Writes a message into the stream, opening it if need be. */
  send(type: string, body: unknown = {}): void {
    this.stream.write(written(type, body));
  }

  /** Opens the stream, sends the setup and waits until the server knows of it. */
  async register(setup: Record<string, unknown> = {}): Promise<void> {
    this.send("ConnectionSetupRequest", { ...SETUP, ...setup });
    const health = await this.call("HealthCheckRequest");
    if (health.type !== "HealthCheckResponse") throw new Error(`not registered: ${health.text}`);
  }

  /** The next message that the server wrote into the stream. Not for a client made by `connect`: see `pushed`. */
  async next(): Promise<Message> {
    this.#read++;
    const messages = await this.stream.until(this.#read);
    return read(messages[this.#read - 1] as Buffer);
  }

  /** The first push that matches, of those already received by a client made by `connect` or still to come. */
  pushed(matches: (message: Message) => boolean): Promise<Message> {
    if (!this.#watching) throw new Error("this client keeps no pushes; make it with connect");
    const seen = this.pushes.find(matches);
    if (seen !== undefined) return Promise.resolve(seen);
    return new Promise((found) => this.#waiting.push({ matches, found }));
  }

  /** Ends the stream, and the connection with it. */
  close(): void {
    this.#stream?.cancel();
    this.grpc.close();
  }

  #watch(): void {
    this.#watching = true;
    void (async () => {
      for (;;) {
        const message = await this.next();
        this.pushes.push(message);
        this.onPush(message);
        const { requestId } = message.body;
        if (this.acknowledging && requestId !== undefined)
          this.send(message.type.replace(/Request$/, "Response"), { resultCode: 200, requestId });
        const waiting = this.#waiting;
        this.#waiting = waiting.filter(({ matches }) => !matches(message));
        for (const { matches, found } of waiting) if (matches(message)) found(message);
      }
    })();
  }
}

function written(type: string, body: unknown, headers: Record<string, string> = {}): Uint8Array {
  return encodePayload({
    type,
    clientIp: "10.20.0.15",
    headers: new Map(Object.entries(headers)),
    body: body instanceof Uint8Array ? body : encodeUtf8(typeof body === "string" ? body : JSON.stringify(body)),
  });
}

function read(bytes: Uint8Array): Message {
  const { type, clientIp, body } = decodePayload(bytes);
  const text = Buffer.from(body).toString();
  return { type, clientIp, text, body: JSON.parse(text) };
}
