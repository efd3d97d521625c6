import type { MemberId, Stamp } from "@nacre/core/raft";
import { type CommandCodec, MalformedCommand, UnknownKind } from "../storage/port.ts";

/** What an entry of the log carries for the machine. */
export type Carried<C> =
  /** A member begins a life, in which its proposals count from 1. */
  | { readonly type: "open"; readonly member: MemberId; readonly life: number }
  /** A member left the group for good. */
  | { readonly type: "end"; readonly member: MemberId }
  | { readonly type: "write"; readonly stamp: Stamp; readonly command: C }
  /** Of a log from before there were groups. */
  | { readonly type: "plain"; readonly command: C }
  /** What is there is no command, or none of this version: `error` says which, as `CommandCodec.decode` throws it. */
  | { readonly type: "unusable"; readonly stamp: Stamp | undefined; readonly error: Error };

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
  const head = headOf(asBuffer(payload));
  return head === undefined || head.stamp !== undefined;
}

/** Decoding never throws: whatever an entry holds, each member of a version makes the same of it (Q13). */
export function carriedCodec<C>(inner: CommandCodec<C> | undefined): CommandCodec<Carried<C>> {
  const commandIn = (bytes: Buffer): C =>
    inner === undefined ? (JSON.parse(bytes.toString()) as C) : inner.decode(bytes);
  return {
    encode() {
      throw new Error("proposals are encoded before they have their places");
    },
    decode(payload) {
      const bytes = asBuffer(payload);
      let stamp: Stamp | undefined;
      try {
        if (bytes[0] !== BRACKET) return { type: "plain", command: commandIn(bytes) };
        const head = headOf(bytes);
        if (head === undefined) throw new Error("it has a damaged head");
        if (head.stamp === undefined) return head.carried;
        stamp = head.stamp;
        return { type: "write", stamp, command: commandIn(bytes.subarray(head.end)) };
      } catch (thrown) {
        return { type: "unusable", stamp, error: thrown as Error };
      }
    },
  };
}

type Head =
  | { readonly stamp: Stamp; readonly end: number }
  | { readonly stamp: undefined; readonly carried: Carried<never> & { readonly type: "open" | "end" } };

/** Undefined for one that was made by none of these. */
function headOf(bytes: Buffer): Head | undefined {
  const end = bytes[0] === BRACKET ? bytes.indexOf(LINE_BREAK) : -1;
  if (end < 0) return undefined;
  let head: unknown;
  try {
    head = JSON.parse(bytes.toString("utf8", 0, end));
  } catch {
    return undefined;
  }
  if (!Array.isArray(head)) return undefined;
  const [member, ...counts] = head as [unknown, ...unknown[]];
  if (typeof member !== "string" || !counts.every(isCount)) return undefined;
  const [life, number, low] = counts;
  if (life === undefined) return { stamp: undefined, carried: { type: "end", member } };
  if (number === undefined) return { stamp: undefined, carried: { type: "open", member, life } };
  return low === undefined || counts.length > 3 ? undefined : { stamp: { member, life, number, low }, end: end + 1 };
}

/** What a member wants to have in the log, and cannot. As clauses, which name the field where there is one. */
export type Refused =
  /** No member of any version sends it. */
  | { readonly how: "nonsense"; readonly why: string }
  /** This version has no such command; the sender may be of a later one. */
  | { readonly how: "notACommand"; readonly why: string };

/**
 * What a member wants to have in the log is read before it comes in: an entry that this version does not know would stop
 * all members of it.
 *
 * @param number  under which it was sent.
 */
export function whyNotCarried<C>(
  inner: CommandCodec<C> | undefined,
  from: MemberId,
  number: number,
  payload: Uint8Array,
): Refused | undefined {
  const nonsense = (why: string): Refused => ({ how: "nonsense", why });
  const carried = carriedCodec(inner).decode(payload);
  if (carried.type === "open") {
    const isOwn = carried.member === from && number === 0;
    return isOwn ? undefined : nonsense("it opens a session that is not its own");
  }
  if (carried.type === "end" || carried.type === "plain") return nonsense("it proposes outside of a session");
  const { stamp } = carried;
  const error = carried.type === "unusable" ? carried.error : undefined;
  const isKnown = error === undefined || error instanceof UnknownKind || error instanceof MalformedCommand;
  if (!isKnown || stamp === undefined) return nonsense(`what it proposes cannot be read (${error?.message})`);
  const isOwn = stamp.member === from && stamp.number === number && stamp.low <= number;
  if (!isOwn) return nonsense("it proposes in a session that is not its own");
  return error && { how: "notACommand", why: error.message };
}

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
