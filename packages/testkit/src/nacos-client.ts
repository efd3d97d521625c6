import { decodePayload, encodePayload, encodeUtf8 } from "@nacre/protocol";
import { GrpcClient, type Stream } from "./grpc-client.ts";

/** One message of the wire with its body parsed. */
export interface Message {
  readonly type: string;
  // Bodies are looked into by tests that say what they expect.
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  readonly body: any;
}

/**
 * A client at the level of the wire, with the manners of an SDK: it sets its connection up, answers what must be
 * answered and keeps what it is pushed. Everything a test wants to do otherwise, it does through `call` and `say`.
 */
export class NacosClient {
  readonly #grpc: GrpcClient;
  readonly #stream: Stream;
  readonly pushes: Message[] = [];
  readonly #waiting: { matches: (message: Message) => boolean; found: (message: Message) => void }[] = [];
  /** False: pushes stay unacknowledged. */
  acknowledging = true;
  /** Resolves when the server, or `close`, has ended the stream. */
  readonly ended: Promise<number>;

  private constructor(grpc: GrpcClient, stream: Stream) {
    this.#grpc = grpc;
    this.#stream = stream;
    this.ended = stream.ended;
    void this.#read();
  }

  /** Connects and registers the connection. `setup` changes fields of the `ConnectionSetupRequest`. */
  static async connect(port: number, setup: Record<string, unknown> = {}): Promise<NacosClient> {
    const grpc = new GrpcClient(port);
    const client = new NacosClient(grpc, grpc.stream());
    await client.call("ServerCheckRequest", {});
    client.say("ConnectionSetupRequest", {
      clientVersion: "Nacos-Go-Client:v2.3.5",
      labels: { source: "sdk", module: "naming" },
      ...setup,
    });
    await client.call("HealthCheckRequest", {});
    return client;
  }

  /** A unary call. @returns the answer, failures included. */
  async call(type: string, body: unknown, headers?: ReadonlyMap<string, string>): Promise<Message> {
    const bytes = typeof body === "string" ? encodeUtf8(body) : encodeUtf8(JSON.stringify(body));
    return parse(
      await this.#grpc.unary(encodePayload({ type, clientIp: "127.0.0.1", body: bytes, ...(headers && { headers }) })),
    );
  }

  /** Writes on the stream. */
  say(type: string, body: unknown): void {
    this.#stream.write(encodePayload({ type, clientIp: "127.0.0.1", body: encodeUtf8(JSON.stringify(body)) }));
  }

  /** The first push that matches, of those already received or still to come. */
  pushed(matches: (message: Message) => boolean): Promise<Message> {
    const seen = this.pushes.find(matches);
    if (seen !== undefined) return Promise.resolve(seen);
    return new Promise((found) => this.#waiting.push({ matches, found }));
  }

  /** Ends the stream, and the connection with it. */
  close(): void {
    this.#stream.cancel();
    this.#grpc.close();
  }

  async #read(): Promise<void> {
    for (let count = 1; ; count++) {
      const message = parse((await this.#stream.until(count))[count - 1] as Buffer);
      this.pushes.push(message);
      if (this.acknowledging && message.body.requestId !== undefined)
        this.say(message.type.replace(/Request$/, "Response"), { resultCode: 200, requestId: message.body.requestId });
      for (const waiting of this.#waiting.splice(0))
        if (waiting.matches(message)) waiting.found(message);
        else this.#waiting.push(waiting);
    }
  }
}

function parse(bytes: Uint8Array): Message {
  const { type, body } = decodePayload(bytes);
  return { type, body: JSON.parse(Buffer.from(body).toString()) };
}
