import { connect, type Socket } from "node:net";
import { encodePayload, encodeUtf8 } from "@nacre/protocol";

/**
 * A gRPC client for generating load: it writes HTTP/2 frames by hand from bytes that are made once, and reads no headers
 * (its table of headers has no room, so none of them can matter). A call costs it a few microseconds, so that the server
 * is what is measured. It is no client for anything else: flow control of what it sends is left to small messages.
 */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
const ACK = 0x1;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const PADDED = 0x8;
/** What the server may send on a stream before this client reads on: more than the largest list that is pushed here. */
const STREAM_WINDOW = 16 * 1024 * 1024;
const CONNECTION_WINDOW = 1024 * 1024 * 1024;

/** One frame; HTTP/2 allows 16 KiB unless the peer says otherwise. */
const PAYLOAD_BYTES_MAX = 16 * 1024 - 5;

const UNARY = headerBlock("/Request/request");
const BIDI = headerBlock("/BiRequestStream/requestBiStream");

/** Calls back with the encoded payload of a message that the server pushed. */
export type OnPush = (connection: GrpcConnection, payload: Buffer) => void;

export class GrpcConnection {
  readonly #socket: Socket;
  readonly #onPush: OnPush;
  readonly #calls = new Map<number, { parts: Buffer[]; done(ok: boolean, body: Buffer): void }>();
  #rest: Buffer | undefined;
  #nextStream = 1;
  #bidi = 0;
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #wantedBytes = -1;
  #connectionTaken = 0;
  #streamTaken = 0;

  private constructor(socket: Socket, onPush: OnPush) {
    this.#socket = socket;
    this.#onPush = onPush;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      for (const { done } of this.#calls.values()) done(false, Buffer.alloc(0));
      this.#calls.clear();
    });
    const settings = Buffer.alloc(9 + 18);
    frameHeader(settings, 18, FRAME.settings, 0, 0);
    let at = 9;
    for (const [id, value] of [
      [1, 0],
      [2, 0],
      [4, STREAM_WINDOW],
    ] as const) {
      settings.writeUInt16BE(id, at);
      settings.writeUInt32BE(value, at + 2);
      at += 6;
    }
    socket.write(Buffer.concat([PREFACE, settings, windowUpdate(0, CONNECTION_WINDOW)]));
  }

  /** Connects, opens the stream, and waits until the server knows the connection. */
  static async open(port: number, onPush: OnPush = acknowledge, host = "127.0.0.1"): Promise<GrpcConnection> {
    const socket = connect({ port, host, noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    const connection = new GrpcConnection(socket, onPush);
    connection.#bidi = connection.#begin(BIDI);
    connection.send(SETUP);
    for (;;) {
      const answer = await connection.ask(HEALTH);
      if (answer.includes("HealthCheckResponse")) return connection;
    }
  }

  /** One unary call with an encoded payload. `done` hears whether it succeeded. */
  call(payload: Uint8Array, done: (ok: boolean, body: Buffer) => void): void {
    const stream = this.#nextStream;
    this.#calls.set(stream, { parts: [], done });
    this.#begin(UNARY, payload);
  }

  ask(payload: Uint8Array): Promise<Buffer> {
    return new Promise((resolve) => this.call(payload, (_ok, body) => resolve(body)));
  }

  /** Writes a message into the stream. */
  send(payload: Uint8Array): void {
    const out = Buffer.allocUnsafe(9 + 5 + payload.length);
    writeMessage(out, 0, this.#bidi, 0, payload);
    this.#socket.write(out);
  }

  close(): void {
    this.#socket.destroy();
  }

  #begin(headers: Buffer, payload?: Uint8Array): number {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const out = Buffer.allocUnsafe(9 + headers.length + (payload === undefined ? 0 : 14 + payload.length));
    frameHeader(out, headers.length, FRAME.headers, END_HEADERS, stream);
    headers.copy(out, 9);
    if (payload !== undefined) writeMessage(out, 9 + headers.length, stream, END_STREAM, payload);
    this.#socket.write(out);
    return stream;
  }

  #read(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#rest !== undefined) bytes = Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= 9) {
      const length = bytes.readUIntBE(at, 3);
      if (bytes.length - at < 9 + length) break;
      const flags = bytes[at + 4] as number;
      const stream = bytes.readUInt32BE(at + 5) & 0x7fffffff;
      this.#frame(bytes[at + 3] as number, flags, stream, bytes.subarray(at + 9, at + 9 + length));
      at += 9 + length;
    }
    this.#rest = at === bytes.length ? undefined : bytes.subarray(at);
  }

  #frame(type: number, flags: number, stream: number, content: Buffer): void {
    if (type === FRAME.data) {
      const data = (flags & PADDED) === 0 ? content : content.subarray(1, content.length - (content[0] as number));
      this.#taken(stream, content.length);
      if (stream === this.#bidi) this.#streamData(data);
      else this.#calls.get(stream)?.parts.push(data);
    }
    if ((type === FRAME.data || type === FRAME.headers) && (flags & END_STREAM) !== 0) this.#ended(stream);
    else if (type === FRAME.reset) this.#ended(stream);
    else if (type === FRAME.settings && (flags & ACK) === 0) this.#socket.write(frame(FRAME.settings, ACK, 0));
    else if (type === FRAME.ping && (flags & ACK) === 0) this.#socket.write(frame(FRAME.ping, ACK, 0, content));
  }

  #ended(stream: number): void {
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    this.#calls.delete(stream);
    const body = call.parts.length === 1 ? (call.parts[0] as Buffer) : Buffer.concat(call.parts);
    call.done(body.includes('"resultCode":200'), body);
  }

  #taken(stream: number, length: number): void {
    this.#connectionTaken += length;
    if (this.#connectionTaken > CONNECTION_WINDOW / 2) {
      this.#socket.write(windowUpdate(0, this.#connectionTaken));
      this.#connectionTaken = 0;
    }
    if (stream !== this.#bidi) return;
    this.#streamTaken += length;
    if (this.#streamTaken > STREAM_WINDOW / 2) {
      this.#socket.write(windowUpdate(stream, this.#streamTaken));
      this.#streamTaken = 0;
    }
  }

  /** Puts messages together that the server's frames have cut, and cuts those that came in one frame. */
  #streamData(data: Buffer): void {
    this.#partial.push(data);
    this.#partialBytes += data.length;
    for (;;) {
      if (this.#wantedBytes === -1) {
        if (this.#partialBytes < 5) return;
        this.#wantedBytes = this.#joined().readUInt32BE(1) + 5;
      }
      if (this.#partialBytes < this.#wantedBytes) return;
      const all = this.#joined();
      const message = all.subarray(5, this.#wantedBytes);
      const rest = all.subarray(this.#wantedBytes);
      this.#partial = rest.length === 0 ? [] : [rest];
      this.#partialBytes = rest.length;
      this.#wantedBytes = -1;
      this.#onPush(this, message);
    }
  }

  #joined(): Buffer {
    if (this.#partial.length > 1) this.#partial = [Buffer.concat(this.#partial)];
    return this.#partial[0] as Buffer;
  }
}

/** The text of a payload's body as far as `bytes`, enough for the fields that stand first. */
export function headText(payload: Buffer, bytes = 256): string {
  return payload.toString("latin1", 0, Math.min(payload.length, bytes));
}

/** Answers a push as an SDK does. */
export function acknowledge(connection: GrpcConnection, payload: Buffer): void {
  const head = headText(payload);
  const [, type = ""] = /(\w+)Request/.exec(head) ?? [];
  if (type === "SetupAck") return;
  const [, requestId = ""] = /"requestId":"(\d+)"/.exec(head) ?? [];
  connection.send(message(`${type}Response`, `{"resultCode":200,"errorCode":0,"requestId":"${requestId}"}`));
}

/** An encoded payload around JSON text. */
export function message(type: string, body: string): Uint8Array {
  return encodePayload({ type, clientIp: "127.0.0.1", body: encodeUtf8(body) });
}

const SETUP = message(
  "ConnectionSetupRequest",
  '{"clientVersion":"Nacos-Java-Client:v2.4.3","tenant":"","labels":{"source":"sdk","module":"naming"}}',
);
const HEALTH = message("HealthCheckRequest", "{}");

function headerBlock(path: string): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, "latin1")]);
  // POST and http are entries 3 and 6 of the static table; the other lines are written out and kept by nobody.
  return Buffer.concat([
    Buffer.from([0x83, 0x86, 0x04]),
    text(path),
    Buffer.from([0x01]),
    text("127.0.0.1"),
    Buffer.from([0x0f, 0x10]),
    text("application/grpc"),
    Buffer.from([0x00]),
    text("te"),
    text("trailers"),
  ]);
}

function frameHeader(out: Buffer, length: number, type: number, flags: number, stream: number, at = 0): void {
  out.writeUIntBE(length, at, 3);
  out[at + 3] = type;
  out[at + 4] = flags;
  out.writeUInt32BE(stream, at + 5);
}

function frame(type: number, flags: number, stream: number, content: Uint8Array = new Uint8Array(0)): Buffer {
  const out = Buffer.alloc(9 + content.length);
  frameHeader(out, content.length, type, flags, stream);
  out.set(content, 9);
  return out;
}

function writeMessage(out: Buffer, at: number, stream: number, flags: number, payload: Uint8Array): void {
  if (payload.length > PAYLOAD_BYTES_MAX)
    throw new Error(`a payload of ${payload.length} bytes does not fit into a frame`);
  frameHeader(out, 5 + payload.length, FRAME.data, flags, stream, at);
  out[at + 9] = 0;
  out.writeUInt32BE(payload.length, at + 10);
  out.set(payload, at + 14);
}

function windowUpdate(stream: number, bytes: number): Buffer {
  const content = Buffer.alloc(4);
  content.writeUInt32BE(bytes);
  return frame(FRAME.windowUpdate, 0, stream, content);
}
