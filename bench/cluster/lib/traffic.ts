import { HEAD_BYTES, KINDS, type Kind, readBatch } from "../../../packages/server/src/cluster/links/envelopes.ts";
import type { Cluster } from "../../../test/cluster/lib/cluster.ts";

/** Of HTTP/2: the first bytes of whoever opened a connection, the head of a frame, and the type of those with data. */
const PREFACE_BYTES = 24;
const FRAME_HEAD_BYTES = 9;
const DATA = 0;
/** Of gRPC: a flag and the length. */
const MESSAGE_HEAD_BYTES = 5;

/** Bytes by what they carry; `around` is what HTTP/2, gRPC and batches add, and all that is no envelope. */
export type Bytes = Record<Kind | "around", number>;

/** Counts what members send each other, by reading along at the proxies between them. Not for links with TLS. */
export class Traffic {
  #bytes = nothing();
  readonly #streams = new WeakMap<object, Stream>();

  /** Before the members start: a connection has to be read from its first byte. */
  constructor({ members, link }: Pick<Cluster, "members"> & { link: Cluster["link"] }) {
    for (const from of members)
      for (const to of members) {
        if (from === to) continue;
        link(from, to).up.tap = (bytes, connection) => this.#read(bytes, connection, true);
        link(from, to).down.tap = (bytes, connection) => this.#read(bytes, connection, false);
      }
  }

  /** What was counted since the last call, all members together. */
  take(): Bytes {
    const bytes = this.#bytes;
    this.#bytes = nothing();
    return bytes;
  }

  #read(bytes: Buffer, connection: object, isCaller: boolean): void {
    const stream = this.#streams.get(connection) ?? new Stream(isCaller ? PREFACE_BYTES : 0);
    this.#streams.set(connection, stream);
    this.#bytes.around += bytes.length;
    for (const batch of stream.batches(bytes))
      for (const { kind, body } of readBatch(batch)) {
        this.#bytes[kind] += HEAD_BYTES + body.length;
        this.#bytes.around -= HEAD_BYTES + body.length;
      }
  }
}

/** One direction of one connection, which has one call. */
class Stream {
  #skip: number;
  #frames = Buffer.alloc(0);
  #data = Buffer.alloc(0);

  constructor(skip: number) {
    this.#skip = skip;
  }

  *batches(bytes: Buffer): Generator<Buffer> {
    const skipped = Math.min(this.#skip, bytes.length);
    this.#skip -= skipped;
    this.#frames = Buffer.concat([this.#frames, bytes.subarray(skipped)]);
    const data = [this.#data];
    let at = 0;
    while (this.#frames.length - at >= FRAME_HEAD_BYTES) {
      const end = at + FRAME_HEAD_BYTES + this.#frames.readUIntBE(at, 3);
      if (end > this.#frames.length) break;
      if (this.#frames[at + 3] === DATA) data.push(this.#frames.subarray(at + FRAME_HEAD_BYTES, end));
      at = end;
    }
    this.#frames = this.#frames.subarray(at);
    this.#data = data.length === 1 ? this.#data : Buffer.concat(data);
    while (this.#data.length >= MESSAGE_HEAD_BYTES) {
      const end = MESSAGE_HEAD_BYTES + this.#data.readUInt32BE(1);
      if (end > this.#data.length) return;
      yield this.#data.subarray(MESSAGE_HEAD_BYTES, end);
      this.#data = this.#data.subarray(end);
    }
  }
}

function nothing(): Bytes {
  return { ...(Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>), around: 0 };
}
