/** The test service on @grpc/grpc-js: what the clients do there is what they have to do with the engine. */
import {
  type handleBidiStreamingCall,
  Metadata as JsMetadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from "@grpc/grpc-js";
import { type CallEnd, Metadata, type Method, type Peer, type ServerCall, Status, StatusError } from "@nacre/grpc";
import { MESSAGE_BYTES_MAX, type ServerOptions, type TestServer } from "./server.ts";

type Duplex = ServerDuplexStream<Buffer, Uint8Array>;

/** Takes compressed requests whatever `gzip` says: the library cannot refuse them. */
export async function startGrpcJs({ methods, tls }: ServerOptions): Promise<TestServer> {
  const server = new Server({
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": -1,
  });
  let address = "";
  const drain = (graceMs: number) => server.drain(address, graceMs);
  for (const [path, method] of Object.entries(methods)) {
    // Any kind of call can be served as two streams.
    const handler: handleBidiStreamingCall<Buffer, Uint8Array> = (duplex) => serve(method, path, duplex, drain);
    server.register(path, handler, asBuffer, (bytes) => bytes, "bidi");
  }
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }]);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync("127.0.0.1:0", credentials, (error, port) => (error ? reject(error) : resolve(port)));
  const port = await promise;
  address = `127.0.0.1:${port}`;
  return { port, close: async () => server.forceShutdown() };
}

function serve(method: Method, path: string, duplex: Duplex, drain: (graceMs: number) => void): void {
  const call = new JsCall(path, duplex, drain);
  const heard: Buffer[] = [];
  const listener =
    method.type === "stream"
      ? method.open(call)
      : {
          message: (message: Buffer) => void heard.push(message),
          async halfClosed() {
            try {
              call.send(await method.handle(heard[0] ?? Buffer.alloc(0), call));
              call.end();
            } catch (error) {
              call.end(error instanceof StatusError ? error.status : Status.INTERNAL, String((error as Error).message));
            }
          },
        };
  call.closed = (reason) => listener.closed?.(reason);
  duplex.on("data", (message: Buffer) => listener.message(message));
  duplex.on("end", () => listener.halfClosed?.());
  duplex.on("drain", () => listener.drained?.());
}

class JsCall implements ServerCall {
  readonly path: string;
  readonly metadata: Metadata = new Metadata();
  readonly peer: Peer;
  readonly deadlineAt = Number.POSITIVE_INFINITY;
  readonly queuedBytes = 0;
  ended = false;
  closed: (reason: CallEnd) => void = () => undefined;
  readonly #duplex: Duplex;

  constructor(path: string, duplex: Duplex, drain: (graceMs: number) => void) {
    this.path = path;
    this.#duplex = duplex;
    for (const name of Object.keys(duplex.metadata.getMap())) {
      for (const value of duplex.metadata.get(name)) {
        if (!name.startsWith("grpc-")) this.metadata.add(name, value);
      }
    }
    this.peer = {
      remoteAddress: "127.0.0.1",
      remotePort: Number(/\d+$/.exec(duplex.getPeer())?.[0]),
      localPort: 0,
      encrypted: false,
      certificate: undefined,
      queuedBytes: 0,
      close: drain,
      destroy: () => undefined,
    };
    duplex.on("cancelled", () => {
      this.ended = true;
      this.closed(Number(duplex.getDeadline()) <= Date.now() ? "deadline" : "cancelled");
    });
  }

  sendMetadata(metadata = new Metadata()): void {
    this.#duplex.sendMetadata(toJs(metadata));
  }

  send(message: Uint8Array): boolean {
    return this.ended || this.#duplex.write(message);
  }

  end(status: Status = Status.OK, message = "", trailers = new Metadata()): void {
    if (this.ended) return;
    this.ended = true;
    if (status === Status.OK) this.#duplex.end(toJs(trailers));
    else this.#duplex.emit("error", { code: status, details: message, metadata: toJs(trailers) });
    this.closed("completed");
  }

  pause(): void {
    this.#duplex.pause();
  }

  resume(): void {
    this.#duplex.resume();
  }
}

function toJs(metadata: Metadata): JsMetadata {
  const js = new JsMetadata();
  for (const [name, value] of metadata) js.add(name, value);
  return js;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
