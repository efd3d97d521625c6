import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { ErrorCode, Flag, FrameType, Setting } from "@nacre/grpc/machine";
import { PREFACE, settings } from "../../../../packages/grpc/src/http2/wire.fixture.ts";

const CODES = Object.fromEntries(Object.entries(ErrorCode).map(([name, code]) => [code, name]));
const FRAME_HEADER_BYTES = 9;
/** Attackers give up on a connection that neither answers nor ends. */
const PATIENCE_MS = 10_000;

export interface RawOptions {
  readonly port: number;
  readonly host?: string;
  readonly localAddress?: string;
  readonly tls?: boolean;
}

/** A TCP connection on which anything may be written, and which notes the frames that come. */
export class RawConnection {
  readonly socket: Socket;
  /** What each stream was reset with. */
  readonly resets = new Map<number, string>();
  /** Streams whose answer has come to its end. */
  readonly answered = new Set<number>();
  dataBytes = 0;
  dataFrames = 0;
  headerFrames = 0;
  pongs = 0;
  /** The last header block that came, and the last GOAWAY in words. */
  block: Buffer = Buffer.alloc(0);
  goaway: string | undefined;
  closed = false;
  #rest: Buffer = Buffer.alloc(0);
  #waiting: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => {});
    socket.on("end", () => this.#over());
    socket.on("close", () => this.#over());
  }

  /** Connects and says nothing. */
  static async silent({ port, tls, ...options }: RawOptions): Promise<RawConnection> {
    const where = { host: "127.0.0.1", port, noDelay: true, ...options };
    const socket =
      tls === true ? connectTls({ ...where, rejectUnauthorized: false, ALPNProtocols: ["h2"] }) : connectTcp(where);
    const connection = new RawConnection(socket);
    await once(socket, tls === true ? "secureConnect" : "connect");
    return connection;
  }

  /** Connects and greets, with these settings and window. */
  static async open(
    options: RawOptions,
    { initialWindow, more = [] }: { readonly initialWindow?: number; readonly more?: readonly Buffer[] } = {},
  ): Promise<RawConnection> {
    const connection = await RawConnection.silent(options);
    const own = initialWindow === undefined ? settings() : settings([Setting.INITIAL_WINDOW_SIZE, initialWindow]);
    await connection.send(PREFACE, own, ...more);
    return connection;
  }

  /** Resolves when the bytes have left, or never will. */
  send(...parts: readonly Uint8Array[]): Promise<void> {
    const bytes = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    if (this.closed || this.socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.socket.once("close", resolve);
      this.socket.write(bytes, () => {
        this.socket.off("close", resolve);
        resolve();
      });
    });
  }

  /** Sends the same bytes again and again until the connection ends. */
  async flood(bytes: Uint8Array, timesMax: number): Promise<this> {
    for (let at = 0; at < timesMax && !this.closed; at++) await this.send(bytes);
    return this;
  }

  /** Waits until what has come satisfies, the connection ends, or patience does. */
  async until(condition: () => boolean): Promise<this> {
    let patient = true;
    const timer = setTimeout(() => {
      patient = false;
      this.#wake();
    }, PATIENCE_MS);
    while (patient && !this.closed && !condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    clearTimeout(timer);
    return this;
  }

  /** Waits for the end and ends it in any case. @returns how it ended, in words. */
  async ending(): Promise<string> {
    await this.until(() => this.goaway !== undefined);
    const words = this.goaway ?? (this.closed ? "closed" : "still open");
    this.destroy();
    return words;
  }

  /** Without a trace in the tables of TCP: the other side sees a reset. */
  destroy(): void {
    if (this.socket.destroyed) return;
    // A reset while Node ends its side leaves Node in a loop that never ends: by itself, because the other one has ended.
    if (this.closed || this.socket.writableEnded || "encrypted" in this.socket) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  #over(): void {
    this.closed = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= FRAME_HEADER_BYTES) {
      const size = bytes.readUIntBE(at, 3);
      const payload = at + FRAME_HEADER_BYTES;
      if (bytes.length < payload + size) break;
      this.#frame(
        bytes[at + 3] as number,
        bytes[at + 4] as number,
        bytes.readUInt32BE(at + 5),
        bytes.subarray(payload, payload + size),
      );
      at = payload + size;
    }
    this.#rest = bytes.subarray(at);
    this.#wake();
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    if (type === FrameType.GOAWAY)
      this.goaway = `GOAWAY ${CODES[payload.readUInt32BE(4)]}: ${payload.toString("utf8", 8)}`;
    else if (type === FrameType.RST_STREAM) this.resets.set(id, CODES[payload.readUInt32BE(0)] ?? "?");
    else if (type === FrameType.PING) this.pongs++;
    else if (type === FrameType.DATA) {
      this.dataBytes += payload.length;
      this.dataFrames++;
    } else if (type === FrameType.HEADERS) {
      this.headerFrames++;
      this.block = payload;
    }
    const ends = type === FrameType.DATA || type === FrameType.HEADERS;
    if (ends && (flags & Flag.END_STREAM) !== 0) this.answered.add(id);
  }
}
