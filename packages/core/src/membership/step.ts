import { type Millis, seconds } from "../lib/units.ts";
import { judgeAll } from "./detector.ts";
import type { Effect, Event } from "./events.ts";
import { cancelJoin, join, joinRefused, joinUnresolved } from "./joining.ts";
import { closeSilent, connectFailed, dialTick, linkClosed, linkOpened } from "./links.ts";
import { joinedTick, listTick, markUnlisted, readList, resolveNames, takeResolved } from "./list.ts";
import { forget, receive, settle } from "./meeting.ts";
import { probeTick, sendProbe } from "./probes.ts";
import { quorumTick } from "./quorum.ts";
import { ringTick } from "./ring.ts";
import { judgeSelf } from "./self.ts";
import type { Membership, Out } from "./state.ts";

const CLOCK_MOVED_MS = 100;
/** A peer that was refused asks again every three seconds: one that is not heard of for longer has stopped. */
const REFUSED_FORGET_MS: Millis = seconds(8);

/** The only way the membership changes. See DESIGN.md for the invariants that comments cite. */
export function step(state: Membership, event: Event, now: Millis): readonly Effect[] {
  const out: Out = [];
  notePause(state, now);
  take(state, event, now, out);
  judgeSelf(state, now, out);
  judgeAll(state, now, out);
  ringTick(state, now, out);
  return out;
}

function take(state: Membership, event: Event, now: Millis, out: Out): void {
  switch (event.type) {
    case "tick":
      setClock(state, event.clockAt - now);
      return tick(state, now, out);
    case "received": {
      // Frames of a link that was closed here may still have been under way.
      const link = state.links.get(event.link);
      if (link !== undefined) receive(state, link, event.frame, now, out);
      return;
    }
    case "linkOpened":
      return linkOpened(state, event, now, out);
    case "linkClosed":
      linkClosed(state, event.link, event.error, now);
      return dialTick(state, now, out);
    case "connectFailed":
      connectFailed(state, event, now, out);
      return joinRefused(
        state,
        event.address,
        `no member answers at ${event.address} (${event.error}): name the main port of one that runs, and whose member port is open`,
        out,
      );
    case "listRead":
      readList(state, event.text, event.source, now);
      resolveNames(state, now, out);
      return dialTick(state, now, out);
    case "resolved":
      takeResolved(state, event, now);
      if (event.error !== undefined) joinUnresolved(state, event.host, event.error, out);
      return dialTick(state, now, out);
    case "localAddresses":
      state.localIps = [...event.ips];
      state.derived = undefined;
      return;
    case "join":
      join(state, event.address, now, out);
      resolveNames(state, now, out);
      return dialTick(state, now, out);
    case "cancelJoin":
      cancelJoin(state, out);
      return dialTick(state, now, out);
    case "leave":
      return leave(state, event.forever, now, out);
    case "forget":
      return forgetOnOrder(state, event.id, out);
    case "dataHeld":
      state.holdsData = true;
      if (!state.settled) settle(state, out);
      return;
  }
}

/** A gap between events is a pause of this process: what it could not hear meanwhile is held against nobody (M8). */
function notePause(state: Membership, now: Millis): void {
  const gapMs = state.lastEventAt === undefined ? 0 : now - state.lastEventAt;
  state.lastEventAt = now;
  if (gapMs < state.options.pauseMs) return;
  state.pause = { at: now, lengthMs: gapMs };
  state.holdUntil = Math.max(state.holdUntil, now + Math.min(gapMs, state.options.pauseHoldMaxMs));
  // Probes that were under way count as neither answered nor missed.
  for (const link of state.links.values()) {
    link.pending.clear();
    link.answeredAt = now;
    link.nextProbeAt = now;
  }
}

/** Offsets that were measured against the clock as it was are moved along with it. */
function setClock(state: Membership, offsetMs: Millis): void {
  const movedMs = offsetMs - state.clockOffsetMs;
  state.clockOffsetMs = offsetMs;
  if (Math.abs(movedMs) < CLOCK_MOVED_MS) return;
  for (const { offsets } of state.members.values()) for (const sample of offsets) sample.offsetMs -= movedMs;
}

function tick(state: Membership, now: Millis, out: Out): void {
  listTick(state, now);
  joinedTick(state, out);
  resolveNames(state, now, out);
  closeSilent(state, now, out);
  dialTick(state, now, out);
  probeTick(state, now, out);
  for (const member of markUnlisted(state, now))
    forget(state, member, member.leaving === "forever" ? "it left" : "no list names it, and it is down for long", out);
  for (const [key, { at }] of state.refused) if (now - at >= REFUSED_FORGET_MS) state.refused.delete(key);
  quorumTick(state, now, out);
}

/** Tells everybody at once; probes repeat it until this member is gone. */
function leave(state: Membership, forever: boolean, now: Millis, out: Out): void {
  state.leavingForever = forever;
  if (state.selfState === "LEAVING") return;
  state.selfState = "LEAVING";
  out.push({ type: "selfChanged", state: "LEAVING", address: state.selfAddress });
  for (const link of state.links.values()) if (link.dial !== undefined) sendProbe(state, link, now, out);
}

function forgetOnOrder(state: Membership, id: string, out: Out): void {
  const member = state.members.get(id);
  if (member === undefined) {
    out.push({ type: "forgetRefused", id, sentence: `no member has the id '${id}'` });
    return;
  }
  if (member.state === "DOWN") return forget(state, member, "an operator said that it does not come back", out);
  const sentence = `${member.addresses[0] ?? id} is ${member.state}: stop it first, and take it off the member lists`;
  out.push({ type: "forgetRefused", id, sentence });
}
