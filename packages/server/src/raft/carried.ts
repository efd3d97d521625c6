import type { MemberId, Stamp } from "@nacre/core/raft";
import type { CommandCodec } from "../storage/port.ts";

/** What an entry of the log carries for the machine. */
export type Carried<C> =
  /** A member begins a life, in which its proposals count from 1. */
  | { readonly type: "open"; readonly member: MemberId; readonly life: number }
  /** A member left the group for good. */
  | { readonly type: "end"; readonly member: MemberId }
  | { readonly type: "write"; readonly stamp: Stamp; readonly command: C }
  /** Of a log from before there were groups. */
  | { readonly type: "plain"; readonly command: C };

const LINE_BREAK = 0x0a;
/** Begins a head. A command of before is an object. */
const BRACKET = 0x5b;

/** A line of JSON, `[member]`, `[member, life]` or `[member, life, number, low]`, and the command behind it. JSON has no line break. */
export function openPayload(member: MemberId, life: number): Buffer {
  return Buffer.from(`${JSON.stringify([member, life])}\n`);
}

export function endPayload(member: MemberId): Buffer {
  return Buffer.from(`${JSON.stringify([member])}\n`);
}

export function writePayload({ member, life, number, low }: Stamp, command: Buffer): Buffer {
  const head = `${JSON.stringify([member, life, number, low])}\n`;
  const length = Buffer.byteLength(head);
  const payload = Buffer.allocUnsafe(length + command.length);
  payload.write(head);
  command.copy(payload, length);
  return payload;
}

/** Whether features have made it: it is no beginning and no end of a session. */
export function isWrite(payload: Uint8Array): boolean {
  if (payload[0] !== BRACKET) return true;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const head: unknown = JSON.parse(bytes.toString("utf8", 0, bytes.indexOf(LINE_BREAK)));
  return Array.isArray(head) && head.length > 2;
}

/** @throws Error for a payload that was made by none of these, and not by `inner`. */
export function carriedCodec<C>(inner: CommandCodec<C> | undefined): CommandCodec<Carried<C>> {
  const decode = (payload: Uint8Array): C =>
    inner === undefined ? (JSON.parse(Buffer.from(payload).toString()) as C) : inner.decode(payload);
  return {
    encode() {
      throw new Error("proposals are encoded before they have their places");
    },
    decode(payload) {
      const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
      if (bytes[0] !== BRACKET) return { type: "plain", command: decode(bytes) };
      const end = bytes.indexOf(LINE_BREAK);
      const head: unknown = end < 0 ? undefined : JSON.parse(bytes.toString("utf8", 0, end));
      if (!Array.isArray(head) || typeof head[0] !== "string") throw new Error("an entry has a damaged head");
      const [member, life, number, low] = head as [string, number, number, number];
      if (head.length === 1) return { type: "end", member };
      if (head.length === 2) return { type: "open", member, life };
      return { type: "write", stamp: { member, life, number, low }, command: decode(bytes.subarray(end + 1)) };
    },
  };
}

/**
 * What a member wants to have in the log is read before it comes in: an entry that nobody can read would stop every member
 * of the group, and every start of it.
 *
 * @param number  under which it was sent.
 * @returns what is wrong with it, as a clause.
 */
export function whyNotCarried<C>(
  inner: CommandCodec<C> | undefined,
  from: MemberId,
  number: number,
  payload: Uint8Array,
): string | undefined {
  let carried: Carried<C>;
  try {
    carried = carriedCodec(inner).decode(payload);
  } catch (thrown) {
    return `what it proposes cannot be read (${(thrown as Error).message})`;
  }
  if (carried.type === "open") {
    const { member, life } = carried;
    return member === from && number === 0 && isCount(life) ? undefined : "it opens a session that is not its own";
  }
  if (carried.type !== "write") return "it proposes outside of a session";
  const { member, life, low, number: stamped } = carried.stamp;
  const isOwn = member === from && stamped === number && isCount(life) && isCount(low) && low <= number;
  return isOwn ? undefined : "it proposes in a session that is not its own";
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
