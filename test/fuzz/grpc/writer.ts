import { Random } from "@nacre/testkit/random";
import { encodeFields } from "../../../packages/grpc/src/hpack/encoder.ts";
import { type Field, type FieldOptions, ReferenceEncoder } from "../../../packages/grpc/src/hpack/encoding.fixture.ts";
import { Flag, FrameType, MAX_31 } from "../../../packages/grpc/src/http2/protocol.ts";
import type { Peer } from "./peer.ts";

/** A stream that the client has not ended. */
interface OpenStream {
  readonly id: number;
  /** Bytes of the message that has begun. */
  left: number;
  fill: number;
  /** Content written in this step and not handed over yet: it narrows the windows already. */
  promised: number;
  step: number;
}

const PATHS = [
  "/f.U/now",
  "/f.U/now",
  "/f.U/later",
  "/f.U/throw",
  "/f.S/echo",
  "/f.S/busy",
  "/f.S/pause",
  "/f.S/early",
  "/f.S/throw",
  "/none",
];
const STEP_BYTES_MAX = 160_000;
const SIZES = [0, 1, 3, 20, 20, 100, 100, 500, 3000, 9000];
const WORDS = [0, 1, 2, 5, 1000, 16_384, 65_535, 65_536, MAX_31 - 65_535, MAX_31, 2 ** 31, 2 ** 32 - 1];
const SETTING_VALUES = [0, 1, 100, 4096, 16_384, 65_535, 70_000, 1_000_000];

/** Header blocks of one connection each, with everything that HPACK offers; drawn once, since that is slow. */
const SCRIPTS_COUNT = 64;
const SCRIPT_BLOCKS = 12;
const SCRIPTS_SEED = 1;
const PLAIN = PATHS.map((path) => written(fieldsOf(path, [])));
const TRAILERS = encodeFields([["x", "y"]]);
const ODD_BLOCKS = [
  written(fieldsOf("/f.U/now", [["content-length", "5"]])),
  written(fieldsOf("/f.S/echo", [["grpc-timeout", "50m"]])),
  written(fieldsOf("/f.S/busy", [["grpc-timeout", "1H"]])),
  written(fieldsOf("/f.U/later", [["grpc-timeout", "wrong"]])),
  written(fieldsOf("/f.S/echo", [["long", "x".repeat(3000)]])),
  written(
    fieldsOf("/f.U/now", [
      ["grpc-encoding", "gzip"],
      ["grpc-accept-encoding", "gzip"],
    ]),
  ),
  written([
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
  ]),
  written([
    [":method", "HEAD"],
    [":scheme", "http"],
    [":path", "/"],
  ]),
  written([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/"],
    ["content-type", "text/plain"],
  ]),
];
const MALFORMED = [
  encodeFields([[":method", "POST"]]),
  encodeFields(fieldsOf("/f.U/now", [["Upper", "x"]])),
  encodeFields(fieldsOf("/f.U/now", [["connection", "x"]])),
];

function fieldsOf(path: string, more: readonly Field[]): Field[] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "a"],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
    ...more,
  ];
}

/** A block, and what whoever reads it must find. */
export interface Written {
  readonly block: Buffer;
  readonly path: string;
  /** Fields that are neither pseudo-fields nor of HTTP itself, a line each for name and value. */
  readonly fields: string;
}

function written(fields: readonly Field[], block: Buffer = encodeFields(fields)): Written {
  const path = fields.find(([name]) => name === ":path")?.[1] ?? "";
  const regular = fields.filter(([name]) => !name.startsWith(":") && name !== "content-length");
  return { block, path, fields: regular.flat().join("\n") };
}

function drawScripts(random: Random): Written[][] {
  return Array.from({ length: SCRIPTS_COUNT }, () => {
    const encoder = new ReferenceEncoder();
    return Array.from({ length: SCRIPT_BLOCKS }, () => {
      const octets = random.chance(0.1) ? encoder.resize(random.pick([0, 100, 500, 4096])) : [];
      const more: Field[] = random.some([
        ["a", "1"],
        ["b", "x".repeat(random.below(200))],
        ["user-agent", "fuzz"],
        ["c-bin", "AAE"],
      ]);
      const fields = fieldsOf(random.pick(PATHS), more);
      for (const field of fields) {
        const representation = random.pick(["indexed", "indexed", "incremental", "without", "never"] as const);
        const how: FieldOptions = { representation, huffman: random.chance(0.5), nameByIndex: random.chance(0.7) };
        octets.push(...encoder.field(field, how));
      }
      return written(fields, Buffer.from(octets));
    });
  });
}

const SCRIPTS = drawScripts(new Random(SCRIPTS_SEED));

/** Bytes of the step that is being written; shared by all writers, which live one after the other. */
const scratch = Buffer.alloc(2 * STEP_BYTES_MAX);
const spare = Buffer.alloc(STEP_BYTES_MAX);

/** Writes what a client may send, and what none should. */
export class Writer {
  readonly #random: Random;
  readonly #peer: Peer;
  readonly #streamWindow: number;
  readonly #script: readonly Written[];
  /** What the requests of this connection say, by stream. */
  readonly heads = new Map<number, Written>();
  /** A client that widens windows by a few bytes only. */
  readonly #stingy: boolean;
  #nextBlock = 0;
  #nextId = 1;
  readonly #open: OpenStream[] = [];
  /** Where the frames of the step begin. */
  readonly #starts: number[] = [];
  #end = 0;
  #steps = 0;
  #promised = 0;

  readonly #tame: boolean;

  /** @param tame keeps to the windows that the server gives, at all times. */
  constructor(random: Random, peer: Peer, streamWindow: number, tame: boolean) {
    this.#tame = tame;
    this.#stingy = random.chance(0.3);
    this.#random = random;
    this.#peer = peer;
    this.#streamWindow = streamWindow;
    this.#script = random.pick(SCRIPTS);
  }

  /** A few frames that may follow what was written before. @returns bytes of the caller's own. */
  step(): Buffer {
    this.#begin();
    for (let nth = this.#random.below(4); nth >= 0 && this.#end < STEP_BYTES_MAX / 2; nth--) this.#move();
    return this.#taken();
  }

  /** The same, and something in it is wrong. */
  wrongStep(): Buffer {
    this.#begin();
    for (let nth = this.#random.below(3); nth >= 0 && this.#end < STEP_BYTES_MAX / 2; nth--) {
      if (this.#random.chance(0.3)) this.#oddFrame();
      else this.#move();
    }
    for (let nth = this.#random.below(3); nth > 0; nth--) this.#mutate();
    return this.#taken();
  }

  /** The beginning of a connection, changed. */
  wrongGreeting(greeting: Buffer): Buffer {
    this.#begin();
    greeting.copy(scratch);
    this.#end = greeting.length;
    this.#resetStarts();
    this.#mutate();
    return this.#taken();
  }

  #begin(): void {
    this.#starts.length = 0;
    this.#end = 0;
    this.#steps++;
    this.#promised = 0;
  }

  #taken(): Buffer {
    return Buffer.from(scratch.subarray(0, this.#end));
  }

  #move(): void {
    const random = this.#random;
    const roll = random.below(100);
    const count = this.#open.length;
    if (roll < 22 || (count === 0 && roll < 70)) this.#request();
    else if (roll < 62) this.#content(random.below(count));
    else if (roll < 70) this.#finish(random.below(count));
    else if (roll < 73) this.#reset(random.below(count));
    else if (roll < 84) this.#windowUpdate();
    else if (roll < 89) this.#ping();
    else if (roll < 92) this.#settings();
    else if (roll < 95) this.#priority();
    else if (roll < 98) this.#frame(0x10 + random.below(200), random.below(256), random.below(30), random.below(40));
    else this.#acknowledge();
  }

  #request(): void {
    const random = this.#random;
    const id = this.#nextId;
    this.#nextId += random.chance(0.95) ? 2 : 4;
    const fresh = this.#script[this.#nextBlock];
    let head: Written;
    if (fresh !== undefined && random.chance(0.5)) {
      this.#nextBlock++;
      head = fresh;
    } else head = random.chance(0.9) ? random.pick(PLAIN) : random.pick(ODD_BLOCKS);
    const ends = random.chance(0.1);
    this.heads.set(id, head);
    this.#block(id, head.block, ends);
    if (ends) return;
    this.#open.push({ id, left: 0, fill: 0, promised: 0, step: 0 });
    if (random.chance(0.6)) this.#content(this.#open.length - 1);
    if (random.chance(0.3)) this.#finish(this.#open.length - 1);
  }

  /** HEADERS, sometimes padded, with priority, or in several frames. */
  #block(id: number, block: Buffer, ends: boolean): void {
    const random = this.#random;
    const end = ends ? Flag.END_STREAM : 0;
    const shape = random.below(10);
    if (shape === 0) {
      const cut = random.below(block.length);
      this.#copied(FrameType.HEADERS, end, id, block.subarray(0, cut));
      if (random.chance(0.3)) this.#copied(FrameType.CONTINUATION, 0, id, block.subarray(cut, cut));
      this.#copied(FrameType.CONTINUATION, Flag.END_HEADERS, id, block.subarray(cut));
      return;
    }
    const padding = shape === 1 ? random.below(20) : -1;
    const priority = shape <= 2;
    const flags = end | Flag.END_HEADERS | (padding >= 0 ? Flag.PADDED : 0) | (priority ? Flag.PRIORITY : 0);
    let at = this.#frame(
      FrameType.HEADERS,
      flags,
      id,
      block.length + (padding >= 0 ? 1 + padding : 0) + (priority ? 5 : 0),
    );
    if (padding >= 0) scratch[at++] = padding;
    if (priority) {
      scratch.writeUInt32BE(0, at);
      scratch[at + 4] = 200;
      at += 5;
    }
    block.copy(scratch, at);
  }

  /** DATA of a stream: the rest of its message, another one, or several. */
  #content(index: number): void {
    const stream = this.#open[index];
    if (stream === undefined) return;
    const random = this.#random;
    if (stream.step !== this.#steps) stream.promised = 0;
    stream.step = this.#steps;
    const greedy = !this.#tame && random.chance(0.05);
    const room = greedy ? 30_000 : this.#peer.room(stream.id, this.#streamWindow, stream.promised, this.#promised);
    if (stream.left === 0 && random.chance(0.1)) {
      this.#frame(FrameType.DATA, 0, stream.id, 0);
      return;
    }
    const padding = random.chance(0.1) ? random.below(10) : -1;
    const padded = padding + 1;
    const start = this.#frame(FrameType.DATA, padding >= 0 ? Flag.PADDED : 0, stream.id, 0);
    let at = start;
    if (padding >= 0) scratch[at++] = padding;
    const most = Math.min(room - padded, 16_384 - padded) + at;
    const begin = at;
    for (let messages = 1 + random.below(3); messages > 0; messages--) {
      if (stream.left === 0) {
        if (most - at < 5) break;
        const size = random.chance(0.02) ? 40_000 : random.pick(SIZES);
        scratch[at] = 0;
        scratch.writeUInt32BE(size, at + 1);
        at += 5;
        stream.left = size;
        stream.fill = size & 0xff;
      }
      const part = Math.min(stream.left, most - at, random.chance(0.8) ? 16_384 : random.below(50));
      if (part <= 0) break;
      scratch.fill(stream.fill, at, at + part);
      at += part;
      stream.left -= part;
    }
    if (at === begin && padding >= 0 && room < padded) {
      // No room even for padding: the frame is taken back.
      this.#starts.pop();
      this.#end = start - 9;
      return;
    }
    if (padding > 0) scratch.fill(0, at, at + padding);
    this.#resize(start, at + Math.max(padding, 0));
    const size = this.#end - start;
    this.#promised += size;
    stream.promised += size;
  }

  #finish(index: number): void {
    const stream = this.#open[index];
    if (stream === undefined) return;
    if (stream.left > 0 && this.#random.chance(0.9)) return this.#content(index);
    this.#drop(index);
    if (this.#random.chance(0.8)) this.#frame(FrameType.DATA, Flag.END_STREAM, stream.id, 0);
    else this.#block(stream.id, TRAILERS, true);
  }

  #reset(index: number): void {
    const stream = this.#open[index];
    if (stream === undefined) return;
    this.#drop(index);
    this.#word(FrameType.RST_STREAM, stream.id, this.#random.below(14));
  }

  #drop(index: number): void {
    const last = this.#open.pop() as OpenStream;
    if (index < this.#open.length) this.#open[index] = last;
  }

  #windowUpdate(): void {
    const random = this.#random;
    const stream = random.chance(0.5) ? undefined : this.#open[random.below(this.#open.length)];
    const bytes = this.#stingy || random.chance(0.3) ? 1 + random.below(20) : 1 + random.below(50_000);
    this.#word(FrameType.WINDOW_UPDATE, stream?.id ?? 0, bytes);
  }

  #ping(): void {
    const at = this.#frame(FrameType.PING, this.#random.chance(0.2) ? Flag.ACK : 0, 0, 8);
    scratch.writeUInt32BE(this.#random.below(2 ** 32), at);
    scratch.writeUInt32BE(7, at + 4);
  }

  #settings(): void {
    const random = this.#random;
    const entries = random.below(3);
    const at = this.#frame(FrameType.SETTINGS, 0, 0, entries * 6);
    for (let nth = 0; nth < entries; nth++) {
      const id = random.pick([1, 3, 4, 4, 6, 9, 0xffff]);
      scratch.writeUInt16BE(id, at + nth * 6);
      scratch.writeUInt32BE(random.pick(SETTING_VALUES), at + nth * 6 + 2);
    }
  }

  #priority(): void {
    const at = this.#frame(FrameType.PRIORITY, 0, 1 + this.#random.below(40), 5);
    scratch.writeUInt32BE(1000, at);
    scratch[at + 4] = 1;
  }

  /** To settings, or to the ping of a server that drains. */
  #acknowledge(): void {
    if (this.#random.chance(0.5)) this.#frame(FrameType.SETTINGS, Flag.ACK, 0, 0);
    else scratch.write("nacrebye", this.#frame(FrameType.PING, Flag.ACK, 0, 8), "latin1");
  }

  /** A frame that is well-formed, in a place where it has no business. */
  #oddFrame(): void {
    const random = this.#random;
    const id = random.below(this.#nextId + 6);
    switch (random.below(9)) {
      case 0:
        return this.#word(FrameType.WINDOW_UPDATE, id, random.pick(WORDS));
      case 1:
        return this.#word(FrameType.RST_STREAM, id, 8);
      case 2:
        return void this.#frame(FrameType.DATA, random.below(2), id, random.below(60));
      case 3:
        return this.#copied(FrameType.HEADERS, Flag.END_HEADERS | random.below(2), id | 1, random.pick(MALFORMED));
      case 4:
        return this.#copied(FrameType.HEADERS, random.below(2), this.#nextId, random.pick(PLAIN).block);
      case 5:
        return this.#copied(
          FrameType.CONTINUATION,
          random.pick([0, Flag.END_HEADERS]),
          id,
          Buffer.alloc(random.below(9)),
        );
      case 6: {
        const at = this.#frame(FrameType.GOAWAY, 0, 0, 8 + random.below(9));
        scratch.writeUInt32BE(random.below(20), at);
        return;
      }
      case 7: {
        const at = this.#frame(FrameType.SETTINGS, 0, 0, 6);
        scratch.writeUInt16BE(random.below(8), at);
        scratch.writeUInt32BE(random.pick(WORDS), at + 2);
        return;
      }
      default:
        return this.#copied(FrameType.HEADERS, Flag.END_HEADERS, id, TRAILERS);
    }
  }

  #mutate(): void {
    const random = this.#random;
    if (this.#end < 9) return;
    const nth = random.below(this.#starts.length);
    const start = this.#starts[nth] as number;
    const end = this.#starts[nth + 1] ?? this.#end;
    switch (random.below(12)) {
      case 0:
      case 1: {
        const at = random.below(this.#end);
        scratch[at] = (scratch[at] as number) ^ (1 << random.below(8));
        return;
      }
      case 2:
        return void scratch.writeUIntBE(random.pick([0, 1, 4, 5, 8, 9, 16_384, 16_385, random.below(100)]), start, 3);
      case 3:
        scratch[start + 3] = random.below(11);
        return;
      case 4:
        scratch[start + 4] = random.below(256);
        return;
      case 5:
        return void scratch.writeUInt32BE(random.pick([0, 1, 2, this.#nextId, random.below(60), MAX_31]), start + 5);
      case 6:
        return this.#splice(start, end, 0);
      case 7:
        return this.#splice(end, end, end - start, start);
      case 8:
        // Two frames change places: the second of them goes before the first, by being doubled and cut.
        this.#splice(start, start, this.#end - end, end);
        return this.#cut(this.#end - random.below(20));
      case 9:
        return this.#cut(random.below(this.#end));
      case 10: {
        if (end - start > 9) scratch[start + 9 + random.below(end - start - 9)] = random.below(256);
        return;
      }
      default: {
        const size = random.below(30);
        this.#splice(end, end, size, 0);
        for (let at = end; at < end + size; at++) scratch[at] = random.below(256);
      }
    }
  }

  /** Replaces what is from `start` to `end` by a copy of `size` bytes from `from`. */
  #splice(start: number, end: number, size: number, from = 0): void {
    if (size > STEP_BYTES_MAX || this.#end + size > scratch.length - 20_000) return;
    scratch.copy(spare, 0, from, from + size);
    scratch.copy(scratch, start + size, end, this.#end);
    spare.copy(scratch, start, 0, size);
    this.#end += size - (end - start);
    this.#resetStarts();
  }

  #cut(end: number): void {
    this.#end = Math.max(end, 0);
    this.#resetStarts();
  }

  #resetStarts(): void {
    this.#starts.length = 1;
    this.#starts[0] = 0;
  }

  #word(type: number, id: number, word: number): void {
    scratch.writeUInt32BE(word, this.#frame(type, 0, id, 4));
  }

  #copied(type: number, flags: number, id: number, payload: Buffer): void {
    payload.copy(scratch, this.#frame(type, flags, id, payload.length));
  }

  /** @returns where the payload goes. */
  #frame(type: number, flags: number, id: number, size: number): number {
    const at = this.#end;
    this.#starts.push(at);
    scratch.writeUIntBE(size, at, 3);
    scratch[at + 3] = type;
    scratch[at + 4] = flags;
    scratch.writeUInt32BE(id, at + 5);
    scratch.fill(0, at + 9, at + 9 + Math.min(size, 64));
    this.#end = at + 9 + size;
    return at + 9;
  }

  /** The frame whose payload begins at `start` ends at `end`. */
  #resize(start: number, end: number): void {
    scratch.writeUIntBE(end - start, start - 9, 3);
    this.#end = end;
  }
}
