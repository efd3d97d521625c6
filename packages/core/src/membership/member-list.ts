import { hashText, hex } from "../lib/hash.ts";
import { type Address, addressOf, type HostPort, readAddress } from "./address.ts";

/** One member as a list names it. `host` may be a name; what it resolves to comes in later, from outside. */
export interface ListEntry extends HostPort {
  readonly address: Address;
  /** Counted from 1. */
  readonly line: number;
}

export interface BadLine {
  readonly line: number;
  /** What stands there, cut to 80 characters. */
  readonly text: string;
  /** The rule that it breaks. */
  readonly rule: string;
}

export interface MemberList {
  readonly entries: readonly ListEntry[];
  /** The first `BAD_LINES_MAX`. */
  readonly badLines: readonly BadLine[];
  readonly badCount: number;
  /** Equal for lists of the same addresses in any order and spelling. */
  readonly hash: string;
}

export const LIST_ENTRIES_MAX = 100;
export const BAD_LINES_MAX = 20;
const SHOWN_CHARS_MAX = 80;
const LIST_CHARS_MAX = 1 << 20;

/**
 * Reads a member list: per line `ip`, `ip:port`, `host:port`, `[v6]:port`, several between commas; `#` starts a comment.
 * Every line is read by itself: a bad one is told with its number and costs no other one. Never throws.
 */
export function parseMemberList(text: string, defaultPort: number): MemberList {
  const entries = new Map<Address, ListEntry>();
  const badLines: BadLine[] = [];
  let badCount = 0;
  const bad = (line: number, shown: string, rule: string): void => {
    badCount++;
    if (badLines.length < BAD_LINES_MAX) badLines.push({ line, text: shown.slice(0, SHOWN_CHARS_MAX), rule });
  };
  const lines = text
    .slice(0, LIST_CHARS_MAX)
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/);
  for (const [at, whole] of lines.entries()) {
    const line = at + 1;
    for (const part of (whole.split("#", 1)[0] ?? "").split(",")) {
      const shown = part.trim();
      if (shown === "") continue;
      // The reference documents this form for its consensus port; here a member tells its other ports itself.
      const read = readAddress(shown.replace(/\?raft_port=\d+$/i, ""), defaultPort);
      if (typeof read === "string") bad(line, shown, read);
      else if (entries.size >= LIST_ENTRIES_MAX && !entries.has(addressOf(read)))
        bad(line, shown, `a list holds up to ${LIST_ENTRIES_MAX} members`);
      else if (!entries.has(addressOf(read))) entries.set(addressOf(read), { ...read, address: addressOf(read), line });
    }
  }
  if (text.length > LIST_CHARS_MAX) bad(lines.length, "", `a list holds up to ${LIST_CHARS_MAX} characters`);
  return { entries: [...entries.values()], badLines, badCount, hash: hashOf([...entries.keys()]) };
}

export const EMPTY_LIST: MemberList = { entries: [], badLines: [], badCount: 0, hash: hashOf([]) };

function hashOf(addresses: readonly Address[]): string {
  const joined = [...addresses].sort().join(",");
  return hex(hashText(joined)) + hex(hashText(joined, 0x9747b28c));
}
