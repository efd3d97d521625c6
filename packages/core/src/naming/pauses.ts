import type { Millis } from "../lib/units.ts";
import type { Client } from "./model.ts";
import { isReplaced } from "./news.ts";
import { removeClient } from "./publish.ts";
import type { NamingState, Turn } from "./state.ts";

/** Naming is woken more often than this: when it was not, the process did not run, and what was said waits unread. */
const PAUSE_MS = 3_000;
/** What is held back after a pause is held back for as long as the pause was, and no longer than this. */
const HOLD_MAX_MS = 30_000;
/**
 * What a connection leaves behind that its client gave up because of a pause: the grace of clients that lost their
 * member. They say elsewhere what they publish, in rounds of 3 s once they are connected.
 */
const GRACE_MS = 15_000;

/** Called with every tick: after a pause of the process nobody is judged until what came meanwhile has been read. */
export function notePause(state: NamingState, now: Millis): void {
  const pausedMs = pauseBefore(state, now);
  state.lastTickAt = now;
  // A short pause soon after a long one does not end the time that the long one needs.
  if (pausedMs > PAUSE_MS)
    state.holdExpiryUntil = Math.max(state.holdExpiryUntil, now + Math.min(pausedMs, HOLD_MAX_MS));
}

/**
 * A connection ended during a pause or soon after it: its client may have given it up because nobody answered, and lives.
 *
 * @returns whether what it publishes stays for now: until it is published elsewhere, or the grace is over.
 */
export function keepEnded({ state, now }: Turn, client: Client, cause: string): boolean {
  // What waits in the sockets may be read before the clock is looked at.
  if (now >= state.holdExpiryUntil && pauseBefore(state, now) <= PAUSE_MS) return false;
  if (client.publications.size === 0 || isReplaced(state, client)) return false;
  const until = now + GRACE_MS;
  state.ended.set(client, { until, cause });
  state.tasks.add(until, { type: "ended", client });
  return true;
}

/** Its grace may be over. */
export function endGrace(turn: Turn, client: Client): void {
  const ended = turn.state.ended.get(client);
  if (ended !== undefined && ended.until <= turn.now) remove(turn, client, ended.cause);
}

/** Those go of which newer clients publish everything, as nobody can see it. */
export function removeReplaced(turn: Turn): void {
  for (const client of turn.covered ?? []) {
    const ended = turn.state.ended.get(client);
    if (ended !== undefined && isReplaced(turn.state, client)) remove(turn, client, ended.cause);
  }
}

function remove(turn: Turn, client: Client, cause: string): void {
  turn.state.ended.delete(client);
  removeClient(turn, client, cause);
}

function pauseBefore({ lastTickAt }: NamingState, now: Millis): Millis {
  return lastTickAt === undefined ? 0 : now - lastTickAt;
}
