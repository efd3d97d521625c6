import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { ChannelCredentials, Client, type ClientDuplexStream, type ServiceError } from "@grpc/grpc-js";

const UNARY = "/Request/request";
const STREAM = "/BiRequestStream/requestBiStream";
const bytes = (value: Buffer): Buffer => value;

/** A client of the two methods on the library that most SDKs resemble. Each client has a connection of its own. */
export class GrpcClient {
  readonly #client: Client;

  /** @param at a port of this machine, or `host:port`. */
  constructor(at: number | string, credentials = ChannelCredentials.createInsecure()) {
    this.#client = new Client(typeof at === "number" ? `localhost:${at}` : at, credentials, {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.enable_retries": 0,
    });
  }

  /** @throws ServiceError with the gRPC status in `code`. */
  unary(payload: Uint8Array | string, method = UNARY): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, answer?: Buffer): void =>
        error === null && answer !== undefined ? resolve(answer) : reject(error);
      this.#client.makeUnaryRequest(method, bytes, bytes, Buffer.from(payload), done);
    });
  }

  stream(): Stream {
    return new Stream(this.#client.makeBidiStreamRequest(STREAM, bytes, bytes));
  }

  close(): void {
    this.#client.close();
  }
}

/** A bidirectional stream whose arrivals can be awaited. */
export class Stream {
  readonly received: Buffer[] = [];
  /** The gRPC status that ended it. */
  readonly ended: Promise<number>;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  #checks: (() => void)[] = [];

  constructor(call: ClientDuplexStream<Buffer, Buffer>) {
    this.#call = call;
    this.ended = new Promise((resolve) => call.once("status", ({ code }) => resolve(code)));
    call.on("error", () => {});
    call.on("data", (message: Buffer) => {
      this.received.push(message);
      const checks = this.#checks;
      this.#checks = [];
      for (const check of checks) check();
    });
  }

  write(payload: Uint8Array | string): void {
    this.#call.write(Buffer.from(payload));
  }

  async until(count: number): Promise<Buffer[]> {
    while (this.received.length < count) await new Promise<void>((resolve) => this.#checks.push(resolve));
    return this.received.slice(0, count);
  }

  end(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }
}

/** HTTP/2 by hand: for what a well-behaved client library would not do. */
export class RawClient {
  readonly session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
    session.on("error", () => {});
  }

  static async connect(port: number): Promise<RawClient> {
    const client = new RawClient(connect(`http://127.0.0.1:${port}`));
    await once(client.session, "connect");
    return client;
  }

  /** Opens a call and writes its headers; not a message. */
  open(path = STREAM): ClientHttp2Stream {
    const stream = this.session.request(
      { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" },
      { endStream: false },
    );
    stream.on("error", () => {});
    return stream;
  }

  unary(payload: Uint8Array | string): ClientHttp2Stream {
    const stream = this.open(UNARY);
    stream.end(framed(payload));
    return stream;
  }

  cancel(stream: ClientHttp2Stream): void {
    stream.close(constants.NGHTTP2_CANCEL);
  }
}

/** A gRPC message: not compressed, its length, its bytes. */
export function framed(payload: Uint8Array | string): Buffer {
  const content = Buffer.from(payload);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(content.length, 1);
  return Buffer.concat([prefix, content]);
}
