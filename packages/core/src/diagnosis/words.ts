import type { Millis } from "../lib/units.ts";
import type { Address } from "../membership/address.ts";

const LISTED_MAX = 4;
const CUT_CHARS = 80;

/** `12:00:03 UTC`. A time of day: what is told of lies within hours, and a moment does not change as it is told again. */
export function clockText(at: Millis): string {
  const second = Math.floor(at / 1000) % 86_400;
  return [second / 3600, (second / 60) % 60, second % 60].map(two).join(":").concat(" UTC");
}

function two(value: number): string {
  return String(Math.floor(value)).padStart(2, "0");
}

/** `8.2 s`, `3 min`. */
export function durationText(ms: Millis): string {
  if (ms >= 120_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function bytesText(bytes: number): string {
  return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}

export function percentText(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** `1 client`, `12 clients`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** `a`, `a and b`, `a, b and 3 more`. */
export function listText(items: readonly string[]): string {
  const shown = items.slice(0, items.length > LISTED_MAX ? LISTED_MAX - 1 : LISTED_MAX);
  const rest = items.length - shown.length;
  const all = rest > 0 ? [...shown, `${rest} more`] : shown;
  return all.length < 2 ? (all[0] ?? "") : `${all.slice(0, -1).join(", ")} and ${all.at(-1)}`;
}

/** Text that came from elsewhere, as part of a sentence. */
export function quoted(text: string): string {
  const plain = text.replaceAll(/\p{Cc}+/gu, " ");
  return `'${plain.length > CUT_CHARS ? `${plain.slice(0, CUT_CHARS)}…` : plain}'`;
}

/** The same host, at a port that lies so far above. */
export function withPortAbove(address: Address, offset: number): Address {
  const { host, port } = partsOf(address);
  return `${host}:${Number(port) + offset}`;
}

export function portOf(address: Address): number {
  return Number(partsOf(address).port);
}

export function hostOf(address: Address): string {
  return partsOf(address).host.replace(/^\[|\]$/g, "");
}

function partsOf(address: Address): { readonly host: string; readonly port: string } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at), port: address.slice(at + 1) };
}
