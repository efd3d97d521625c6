import { connect, type Socket } from "node:net";

/**
 * A gRPC client for generating load: HTTP/2 frames from bytes that are made once, and answers that are counted and not
 * kept. It reads no header blocks, only where they end a stream, so that a call costs it a few microseconds.
 */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
const FRAME_HEAD_BYTES = 9;
const ACK = 0x1;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const INITIAL_WINDOW_SIZE = 4;
const DEFAULT_WINDOW = 65_535;
/** Larger than what a server has to send at once, so that this client never holds it back. */
const STREAM_WINDOW = 64 * 1024 * 1024;
const CONNECTION_WINDOW = 1024 * 1024 * 1024;
/** Four such frames use a window of 65,535 up. */
const DATA_FRAME_BYTES = 16_383;
const KEPT_BYTES_MAX = 64 * 1024;

/** All sockets read into one buffer: what it holds is used up before another socket is read. */
const INPUT = Buffer.allocUnsafe(256 * 1024);
const GREETING = Buffer.concat([
  PREFACE,
  frame(FRAME.settings, 0, 0, setting(INITIAL_WINDOW_SIZE, STREAM_WINDOW)),
  windowUpdate(0, CONNECTION_WINDOW),
]);

export interface Hearing {
  /** Payload bytes of a DATA frame, or of a part of it, on the stream. */
  data?(stream: number, bytes: number): void;
  /** The server has ended the stream; `ok` is false for a reset. */
  ended?(stream: number, ok: boolean): void;
  /** The connection is gone, or the server has said GOAWAY. */
  lost(reason: string): void;
}

export class RawConnection {
  readonly #socket: Socket;
  readonly #hearing: Hearing;
  readonly #head = Buffer.allocUnsafe(FRAME_HEAD_BYTES);
  #headFilled = 0;
  #type = 0;
  #flags = 0;
  #stream = 0;
  #left = 0;
  #kept: Buffer | undefined;
  #keptFilled = 0;
  #nextStream = 1;
  #closed = false;
  #taken = 0;
  #connectionWindow = DEFAULT_WINDOW;
  #initialWindow = DEFAULT_WINDOW;
  #upload: { stream: number; window: number; body: UploadBody; next: number } | undefined;

  constructor(target: { port: number; localAddress?: string | undefined }, hearing: Hearing) {
    this.#hearing = hearing;
    const { port, localAddress } = target;
    this.#socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
      onread: {
        buffer: INPUT,
        callback: (bytes) => {
          this.#read(bytes);
          return true;
        },
      },
    });
    this.#socket.on("error", (error) => this.#lose(error.message));
    this.#socket.on("close", () => this.#lose("the server has closed the connection"));
    this.#socket.write(GREETING);
  }

  /** Opens a stream with one small message. `half` says that no more will follow. */
  call(block: Buffer, message: Buffer, half: boolean): number {
    const stream = this.#begin(block, frame(FRAME.data, half ? END_STREAM : 0, 0, framed(message)));
    return stream;
  }

  /** Opens a stream with a message of any size, as fast as the server's flow control lets it; one at a time. */
  upload(block: Buffer, body: UploadBody): number {
    const stream = this.#begin(block);
    body.address(stream);
    this.#upload = { stream, window: this.#initialWindow, body, next: 0 };
    this.#pump();
    return stream;
  }

  close(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  #begin(block: Buffer, data?: Buffer): number {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const head = frame(FRAME.headers, END_HEADERS, stream, block);
    data?.writeUInt32BE(stream, 5);
    this.#socket.write(data === undefined ? head : Buffer.concat([head, data]));
    return stream;
  }

  /** Whole frames only: a window that is smaller than the next one will be opened by the server. */
  #pump(): void {
    const upload = this.#upload;
    if (upload === undefined) return;
    const { frames } = upload.body;
    const first = upload.next;
    for (; upload.next < frames.length; upload.next++) {
      const bytes = (frames[upload.next] as Uploadable).payloadBytes;
      if (bytes > upload.window || bytes > this.#connectionWindow) break;
      upload.window -= bytes;
      this.#connectionWindow -= bytes;
    }
    if (upload.next > first) this.#socket.write(upload.body.bytes(first, upload.next));
    if (upload.next === frames.length) this.#upload = undefined;
  }

  #read(length: number): void {
    let at = 0;
    while (at < length || (this.#left === 0 && this.#headFilled === FRAME_HEAD_BYTES)) {
      if (this.#headFilled < FRAME_HEAD_BYTES) {
        const part = Math.min(FRAME_HEAD_BYTES - this.#headFilled, length - at);
        INPUT.copy(this.#head, this.#headFilled, at, at + part);
        this.#headFilled += part;
        at += part;
        if (this.#headFilled < FRAME_HEAD_BYTES) return;
        this.#beginFrame();
      }
      const part = Math.min(this.#left, length - at);
      if (this.#kept !== undefined) {
        INPUT.copy(this.#kept, this.#keptFilled, at, at + part);
        this.#keptFilled += part;
      } else if (this.#type === FRAME.data && part > 0) {
        this.#take(part);
        this.#hearing.data?.(this.#stream, part);
      }
      at += part;
      this.#left -= part;
      if (this.#left > 0) return;
      this.#headFilled = 0;
      this.#endFrame();
    }
  }

  #beginFrame(): void {
    const head = this.#head;
    this.#left = head.readUIntBE(0, 3);
    this.#type = head[3] as number;
    this.#flags = head[4] as number;
    this.#stream = head.readUInt32BE(5) & 0x7fffffff;
    const counts = this.#type === FRAME.data || this.#type === FRAME.headers || this.#left > KEPT_BYTES_MAX;
    this.#kept = counts ? undefined : Buffer.allocUnsafe(this.#left);
    this.#keptFilled = 0;
  }

  #endFrame(): void {
    const stream = this.#stream;
    const content = this.#kept ?? Buffer.alloc(0);
    switch (this.#type) {
      case FRAME.data:
      case FRAME.headers:
        if ((this.#flags & END_STREAM) !== 0) this.#hearing.ended?.(stream, true);
        break;
      case FRAME.reset:
        this.#hearing.ended?.(stream, false);
        break;
      case FRAME.settings:
        if ((this.#flags & ACK) === 0) this.#settings(content);
        break;
      case FRAME.ping:
        if ((this.#flags & ACK) === 0) this.#socket.write(frame(FRAME.ping, ACK, 0, content));
        break;
      case FRAME.windowUpdate:
        if (stream === 0) this.#connectionWindow += content.readUInt32BE(0);
        else if (stream === this.#upload?.stream) this.#upload.window += content.readUInt32BE(0);
        this.#pump();
        break;
      case FRAME.goAway:
        this.#lose(`GOAWAY with code ${content.readUInt32BE(4)}`);
        break;
    }
  }

  #settings(content: Buffer): void {
    for (let at = 0; at + 6 <= content.length; at += 6) {
      if (content.readUInt16BE(at) !== INITIAL_WINDOW_SIZE) continue;
      const size = content.readUInt32BE(at + 2);
      if (this.#upload !== undefined) this.#upload.window += size - this.#initialWindow;
      this.#initialWindow = size;
    }
    this.#socket.write(frame(FRAME.settings, ACK, 0));
    this.#pump();
  }

  /** Streams end long before their window; the connection's window is opened again. */
  #take(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken < CONNECTION_WINDOW / 2) return;
    this.#socket.write(windowUpdate(0, this.#taken));
    this.#taken = 0;
  }

  #lose(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#hearing.lost(reason);
  }
}

interface Uploadable {
  readonly from: number;
  readonly to: number;
  readonly payloadBytes: number;
}

/** A message laid out as DATA frames, once for all calls of a connection. */
export class UploadBody {
  readonly frames: readonly Uploadable[];
  readonly #all: Buffer;

  constructor(message: Buffer) {
    const content = framed(message);
    const parts: Buffer[] = [];
    const frames: Uploadable[] = [];
    let out = 0;
    for (let at = 0; at < content.length; at += DATA_FRAME_BYTES) {
      const payload = content.subarray(at, at + DATA_FRAME_BYTES);
      const last = at + DATA_FRAME_BYTES >= content.length;
      const part = frame(FRAME.data, last ? END_STREAM : 0, 0, payload);
      parts.push(part);
      frames.push({ from: out, to: out + part.length, payloadBytes: payload.length });
      out += part.length;
    }
    this.frames = frames;
    this.#all = Buffer.concat(parts);
  }

  /** Only when nothing of an earlier call waits in the socket any more. */
  address(stream: number): void {
    for (const { from } of this.frames) this.#all.writeUInt32BE(stream, from + 5);
  }

  bytes(first: number, end: number): Buffer {
    return this.#all.subarray((this.frames[first] as Uploadable).from, (this.frames[end - 1] as Uploadable).to);
  }
}

/** The header block of a call, as a client of the usual kind says it, with nothing kept in a table. */
export function headerBlock(path: string): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, "latin1")]);
  // POST and http are entries 3 and 6 of the static table.
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

/** A message with the prefix of gRPC. */
export function framed(message: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(5 + message.length);
  out[0] = 0;
  out.writeUInt32BE(message.length, 1);
  out.set(message, 5);
  return out;
}

function frame(type: number, flags: number, stream: number, content: Uint8Array = new Uint8Array(0)): Buffer {
  const out = Buffer.allocUnsafe(FRAME_HEAD_BYTES + content.length);
  out.writeUIntBE(content.length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(stream, 5);
  out.set(content, FRAME_HEAD_BYTES);
  return out;
}

function setting(id: number, value: number): Buffer {
  const content = Buffer.alloc(6);
  content.writeUInt16BE(id);
  content.writeUInt32BE(value, 2);
  return content;
}

function windowUpdate(stream: number, bytes: number): Buffer {
  const content = Buffer.alloc(4);
  content.writeUInt32BE(bytes);
  return frame(FRAME.windowUpdate, 0, stream, content);
}
