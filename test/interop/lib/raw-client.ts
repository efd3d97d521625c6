import { Client, credentials } from "@grpc/grpc-js";
import { decodePayload, encodePayload } from "@nacre/protocol";

const UNARY = "/Request/request";
const STREAM = "/BiRequestStream/requestBiStream";
const bytes = (value: Buffer): Buffer => value;

/** A message with its body as it stands on the wire. */
export interface Message {
  readonly type: string;
  readonly body: string;
}

/** A gRPC client that sends the bodies it is given, adds nothing and acknowledges pushes. */
export class RawClient {
  readonly #client: Client;
  readonly #stream;
  readonly #pushed: Message[] = [];
  #wake: () => void = () => {};

  /** @param acknowledge gives the body of the answer to a push. */
  constructor(address: string, acknowledge: (requestId: string) => string) {
    // A connection of its own: the server knows clients by their connections.
    this.#client = new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
    this.#stream = this.#client.makeBidiStreamRequest(STREAM, bytes, bytes);
    this.#stream.on("error", () => {});
    this.#stream.on("data", (bytes: Buffer) => {
      const message = read(bytes);
      const { requestId } = JSON.parse(message.body) as { requestId?: string };
      if (requestId !== undefined) this.say(message.type.replace(/Request$/, "Response"), acknowledge(requestId));
      this.#pushed.push(message);
      this.#wake();
    });
  }

  call(type: string, body: string, headers?: Record<string, string>): Promise<Message> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(UNARY, bytes, bytes, write(type, body, headers), (error, answer) =>
        error === null && answer !== undefined ? resolve(read(answer)) : reject(error),
      );
    });
  }

  say(type: string, body: string): void {
    this.#stream.write(write(type, body));
  }

  /** Everything pushed so far. */
  get pushed(): readonly Message[] {
    return this.#pushed;
  }

  /** The first push that `matches`, now or later. */
  async push(matches: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const found = this.#pushed.find(matches);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }
}

function write(type: string, body: string, headers: Record<string, string> = {}): Buffer {
  return Buffer.from(
    encodePayload({
      type,
      clientIp: "127.0.0.1",
      headers: new Map(Object.entries(headers)),
      body: new TextEncoder().encode(body),
    }),
  );
}

function read(message: Buffer): Message {
  const { type, body } = decodePayload(message);
  return { type, body: new TextDecoder().decode(body) };
}
