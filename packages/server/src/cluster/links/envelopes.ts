import { BODY_BYTES_MAX } from "./limits.ts";

/** Order is part of the wire: new kinds go to the end, and are sent only to those whose card says that they know them. */
export const KINDS = ["frame", "message", "call", "answer", "credit", "end", "raft"] as const;
export type Kind = (typeof KINDS)[number];

/** What travels on a link. */
export interface Envelope {
  readonly kind: Kind;
  readonly body: Uint8Array;
}

/** As it came: its body is a view of bytes that nobody changes. */
export interface Arrived extends Envelope {
  readonly body: Buffer;
}

/** A byte of kind and four of length. */
export const HEAD_BYTES = 5;
const CREDIT_BYTES = 16;
/** The reason of an end. Bytes. */
export const END_BYTES_MAX = 2_000;

const BODY_MAX: Record<Kind, number> = {
  frame: BODY_BYTES_MAX,
  message: BODY_BYTES_MAX,
  call: BODY_BYTES_MAX,
  answer: BODY_BYTES_MAX,
  credit: CREDIT_BYTES,
  end: END_BYTES_MAX,
  raft: BODY_BYTES_MAX,
};

/** How many Distro messages and bytes may be sent over a link in all, counted from its beginning. */
export interface Credit {
  readonly messages: number;
  readonly bytes: number;
}

/** Something that no member sends: the link it came on is closed with this sentence. */
export class Malformed extends Error {
  override readonly name = "Malformed";
}

export function writeHead(to: Buffer, at: number, kind: Kind, bytes: number): number {
  to[at] = KINDS.indexOf(kind);
  to.writeUInt32BE(bytes, at + 1);
  return at + HEAD_BYTES;
}

/** Cuts a batch into its envelopes. @throws Malformed when it is none. */
export function* readBatch(batch: Buffer): Generator<Arrived> {
  for (let at = 0; at < batch.length; ) {
    if (batch.length - at < HEAD_BYTES) throw new Malformed("a batch ends inside the head of an envelope");
    const kind = KINDS[batch[at] as number];
    if (kind === undefined) throw new Malformed(`an envelope is of the unknown kind ${batch[at]}`);
    const size = batch.readUInt32BE(at + 1);
    if (size > BODY_MAX[kind])
      throw new Malformed(`an envelope of kind '${kind}' has ${size} bytes, more than ${BODY_MAX[kind]}`);
    at += HEAD_BYTES;
    if (size > batch.length - at) throw new Malformed(`a batch ends inside an envelope of kind '${kind}'`);
    yield { kind, body: batch.subarray(at, at + size) };
    at += size;
  }
}

export function creditBody({ messages, bytes }: Credit): Buffer {
  const body = Buffer.allocUnsafe(CREDIT_BYTES);
  body.writeBigUInt64BE(BigInt(messages), 0);
  body.writeBigUInt64BE(BigInt(bytes), 8);
  return body;
}

/** @throws Malformed when it is none, or takes back what `before` gave. */
export function readCredit(body: Buffer, before: Credit): Credit {
  if (body.length !== CREDIT_BYTES) throw new Malformed(`a credit has ${body.length} bytes, not ${CREDIT_BYTES}`);
  const messages = Number(body.readBigUInt64BE(0));
  const bytes = Number(body.readBigUInt64BE(8));
  if (!Number.isSafeInteger(messages) || !Number.isSafeInteger(bytes))
    throw new Malformed("a credit is larger than can be used");
  if (messages < before.messages || bytes < before.bytes) throw new Malformed("a credit takes back what was given");
  return { messages, bytes };
}

export function endBody(reason: string): Buffer {
  const body = Buffer.from(reason);
  return body.length <= END_BYTES_MAX ? body : Buffer.from(reason.slice(0, END_BYTES_MAX / 4));
}

/** Whatever came: it is shown to people, and nothing else is done with it. */
export function readEnd(body: Buffer): string {
  return (
    body
      .toString("utf8")
      .replace(/\p{Cc}/gu, " ")
      .trim() || "it gave no reason"
  );
}
