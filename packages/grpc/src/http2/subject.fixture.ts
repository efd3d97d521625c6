import { Connection, type ConnectionListener, type ConnectionOptions } from "./connection.ts";
import type { Head } from "./head.ts";
import { LIMITS, type Limits } from "./limits.ts";
import { ErrorCode } from "./protocol.ts";
import type { Stream } from "./stream.ts";
import { frames, PREFACE, said, settings, type WireFrame } from "./wire.fixture.ts";

type Own = Stream<string>;

const CODES = Object.fromEntries(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

/** A connection under test: takes frames at a time of the test's choice, and notes in words what it does. */
export class Subject implements ConnectionListener<string> {
  readonly connection: Connection<string>;
  /** What the layer above was told, for example `head 1`, `data 1 5`, `closed 1 CANCEL by peer`. */
  heard: string[] = [];
  now = 1000;
  /** Every stream that was ever told of. */
  readonly streams = new Map<number, Own>();
  readonly heads = new Map<number, Head>();
  /** What the application does when it is told something. */
  on: Partial<ConnectionListener<string>> = {};
  /** Whether content is used up as it comes. */
  takes = true;

  constructor(limits: Partial<Limits> = {}, options: Partial<ConnectionOptions> = {}) {
    const all = { role: "server", limits: { ...LIMITS, ...limits }, ...options } as const;
    this.connection = new Connection<string>(all, this, this.now);
  }

  /** A server that has been greeted, the greetings taken. */
  static greeted(limits: Partial<Limits> = {}, options: Partial<ConnectionOptions> = {}): Subject {
    const subject = new Subject(limits, options);
    subject.receive(options.role === "client" ? settings() : Buffer.concat([PREFACE, settings()]));
    return subject;
  }

  /** Hands in bytes. @returns the frames that are answered, in words. */
  receive(...parts: Uint8Array[]): string[] {
    this.connection.receive(Buffer.concat(parts), this.now);
    return this.sent();
  }

  /** What has been written since it was asked last, in words. */
  sent(): string[] {
    return this.frames().map(said);
  }

  frames(): WireFrame[] {
    const bytes = Buffer.concat(this.connection.sender.output.take());
    return frames(bytes.subarray(bytes.indexOf(PREFACE) === 0 ? PREFACE.length : 0));
  }

  tick(ms = 0): string[] {
    this.now += ms;
    this.connection.tick(this.now);
    return this.sent();
  }

  /** What was heard since it was asked last. */
  news(): string[] {
    const heard = this.heard;
    this.heard = [];
    return heard;
  }

  stream(id: number): Own {
    const stream = this.streams.get(id);
    if (stream === undefined) throw new Error(`stream ${id} was never told of`);
    return stream;
  }

  /** What may be sent on a stream. */
  sendWindow(id: number): number {
    return this.connection.sender.windowOf(this.stream(id));
  }

  get failure(): string | undefined {
    const { failure } = this.connection;
    return failure === undefined ? undefined : CODES[failure.code];
  }

  head(stream: Own, head: Head): void {
    this.heard.push(`head ${stream.id}`);
    this.streams.set(stream.id, stream);
    this.heads.set(stream.id, head);
    this.on.head?.(stream, head);
  }

  data(stream: Own, from: Buffer, start: number, end: number): void {
    this.heard.push(`data ${stream.id} ${from.toString("latin1", start, end)}`);
    if (this.takes) this.connection.taken(stream, end - start);
    this.on.data?.(stream, from, start, end);
  }

  trailers(stream: Own, head: Head): void {
    this.heard.push(`trailers ${stream.id}`);
    this.on.trailers?.(stream, head);
  }

  remoteEnded(stream: Own): void {
    this.heard.push(`ended ${stream.id}`);
    this.on.remoteEnded?.(stream);
  }

  drained(stream: Own): void {
    this.heard.push(`drained ${stream.id}`);
    this.on.drained?.(stream);
  }

  closed(stream: Own, code: ErrorCode, byPeer: boolean): void {
    this.heard.push(`closed ${stream.id} ${CODES[code]}${byPeer ? " by peer" : ""}`);
    this.on.closed?.(stream, code, byPeer);
  }

  goaway(code: ErrorCode, text: string): void {
    this.heard.push(`goaway ${CODES[code]} ${text}`);
  }
}
