import { assert } from "../lib/assert.ts";
import { type Millis, minutes } from "../lib/units.ts";
import type { Address } from "./address.ts";
import type { Event, LinkId } from "./events.ts";
import { joinRefused, LEADS_BACK } from "./joining.ts";
import { lookUpSooner } from "./list.ts";
import { askOthers, sendProbe } from "./probes.ts";
import { ownAddresses, targets } from "./self.ts";
import type { Dial, Link, Member, Membership, Out } from "./state.ts";

const LINKS_PER_MEMBER = 4;
/** An inbound link that carried nothing for this long is closed: its maker would have probed over it. */
const INBOUND_IDLE_MS: Millis = minutes(1);
/** An address that led back here is tried again after this: it may lead elsewhere by then. */
const SELF_AGAIN_MS: Millis = minutes(1);

/** Keeps a dial for each address that matters, and calls those that are due. One link per member and direction (M6). */
export function dialTick(state: Membership, now: Millis, out: Out): void {
  const wanted = new Set(targets(state));
  for (const member of state.members.values()) for (const address of member.addresses) wanted.add(address);
  for (const own of ownAddresses(state)) wanted.delete(own);
  for (const dial of [...state.dials.values()])
    if (!wanted.has(dial.address) && dial.phase !== "connecting") dropDial(state, dial, out);
  for (const address of wanted) {
    if (!state.dials.has(address) && hasRoom(state, address, out)) state.dials.set(address, newDial(address, now));
    const dial = state.dials.get(address);
    if (dial === undefined || dial.phase !== "idle" || now < dial.nextAt) continue;
    if (dial.memberId !== undefined && state.members.get(dial.memberId)?.out !== undefined) continue;
    dial.phase = "connecting";
    out.push({ type: "connect", address });
  }
}

/**
 * A member that this one could not reach has made a link, so it listens by now: nobody waits for the next try. Once per
 * link, so that a port which is closed for good is not called more often.
 */
export function callBack(state: Membership, member: Member, now: Millis): void {
  if (member.out !== undefined) return;
  for (const address of member.addresses) {
    const dial = state.dials.get(address);
    if (dial?.phase === "idle") dial.nextAt = Math.min(dial.nextAt, now);
  }
}

/** An address that is named takes the place of one that a member only says it has. */
function hasRoom(state: Membership, address: Address, out: Out): boolean {
  if (state.dials.size < 2 * state.options.membersMax) return true;
  const named = targets(state);
  if (!named.has(address)) return false;
  for (const dial of state.dials.values()) {
    if (dial.phase !== "idle" || named.has(dial.address)) continue;
    dropDial(state, dial, out);
    return true;
  }
  return false;
}

function newDial(address: Address, now: Millis): Dial {
  return {
    address,
    phase: "idle",
    link: undefined,
    nextAt: now,
    since: now,
    memberId: undefined,
    isSelf: false,
    refused: false,
    error: undefined,
    refusal: undefined,
  };
}

function dropDial(state: Membership, dial: Dial, out: Out): void {
  const link = dial.link === undefined ? undefined : state.links.get(dial.link);
  if (link !== undefined) closeLink(state, link, "the address is no longer of use", out);
  state.dials.delete(dial.address);
}

export function linkOpened(
  state: Membership,
  event: Extract<Event, { type: "linkOpened" }>,
  now: Millis,
  out: Out,
): void {
  assert(!state.links.has(event.link), `link numbers are unique: ${event.link}`);
  const dial = event.address === undefined ? undefined : state.dials.get(event.address);
  const unasked = event.address !== undefined && dial?.phase !== "connecting";
  const isFull =
    !unasked && state.links.size >= LINKS_PER_MEMBER * state.options.membersMax && !dropStranger(state, out);
  if (unasked || isFull) {
    out.push({ type: "closeLink", link: event.link, reason: unasked ? "nobody asked for it" : "too many links" });
    if (dial?.phase === "connecting") fail(dial, "too many links", now + state.options.redialMs);
    return;
  }
  const link: Link = {
    id: event.link,
    dial,
    memberId: undefined,
    openedAt: now,
    answeredAt: now,
    nextProbeAt: now,
    nextSeq: 1,
    pending: new Map(),
  };
  state.links.set(link.id, link);
  if (dial === undefined) return;
  dial.phase = "open";
  dial.link = link.id;
  dial.refused = false;
  sendProbe(state, link, now, out);
}

/** Members show their card at once: links that wait for one are not to keep a member out. The oldest goes. */
function dropStranger(state: Membership, out: Out): boolean {
  for (const link of state.links.values()) {
    if (link.dial !== undefined || link.memberId !== undefined) continue;
    closeLink(state, link, "it has not said who it is, and there are too many links", out);
    return true;
  }
  return false;
}

export function connectFailed(
  state: Membership,
  event: Extract<Event, { type: "connectFailed" }>,
  now: Millis,
  out: Out,
): void {
  const dial = state.dials.get(event.address);
  if (dial?.phase !== "connecting") return;
  fail(dial, event.error, now + state.options.redialMs);
  dial.refusal = undefined;
  lookUpSooner(state, event.address, now);
  dial.refused = event.refused;
  const member = memberAt(state, dial);
  if (member === undefined) return;
  member.lastError = `${event.address}: ${event.error}`;
  member.answersInRow = 0;
  // An address that the member has left says nothing about it.
  if (event.refused && member.addresses.includes(event.address)) member.refusedAt ??= now;
  askOthers(state, member, now, out);
}

/** Who was found there, or says that it is there. */
function memberAt(state: Membership, dial: Dial): Member | undefined {
  if (dial.memberId !== undefined) return state.members.get(dial.memberId);
  for (const member of state.members.values()) if (member.addresses.includes(dial.address)) return member;
  return undefined;
}

function fail(dial: Dial, error: string, nextAt: Millis): void {
  dial.phase = "idle";
  dial.link = undefined;
  dial.error = error;
  dial.nextAt = nextAt;
}

export function linkClosed(state: Membership, id: LinkId, error: string, now: Millis): void {
  const link = state.links.get(id);
  if (link === undefined) return;
  // At once, as the end of a link is the first sign of a death; but not in a loop with somebody who hangs up.
  forgetLink(state, link, error, Math.max(now, link.openedAt + state.options.redialMs));
}

export function closeLink(state: Membership, link: Link, reason: string, out: Out, nextAt = 0): void {
  out.push({ type: "closeLink", link: link.id, reason });
  forgetLink(state, link, link.dial?.error ?? reason, nextAt);
}

function forgetLink(state: Membership, link: Link, error: string, nextAt: Millis): void {
  state.links.delete(link.id);
  if (link.dial?.link === link.id) fail(link.dial, error, nextAt);
  const member = link.memberId === undefined ? undefined : state.members.get(link.memberId);
  if (member === undefined) return;
  member.ins.delete(link.id);
  if (member.out !== link.id) return;
  member.out = undefined;
  member.answersInRow = 0;
  member.lastError = `${link.dial?.address}: ${error}`;
}

/** A member answered over a link that was opened here. Says whether the link is kept. */
export function foundAt(state: Membership, link: Link, member: Member, now: Millis, out: Out): boolean {
  const { dial } = link;
  if (dial === undefined) return true;
  const before = dial.memberId === undefined ? undefined : state.members.get(dial.memberId);
  dial.memberId = member.id;
  dial.error = undefined;
  link.memberId = member.id;
  if (before !== undefined && before !== member) loseAddress(before, dial.address, member.id, now);
  if (!member.addresses.includes(dial.address) && member.addresses.length === 0) member.addresses = [dial.address];
  if (member.out === undefined) member.out = link.id;
  if (member.out === link.id) return true;
  const kept = state.links.get(member.out)?.dial?.address;
  closeLink(state, link, `the same member as ${kept}`, out);
  dial.error = undefined;
  return false;
}

/** Another member answers at the address now: the one that was there is gone, unless it has another one (M7). */
function loseAddress(member: Member, address: Address, to: string, now: Millis): void {
  member.addresses = member.addresses.filter((each) => each !== address);
  if (member.addresses.length > 0) return;
  member.replacedBy = to;
  member.replacedAt = now;
}

/** The address leads back to this member. */
export function foundSelf(state: Membership, link: Link, now: Millis, out: Out): void {
  const { dial } = link;
  if (dial !== undefined) {
    dial.isSelf = true;
    dial.memberId = undefined;
  }
  joinRefused(state, dial?.address, LEADS_BACK, out);
  closeLink(state, link, "it leads back here", out, now + SELF_AGAIN_MS);
  if (dial === undefined) return;
  dial.error = undefined;
  dial.refusal = undefined;
}

/** Closes links that bring nothing: what a partition has cut does not come back by itself for minutes. */
export function closeSilent(state: Membership, now: Millis, out: Out): void {
  if (now < state.holdUntil) return;
  for (const link of [...state.links.values()]) {
    const silentMs = now - link.answeredAt;
    if (silentMs < (link.dial === undefined ? INBOUND_IDLE_MS : state.options.linkSilentMs)) continue;
    closeLink(state, link, `no answer for ${Math.round(silentMs / 1000)} s`, out, now);
  }
}
