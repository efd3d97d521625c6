import { Malformed, Reader, Writer } from "./bytes.ts";
import type { Cursor, Message, OwnerDigest } from "./messages.ts";
import type { Base, Change, Contents, Gone, Head, PublishedInstance } from "./model.ts";
import { BUCKETS } from "./wide-map.ts";

/** A frame, and so a batch on the link, is never longer. */
export const FRAME_BYTES_MAX = 1024 * 1024;
/** A message of many clients is cut after this many bytes, so that only a single huge client takes several frames. */
const CUT_BYTES = 768 * 1024;
/** What a message of several frames may add up to: some 250 000 instances of one client. */
const MESSAGE_BYTES_MAX = 64 * FRAME_BYTES_MAX;

/** Order is part of the wire: new types go to the end. */
const TYPES = [
  "sync",
  "ack",
  "digest",
  "digestAsk",
  "buckets",
  "listing",
  "fetch",
  "loadAsk",
  "loadOffer",
  "loadRequest",
  "loadChunk",
  "handOver",
  "marks",
] as const satisfies readonly Message["type"][];
const KINDS = ["connection", "address"] as const;
/** `asked` is removed, too. */
const GONE: readonly (Gone | "asked" | undefined)[] = [undefined, "removed", "lost", "asked"];
const MARKS = ["unconfirmed", "answers"] as const;
const LAST = 0;
const MORE = 1;

/**
 * The bytes of a message, as frames that have to arrive in this order.
 *
 * Batches and chunks with many clients become several messages, of which only the last asks for an answer.
 */
export function frames(message: Message, frameBytesMax = FRAME_BYTES_MAX): Uint8Array[] {
  return cut(message).flatMap((bytes) => {
    const parts: Uint8Array[] = [];
    const room = frameBytesMax - 1;
    for (let at = 0; at === 0 || at < bytes.length; at += room) {
      const part = bytes.subarray(at, at + room);
      const frame = new Uint8Array(part.length + 1);
      frame[0] = at + room < bytes.length ? MORE : LAST;
      frame.set(part, 1);
      parts.push(frame);
    }
    return parts;
  });
}

/** What came is not a message. The link it came on is to be closed: nothing after it can be trusted. */
export interface FrameFailure {
  readonly type: "malformed";
  readonly reason: string;
}

/** Puts the frames of one link together again. */
export class FrameReader {
  #parts: Uint8Array[] = [];
  #length = 0;

  /** @returns undefined while more frames belong to the message. Never throws, whatever the bytes are. */
  push(frame: Uint8Array): Message | FrameFailure | undefined {
    const [flag] = frame;
    if (flag !== LAST && flag !== MORE) return this.#failed("a frame begins with an unknown byte");
    this.#length += frame.length - 1;
    if (this.#length > MESSAGE_BYTES_MAX) return this.#failed(`a message has more than ${MESSAGE_BYTES_MAX} bytes`);
    this.#parts.push(frame.subarray(1));
    if (flag === MORE) return undefined;
    const bytes = this.#joined();
    try {
      const reader = new Reader(bytes);
      const message = read(reader);
      reader.end();
      return message;
    } catch (error) {
      if (error instanceof Malformed) return this.#failed(error.message);
      throw error;
    }
  }

  #joined(): Uint8Array {
    const [only] = this.#parts;
    let bytes = only ?? new Uint8Array();
    if (this.#parts.length > 1) {
      bytes = new Uint8Array(this.#length);
      let at = 0;
      for (const part of this.#parts) {
        bytes.set(part, at);
        at += part.length;
      }
    }
    this.#parts = [];
    this.#length = 0;
    return bytes;
  }

  #failed(reason: string): FrameFailure {
    this.#parts = [];
    this.#length = 0;
    return { type: "malformed", reason };
  }
}

function cut(message: Message): Uint8Array[] {
  if (message.type !== "sync" && message.type !== "loadChunk") return [written(message)];
  const whole: Uint8Array[] = [];
  let bytes = 0;
  let changes: Change[] = [];
  for (const change of message.changes) {
    const size = sizeOf(change.contents);
    if (changes.length > 0 && bytes + size > CUT_BYTES) {
      whole.push(written({ type: "sync", seq: 0, changes, removals: [] }));
      changes = [];
      bytes = 0;
    }
    changes.push(change);
    bytes += size;
  }
  whole.push(written({ ...message, changes }));
  return whole;
}

/** More bytes than the contents take: three per UTF-16 unit, and a little for each length and number. */
function sizeOf({ app, agent, publications }: Contents): number {
  let units = 200 + app.length + agent.length;
  for (const { service, instances } of publications) {
    units += service.namespace.length + service.group.length + service.name.length + 16;
    for (const { ip, cluster, instanceId = "", metadata } of instances) {
      units += ip.length + cluster.length + instanceId.length + 24;
      for (const key in metadata) units += key.length + (metadata[key] as string).length + 8;
    }
  }
  return units * 3;
}

function written(message: Message): Uint8Array {
  const writer = new Writer();
  write(writer, message);
  return writer.bytes();
}

function write(to: Writer, message: Message): void {
  to.byte(TYPES.indexOf(message.type));
  switch (message.type) {
    case "sync":
      to.count(message.seq);
      writeList(to, message.changes, writeChange);
      return writeList(to, message.removals, writeHead);
    case "ack":
      return to.count(message.seq);
    case "digest":
      to.byte(Number(message.loaded));
      return writeList(to, message.owners, writeOwner);
    case "buckets":
      to.word(message.owner);
      to.byte(message.from);
      return writeList(to, message.hashes, (writer, hash) => writer.hash(hash));
    case "listing":
      to.word(message.owner);
      writeList(to, message.buckets, (writer, bucket) => writer.byte(bucket));
      writeList(to, message.heads, writeHead);
      return to.count(message.next ?? BUCKETS);
    case "fetch":
      return writeList(to, message.ids, (writer, id) => writer.text(id));
    case "loadOffer":
      to.byte(Number(message.loaded));
      return to.count(message.clients);
    case "loadRequest":
      return writeCursor(to, message.cursor);
    case "loadChunk":
      writeCursor(to, message.cursor);
      writeList(to, message.changes, writeChange);
      writeList(to, message.removals, writeHead);
      to.byte(Number(message.next !== undefined));
      if (message.next !== undefined) writeCursor(to, message.next);
      return;
    case "handOver":
      return writeList(to, message.heads, writeHead);
    case "marks":
      to.byte(MARKS.indexOf(message.mark));
      return writeList(to, message.heads, writeHead);
    case "digestAsk":
    case "loadAsk":
      return;
  }
}

function read(from: Reader): Message {
  const type = from.one(TYPES);
  switch (type) {
    case "sync":
      return { type, seq: from.count(), changes: readList(from, readChange), removals: readList(from, readHead) };
    case "ack":
      return { type, seq: from.count() };
    case "digest":
      return { type, loaded: readFlag(from), owners: readList(from, readOwner) };
    case "buckets":
      return { type, owner: from.word(), from: from.byte(), hashes: readList(from, (reader) => reader.hash()) };
    case "listing":
      return {
        type,
        owner: from.word(),
        buckets: readList(from, (reader) => reader.byte()),
        heads: readList(from, readHead),
        next: readNext(from),
      };
    case "fetch":
      return { type, ids: readList(from, (reader) => reader.text()) };
    case "loadOffer":
      return { type, loaded: readFlag(from), clients: from.count() };
    case "loadRequest":
      return { type, cursor: readCursor(from) };
    case "loadChunk":
      return {
        type,
        cursor: readCursor(from),
        changes: readList(from, readChange),
        removals: readList(from, readHead),
        next: readFlag(from) ? readCursor(from) : undefined,
      };
    case "handOver":
      return { type, heads: readList(from, readHead) };
    case "marks":
      return { type, mark: from.one(MARKS), heads: readList(from, readHead) };
    case "digestAsk":
    case "loadAsk":
      return { type };
  }
}

function writeList<T>(to: Writer, list: readonly T[], one: (to: Writer, item: T) => void): void {
  to.count(list.length);
  for (const item of list) one(to, item);
}

/** Items are read one by one, so that a count that lies costs no memory. */
function readList<T>(from: Reader, one: (from: Reader) => T): T[] {
  const length = from.count();
  const list: T[] = [];
  for (let at = 0; at < length; at++) list.push(one(from));
  return list;
}

function readFlag(from: Reader): boolean {
  return from.one([false, true]);
}

function readNext(from: Reader): number | undefined {
  const next = from.count();
  if (next > BUCKETS) throw new Malformed("a bucket is not one of 256");
  return next === BUCKETS ? undefined : next;
}

function writeCursor(to: Writer, { bucket, after }: Cursor): void {
  to.byte(bucket);
  to.text(after);
}

function readCursor(from: Reader): Cursor {
  return { bucket: from.byte(), after: from.text() };
}

function writeOwner(to: Writer, { owner, count, hash }: OwnerDigest): void {
  to.word(owner);
  to.count(count);
  to.hash(hash);
}

function readOwner(from: Reader): OwnerDigest {
  return { owner: from.word(), count: from.count(), hash: from.hash() };
}

function writeHead(to: Writer, { id, kind, version, contentHash, gone, asked, answers, after, ageMs }: Head): void {
  to.text(id);
  to.byte(KINDS.indexOf(kind));
  to.word(version.owner);
  to.count(version.incarnation);
  to.count(version.counter);
  to.hash(contentHash);
  to.byte(GONE.indexOf(gone === "removed" && asked ? "asked" : gone));
  to.byte(Number(answers));
  to.count(after);
  to.count(ageMs);
}

function readHead(from: Reader): Head {
  const head = {
    id: from.text(),
    kind: from.one(KINDS),
    version: { owner: from.word(), incarnation: from.count(), counter: from.count() },
    contentHash: from.hash(),
    gone: from.one(GONE),
    answers: readFlag(from),
    after: from.count(),
    ageMs: from.count(),
  };
  const { gone } = head;
  return gone === "asked" ? { ...head, gone: "removed", asked: true } : { ...head, gone };
}

function writeChange(to: Writer, change: Change): void {
  writeHead(to, change);
  to.byte(Number(change.base !== undefined));
  if (change.base !== undefined) writeBase(to, change.base);
  const { ip, port, app, agent, createdAt, publications } = change.contents;
  to.text(ip);
  to.count(port);
  to.word(app);
  to.word(agent);
  to.real(createdAt);
  writeList(to, publications, (_, { service, instances }) => {
    to.word(service.namespace);
    to.word(service.group);
    to.word(service.name);
    writeList(to, instances, writeInstance);
  });
}

function readChange(from: Reader): Change {
  const head = readHead(from);
  if (head.gone !== undefined) throw new Malformed("a client that is gone has contents");
  const base = readFlag(from) ? { counter: from.count(), contentHash: from.hash() } : undefined;
  const contents: Contents = {
    ip: from.text(),
    port: from.count(),
    app: from.word(),
    agent: from.word(),
    createdAt: from.real(),
    publications: readList(from, () => ({
      service: { namespace: from.word(), group: from.word(), name: from.word() },
      instances: readList(from, readInstance),
    })),
  };
  return base === undefined ? { ...head, contents } : { ...head, contents, base };
}

function writeBase(to: Writer, { counter, contentHash }: Base): void {
  to.count(counter);
  to.hash(contentHash);
}

function writeInstance(to: Writer, instance: PublishedInstance): void {
  to.text(instance.ip);
  to.count(instance.port);
  to.real(instance.weight);
  to.byte(Number(instance.healthy) + 2 * Number(instance.enabled) + 4 * Number(instance.instanceId !== undefined));
  to.word(instance.cluster);
  if (instance.instanceId !== undefined) to.text(instance.instanceId);
  writeList(to, Object.keys(instance.metadata), (_, key) => {
    to.word(key);
    to.word(instance.metadata[key] as string);
  });
}

function addPair(to: Record<string, string>, key: string, value: string): void {
  // Assigned, this one key would be lost.
  if (key === "__proto__")
    Object.defineProperty(to, key, { value, enumerable: true, configurable: true, writable: true });
  else to[key] = value;
}

function readInstance(from: Reader): PublishedInstance {
  const ip = from.text();
  const port = from.count();
  const weight = from.real();
  const flags = from.byte();
  if (flags > 7) throw new Malformed("an instance has unknown flags");
  const cluster = from.word();
  const instanceId = (flags & 4) > 0 ? from.text() : undefined;
  const metadata: Record<string, string> = {};
  for (let left = from.count(); left > 0; left--) addPair(metadata, from.word(), from.word());
  return { ip, port, weight, healthy: (flags & 1) > 0, enabled: (flags & 2) > 0, cluster, metadata, instanceId };
}
