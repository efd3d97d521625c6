import { SENSITIVE_NAMES } from "../hpack/static-table.ts";
import type { Head } from "./head.ts";

/** Names, values and 32 bytes for each field. Clients of one kind say the same in a few hundred; what is longer is rarely said twice. */
export const SHARED_HEAD_BYTES_MAX = 1024;
const PLACES = 256;

/**
 * One head for all connections of a server that sent the same: thousands of idle clients have opened their stream with
 * equal fields. There are as many places as there are; what a new head finds in its place it pushes out, unless that was
 * met twice, and only a head that was met twice itself pushes that out. So a peer that sends much of its own costs the
 * others nothing but a copy.
 */
export class SharedHeads {
  /** Met at least twice. */
  readonly #known = new Array<Head | undefined>(PLACES).fill(undefined);
  /** Met once. */
  readonly #latest = new Array<Head | undefined>(PLACES).fill(undefined);

  /** @returns the head that all share which say this, or the one that was given. */
  shared(head: Head): Head {
    if (!isShareable(head)) return head;
    const place = placeOf(head);
    const known = this.#known[place];
    if (known !== undefined && isEqual(known, head)) return known;
    const latest = this.#latest[place];
    if (latest !== undefined && isEqual(latest, head)) {
      this.#known[place] = latest;
      return latest;
    }
    this.#latest[place] = head;
    return head;
  }
}

/** A secret is not kept: it would outlive its connection. Nor is what has to be refused. */
function isShareable({ listBytes, tooLarge, malformed, fields }: Head): boolean {
  if (listBytes > SHARED_HEAD_BYTES_MAX || tooLarge || malformed !== undefined) return false;
  for (let at = 0; at < fields.length; at += 2) if (SENSITIVE_NAMES.has(fields[at] as string)) return false;
  return true;
}

/** Of each value its length and its end: what differs from call to call differs there, and all octets would cost more. */
function placeOf({ path, authority, fields }: Head): number {
  let hash = mixed(mixed(0, path), authority);
  for (let at = 1; at < fields.length; at += 2) hash = mixed(hash, fields[at] as string);
  return (hash ^ (hash >>> 15)) & (PLACES - 1);
}

function mixed(hash: number, text: string): number {
  const { length } = text;
  const last = length === 0 ? 0 : text.charCodeAt(length - 1);
  return Math.imul(hash ^ (length << 8) ^ last, 0x01000193);
}

function isEqual(one: Head, other: Head): boolean {
  if (one.listBytes !== other.listBytes || one.fields.length !== other.fields.length) return false;
  if (one.method !== other.method || one.scheme !== other.scheme || one.contentLength !== other.contentLength)
    return false;
  if (one.path !== other.path || one.authority !== other.authority || one.status !== other.status) return false;
  for (let at = 0; at < one.fields.length; at++) if (one.fields[at] !== other.fields[at]) return false;
  return true;
}
