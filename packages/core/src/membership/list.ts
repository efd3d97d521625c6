import type { Millis } from "../lib/units.ts";
import { type Address, isIp, readAddress } from "./address.ts";
import { persist } from "./joining.ts";
import { EMPTY_LIST, parseMemberList } from "./member-list.ts";
import { resolved, targets } from "./self.ts";
import type { Member, Membership, Out } from "./state.ts";

/** The first list counts at once, as nobody can be lost by it; a later one when it has stayed the same (M10). */
export function readList(state: Membership, text: string | undefined, source: string, now: Millis): void {
  const pending = state.listPending;
  if (pending === undefined || pending.text !== text || pending.source !== source)
    state.listPending = { text, source, since: now };
  if (state.listReadAt === undefined) takeList(state, now);
}

export function listTick(state: Membership, now: Millis): void {
  const pending = state.listPending;
  if (pending !== undefined && now - pending.since >= state.options.listStableMs) takeList(state, now);
}

function takeList(state: Membership, now: Millis): void {
  const pending = state.listPending;
  if (pending === undefined) return;
  state.listPending = undefined;
  const read = pending.text === undefined ? EMPTY_LIST : parseMemberList(pending.text, state.start.port);
  state.lastRead = read;
  state.listReadAt = now;
  state.listSource = pending.source;
  // Nobody takes the last member off a list on purpose: this is a file that is being written, or was lost.
  if (read.entries.length === 0 && state.list.entries.length > 0) state.listEmptiedAt ??= now;
  else {
    state.list = read;
    state.derived = undefined;
    state.listEmptiedAt = undefined;
  }
}

/**
 * Through whom this member joined counts until somebody whom its list names is UP: from then on the list tells where the
 * others are, and who takes an address off it, or moves there, would else be told of that address for ever.
 */
export function joinedTick(state: Membership, out: Out): void {
  if (state.joined.size === 0 || state.joining.size > 0) return;
  const named = new Set(state.list.entries.flatMap((entry) => resolved(state, entry)));
  if (![...state.members.values()].some((member) => member.state === "UP" && isListed(state, member, named))) return;
  state.joined.clear();
  state.derived = undefined;
  persist(state, out);
}

/** Names that are to be looked up now; a name that does not resolve is asked again each second, for ever. */
export function resolveNames(state: Membership, now: Millis, out: Out): void {
  const wanted = new Set<string>();
  for (const { host } of state.list.entries) if (!isIp(host)) wanted.add(host);
  for (const text of state.joined) {
    const read = readAddress(text, state.start.port);
    if (typeof read !== "string" && !isIp(read.host)) wanted.add(read.host);
  }
  for (const host of state.names.keys()) if (!wanted.has(host)) state.names.delete(host);
  for (const host of wanted) {
    const known = state.names.get(host);
    if (known !== undefined && now < known.nextAt) continue;
    if (known === undefined) state.names.set(host, { ips: [], error: undefined, nextAt: 0, since: now });
    const entry = state.names.get(host);
    if (entry !== undefined) entry.nextAt = now + state.options.resolveAgainMs;
    out.push({ type: "resolve", host });
  }
}

export function takeResolved(
  state: Membership,
  answer: { host: string; ips: readonly string[]; error?: string },
  now: Millis,
): void {
  const name = state.names.get(answer.host);
  if (name === undefined) return;
  const failed = answer.error !== undefined || answer.ips.length === 0;
  const error = failed ? (answer.error ?? "no address") : undefined;
  if ((error === undefined) !== (name.error === undefined)) name.since = now;
  name.error = error;
  name.nextAt = now + (failed ? state.options.resolveRetryMs : state.options.resolveAgainMs);
  if (failed) return;
  state.derived = undefined;
  name.ips = answer.ips.slice(0, state.options.membersMax);
}

/** Nobody answered there: a name that leads to the address is looked up sooner than the others. */
export function lookUpSooner({ names, options }: Membership, address: Address, now: Millis): void {
  for (const name of names.values())
    if (name.ips.some((ip) => address.startsWith(`${ip}:`) || address.startsWith(`[${ip}]:`)))
      name.nextAt = Math.min(name.nextAt, now + options.resolveUnfoundMs);
}

/** Whether the list, or an operator, names the member: by an address it has, or one where it was found. */
export function isListed(state: Membership, member: Member, named: ReadonlySet<Address> = targets(state)): boolean {
  if (member.addresses.some((address) => named.has(address))) return true;
  for (const address of named) if (state.dials.get(address)?.memberId === member.id) return true;
  return false;
}

/** Marks members that the list does not name, and forgets them once they are down for long (M11). */
export function markUnlisted(state: Membership, now: Millis): Member[] {
  const named = targets(state);
  const past: Member[] = [];
  for (const member of state.members.values()) {
    if (state.list.entries.length === 0 || isListed(state, member, named)) {
      member.wasListed ||= state.list.entries.length > 0;
      member.unlistedAt = undefined;
    } else member.unlistedAt ??= now;
    if (member.state !== "DOWN") continue;
    const downFor = now - Math.max(member.since, member.unlistedAt ?? now);
    if (member.leaving === "forever" || downFor >= state.options.forgetMs) past.push(member);
  }
  return past;
}
