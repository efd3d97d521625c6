import { encodeFields } from "../hpack/encoder.ts";
import { Connection, type ConnectionListener } from "../http2/connection.ts";
import type { Head } from "../http2/head.ts";
import { LIMITS } from "../http2/limits.ts";
import type { ErrorCode } from "../http2/protocol.ts";
import { SharedHeads } from "../http2/shared-heads.ts";
import type { Stream } from "../http2/stream.ts";
import type { ClientListener, Methods, Peer } from "./call.ts";
import { ClientSession, type ClientSessionOptions } from "./client-session.ts";
import { GRPC_LIMITS, type GrpcLimits } from "./limits.ts";
import { PartialBytes } from "./message-reader.ts";
import type { Metadata } from "./metadata.ts";
import { ServerSession } from "./server-session.ts";
import { Status } from "./status.ts";

type ClientChanges = Partial<Omit<ClientSessionOptions, "limits">> & { readonly limits?: Partial<GrpcLimits> };

const PEER: Peer = {
  remoteAddress: "192.0.2.1",
  remotePort: 1,
  localPort: 2,
  encrypted: false,
  certificate: undefined,
  queuedBytes: 0,
  close: () => {},
  destroy: () => {},
};

/** One side of a connection without sockets: what it wants to write, and where it reads. */
interface Side {
  // biome-ignore lint/suspicious/noExplicitAny: what a session keeps with its streams is its own matter
  readonly connection: Connection<any>;
}

/** A client session and its peer; bytes pass when the test says so, and time stands still until it says so. */
export class Link<Other extends Side> {
  now = 0;
  readonly client: ClientSession;
  readonly peer: Other;
  readonly drained: string[] = [];
  readonly thrown: unknown[] = [];
  ready = false;
  #soon: (() => void)[] = [];

  constructor(makePeer: (now: () => number) => Other, changes: ClientChanges = {}) {
    this.client = new ClientSession(
      {
        scheme: "http",
        authority: "member-a:9848",
        gzip: false,
        keepAlive: undefined,
        waitingCallsMax: 2,
        onError: (error) => this.thrown.push(error),
        ...changes,
        limits: { ...GRPC_LIMITS, ...changes.limits },
      },
      {
        now: () => this.now,
        wrote: () => {},
        soon: (run) => this.#soon.push(run),
        ready: () => {
          this.ready = true;
        },
        draining: (why) => this.drained.push(why),
      },
    );
    this.peer = makePeer(() => this.now);
  }

  /** Passes bytes both ways until neither side has any. */
  run(): this {
    while (this.toPeer() + this.toClient() > 0) {}
    return this;
  }

  toPeer(): number {
    return pass(this.client.connection, this.peer.connection, this.now) + this.#later();
  }

  toClient(): number {
    return pass(this.peer.connection, this.client.connection, this.now) + this.#later();
  }

  /** Time passes, and what is due is done. */
  tickAt(now: number): this {
    this.now = now;
    if (this.client.tickAt <= now) this.client.tick(now);
    this.#later();
    return this;
  }

  #later(): number {
    const due = this.#soon;
    this.#soon = [];
    for (const run of due) run();
    return due.length;
  }
}

function pass(from: Connection, to: Connection, now: number): number {
  from.sender.pump(now);
  const bytes = Buffer.concat(from.sender.output.take());
  if (bytes.length > 0) to.receive(bytes, now);
  return bytes.length;
}

/** A link to our own server side. */
export function serverLink(
  methods: Methods,
  changes: ClientChanges & { readonly server?: Partial<GrpcLimits>; readonly serverGzip?: boolean } = {},
): Link<ServerSession> {
  const { server, serverGzip, ...client } = changes;
  return new Link(
    (now) =>
      new ServerSession(
        {
          methods,
          limits: { ...GRPC_LIMITS, ...server },
          gzip: serverGzip ?? false,
          keepAlive: undefined,
          onError: (error) => {
            throw error;
          },
          partial: new PartialBytes(GRPC_LIMITS.heldBytesMaxOfAll),
          heads: new SharedHeads(),
        },
        { peer: PEER, now, wrote: () => {} },
      ),
    client,
  );
}

/** A server below gRPC: it answers what the test tells it to. */
export class BarePeer implements ConnectionListener<undefined> {
  readonly connection: Connection<undefined>;
  readonly requests: { readonly stream: Stream<undefined>; readonly head: Head }[] = [];
  readonly ended: string[] = [];

  constructor(now: number, streamsMax: number) {
    this.connection = new Connection({ role: "server", limits: { ...LIMITS, streamsMax } }, this, now);
  }

  /** The stream of the latest request. */
  get stream(): Stream<undefined> {
    return this.requests.at(-1)?.stream as Stream<undefined>;
  }

  /** Sends a block on it. */
  answer(fields: Readonly<Record<string, string>>, endStream = false): this {
    this.connection.headers(this.stream, encodeFields(Object.entries(fields)), endStream);
    return this;
  }

  content(bytes: Uint8Array): this {
    this.connection.data(this.stream, bytes, false, false, 0);
    return this;
  }

  head(stream: Stream<undefined>, head: Head): void {
    this.requests.push({ stream, head });
  }

  data(stream: Stream<undefined>, _: Buffer, start: number, end: number): void {
    this.connection.taken(stream, end - start);
  }

  closed(stream: Stream<undefined>, code: ErrorCode, byPeer: boolean): void {
    this.ended.push(`${stream.id} ${byPeer ? "by client" : "by server"} ${code}`);
  }

  trailers(): void {}
  remoteEnded(): void {}
  drained(): void {}
  goaway(): void {}
}

export function bareLink(changes: ClientChanges & { readonly streamsMax?: number } = {}): Link<BarePeer> {
  const { streamsMax, ...client } = changes;
  return new Link((now) => new BarePeer(now(), streamsMax ?? LIMITS.streamsMax), client);
}

/** Writes down what a call tells. */
export class Heard implements ClientListener {
  readonly news: string[] = [];
  initial: Metadata | undefined;
  trailers: Metadata | undefined;
  onMessage: (text: string) => void = () => {};

  metadata(metadata: Metadata): void {
    this.initial = metadata;
    this.news.push("metadata");
  }

  message(message: Buffer): void {
    const text = message.toString();
    this.news.push(text.length > 20 ? `${text.length} bytes` : text);
    this.onMessage(text);
  }

  drained(): void {
    this.news.push("drained");
  }

  closed(status: Status, message: string, trailers: Metadata): void {
    const name = Object.entries(Status).find(([, code]) => code === status)?.[0];
    this.trailers = trailers;
    this.news.push(message === "" ? `${name}` : `${name}: ${message}`);
  }
}
