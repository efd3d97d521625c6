import type { ServiceName } from "@nacre/protocol";
import type { Cursor, Loaded, Message, Outgoing, Sync } from "./messages.ts";
import type { Change, ClientId, Contents, Outline } from "./model.ts";
import { bucketOf } from "./wide-map.ts";

/** What one message holds at most, about, unless a single client has more: clients may publish thousands of instances. */
const MESSAGE_BYTES = 1024 * 1024;
/** What an instance takes beside its metadata. */
const INSTANCE_BYTES = 64;

/** What naming holds of a client: all of it, or what it publishes for some services. */
export type ContentsOf = (id: ClientId, services?: readonly ServiceName[]) => Contents | undefined;

/**
 * Puts the contents into a message, and cuts what becomes too large. Clients that naming does not hold are left out:
 * what they became follows. Of changes there are several messages then, of which the last one is acknowledged; of a load
 * the first part, behind which the receiver asks on.
 */
export function fill(message: Outgoing, contentsOf: ContentsOf, bytesMax = MESSAGE_BYTES): Message[] {
  if (message.type === "sync") return [...filledSync(message, contentsOf, bytesMax)];
  if (message.type === "loadChunk") return [filledChunk(message, contentsOf, bytesMax)];
  return [message];
}

function* filledSync(message: Sync<Outline>, contentsOf: ContentsOf, bytesMax: number): Generator<Message> {
  let changes: Change[] = [];
  let bytes = 0;
  for (const { part, ...head } of message.changes) {
    const contents = contentsOf(head.id, part?.services);
    if (contents === undefined) continue;
    if (bytes >= bytesMax) {
      yield { type: "sync", seq: 0, changes, removals: [] };
      [changes, bytes] = [[], 0];
    }
    changes.push(part === undefined ? { ...head, contents } : { ...head, contents, base: part.base });
    bytes += sizeOf(contents);
  }
  yield { ...message, changes };
}

function filledChunk(message: Loaded<Outline>, contentsOf: ContentsOf, bytesMax: number): Message {
  const changes: Change[] = [];
  let bytes = 0;
  let last: Cursor | undefined;
  for (const head of message.changes) {
    if (bytes >= bytesMax && last !== undefined) {
      const next = last;
      return { ...message, changes, removals: message.removals.filter(({ id }) => !isAfter(id, next)), next };
    }
    const contents = contentsOf(head.id);
    if (contents === undefined) continue;
    changes.push({ ...head, contents });
    bytes += sizeOf(contents);
    last = { bucket: bucketOf(head.id), after: head.id };
  }
  return { ...message, changes };
}

/** In the order of a load. */
function isAfter(id: ClientId, { bucket, after }: Cursor): boolean {
  const own = bucketOf(id);
  return own > bucket || (own === bucket && id > after);
}

function sizeOf({ publications }: Contents): number {
  let bytes = 0;
  for (const { instances } of publications)
    for (const { metadata } of instances) {
      bytes += INSTANCE_BYTES;
      for (const key in metadata) bytes += key.length + (metadata[key]?.length ?? 0);
    }
  return bytes;
}
