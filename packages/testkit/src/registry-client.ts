import type { ChannelCredentials } from "@grpc/grpc-js";
import { decodePayload, encodePayload, encodeUtf8 } from "@nacre/protocol";
import { GrpcClient, type Stream } from "./grpc-client.ts";

/** A message as it crosses the wire, its body parsed. */
export interface Message {
  readonly type: string;
  readonly body: Record<string, unknown>;
  /** The body as it was written. */
  readonly text: string;
  readonly clientIp: string;
}

/** Speaks payloads over one connection, and nothing on its own account: what an SDK does is up to the test. */
export class RegistryClient {
  readonly grpc: GrpcClient;
  #stream: Stream | undefined;
  #read = 0;

  constructor(port: number, credentials?: ChannelCredentials) {
    this.grpc = new GrpcClient(port, credentials);
  }

  /** A unary call. `body` is an object, or the text or bytes to send as they are. */
  async call(type: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Message> {
    return read(await this.grpc.unary(written(type, body, headers)));
  }

  get stream(): Stream {
    this.#stream ??= this.grpc.stream();
    return this.#stream;
  }

  /** Writes a message into the stream, opening it if need be. */
  send(type: string, body: unknown = {}): void {
    this.stream.write(written(type, body));
  }

  /** Opens the stream, sends the setup and waits until the server knows of it. */
  async register(setup: Record<string, unknown> = {}): Promise<void> {
    this.send("ConnectionSetupRequest", {
      clientVersion: "Nacos-Go-Client:v2.3.5",
      tenant: "",
      labels: { source: "sdk", module: "naming" },
      ...setup,
    });
    const health = await this.call("HealthCheckRequest");
    if (health.type !== "HealthCheckResponse") throw new Error(`not registered: ${health.text}`);
  }

  /** The next message that the server wrote into the stream. */
  async next(): Promise<Message> {
    this.#read++;
    const messages = await this.stream.until(this.#read);
    return read(messages[this.#read - 1] as Buffer);
  }

  close(): void {
    this.grpc.close();
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
