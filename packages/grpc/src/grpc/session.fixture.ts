import { HpackDecoder } from "../hpack/decoder.ts";
import { FieldList } from "../hpack/encoding.fixture.ts";
import { Flag, FrameType } from "../http2/protocol.ts";
import { SharedHeads } from "../http2/shared-heads.ts";
import { frames, headers, lastData, PREFACE, request, settings, windowUpdate } from "../http2/wire.fixture.ts";
import type { Methods, Peer, ServerCall } from "./call.ts";
import { GRPC_LIMITS, type GrpcLimits } from "./limits.ts";
import { PartialBytes } from "./message-reader.ts";
import { ServerSession } from "./server-session.ts";

const { promise: never } = Promise.withResolvers<never>();

export { never };

export const PEER: Peer = {
  remoteAddress: "127.0.0.1",
  remotePort: 1,
  localPort: 2,
  encrypted: false,
  certificate: undefined,
  queuedBytes: 0,
  close() {},
  destroy() {},
};

/** What a client has read of one stream. */
export interface Answer {
  /** The blocks in order: head and trailers, or one of both. */
  readonly blocks: Record<string, string>[];
  content: Buffer;
  ended: boolean;
  reset: number | undefined;
}

/** A server session under test, read as a client reads it. */
export class SessionSubject {
  readonly session: ServerSession;
  readonly partial: PartialBytes;
  /** What methods threw that was no StatusError. */
  readonly errors: unknown[] = [];
  now = 5000;
  wrote = 0;
  readonly answers = new Map<number, Answer>();
  readonly #decoder = new HpackDecoder();

  constructor(
    methods: Methods,
    limits: Partial<GrpcLimits> = {},
    gzip = false,
    partial?: PartialBytes,
    heads?: SharedHeads,
  ) {
    const all = { ...GRPC_LIMITS, ...limits };
    this.partial = partial ?? new PartialBytes(all.heldBytesMaxOfAll);
    const onError = (error: unknown): void => void this.errors.push(error);
    const common = { partial: this.partial, heads: heads ?? new SharedHeads() };
    const options = { methods, limits: all, gzip, keepAlive: undefined, onError, ...common };
    const shell = { peer: PEER, now: () => this.now, wrote: () => void this.wrote++ };
    this.session = new ServerSession(options, shell);
    this.receive(PREFACE, settings(), windowUpdate(0, 2 ** 30));
  }

  receive(...parts: Uint8Array[]): this {
    this.session.connection.receive(Buffer.concat(parts), this.now);
    return this.read();
  }

  tick(ms: number): this {
    this.now += ms;
    this.session.tick(this.now);
    return this.read();
  }

  /** A whole unary call. */
  call(id: number, content: Uint8Array, changes: Readonly<Record<string, string | undefined>> = {}): Answer {
    return this.receive(headers(id, request(changes)), lastData(id, content)).answer(id);
  }

  answer(id: number): Answer {
    const known = this.answers.get(id);
    if (known !== undefined) return known;
    const fresh: Answer = { blocks: [], content: Buffer.alloc(0), ended: false, reset: undefined };
    this.answers.set(id, fresh);
    return fresh;
  }

  /** The status and message of a call that has ended. */
  status(id: number): [status: string | undefined, message: string | undefined] {
    const { blocks, ended } = this.answer(id);
    if (!ended) return [undefined, "it goes on"];
    const last = blocks.at(-1);
    return [last?.["grpc-status"], last?.["grpc-message"]];
  }

  read(): this {
    for (const { type, flags, streamId, payload } of frames(
      Buffer.concat(this.session.connection.sender.output.take()),
    )) {
      const answer = this.answer(streamId);
      if (type === FrameType.HEADERS) {
        const list = new FieldList();
        this.#decoder.decode(payload, 0, payload.length, list);
        answer.blocks.push(Object.fromEntries(list.fields));
      } else if (type === FrameType.DATA) answer.content = Buffer.concat([answer.content, payload]);
      else if (type === FrameType.RST_STREAM) answer.reset = payload.readUInt32BE(0);
      if ((type === FrameType.HEADERS || type === FrameType.DATA) && (flags & Flag.END_STREAM) !== 0)
        answer.ended = true;
    }
    return this;
  }
}

/** The messages in the content of a stream; the flag of each before it. */
export function messagesOf(content: Buffer): [compressed: number, message: Buffer][] {
  const messages: [number, Buffer][] = [];
  for (let at = 0; at < content.length; ) {
    const end = at + 5 + content.readUInt32BE(at + 1);
    messages.push([content[at] as number, content.subarray(at + 5, end)]);
    at = end;
  }
  return messages;
}

/** A streaming method whose calls note what they hear. */
export class Noted {
  readonly heard: string[] = [];
  call: ServerCall | undefined;
  onMessage: (call: ServerCall, message: Buffer) => void = () => {};
  onHalfClosed: (call: ServerCall) => void = () => {};
  onDrained: (call: ServerCall) => void = () => {};

  readonly method = {
    type: "stream" as const,
    open: (call: ServerCall) => {
      this.call = call;
      this.heard.push("open");
      return {
        message: (message: Buffer) => {
          this.heard.push(`message ${message}`);
          this.onMessage(call, message);
        },
        halfClosed: () => {
          this.heard.push("half-closed");
          this.onHalfClosed(call);
        },
        drained: () => {
          this.heard.push("drained");
          this.onDrained(call);
        },
        closed: (reason: string) => void this.heard.push(`closed ${reason}`),
      };
    },
  };
}

export const PATH = "/a.B/C";
export const echo: Methods = { [PATH]: { type: "unary", handle: (own) => own } };

export function unary(
  handle: Extract<Methods[string], { type: "unary" }>["handle"],
  limits: Partial<GrpcLimits> = {},
): SessionSubject {
  return new SessionSubject({ [PATH]: { type: "unary", handle } }, limits);
}

export function streaming(limits: Partial<GrpcLimits> = {}, gzip = false): [SessionSubject, Noted] {
  const noted = new Noted();
  return [new SessionSubject({ [PATH]: noted.method }, limits, gzip), noted];
}
