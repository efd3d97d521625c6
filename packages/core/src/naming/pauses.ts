import type { Millis } from "../lib/units.ts";
import type { Client, ClientId } from "./model.ts";
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

const REPLACED_MS = 1_000;

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
 * @returns whether what it publishes stays until it is published elsewhere, or the grace is over.
 */
export function keepEnded(turn: Turn, client: Client, cause: string): boolean {
  const { state, now } = turn;
  // What waits in the sockets may be read before the clock is looked at.
  if (now >= state.holdExpiryUntil && pauseBefore(state, now) <= PAUSE_MS) return false;
  if (client.publications.size === 0 || isReplaced(state, client)) return false;
  keepFor(turn, client, cause);
  return true;
}

/** What it publishes stays for the grace, or until newer clients publish all of it. */
export function keepFor({ state, now }: Turn, client: Client, cause: string): void {
  if (state.ended.has(client)) return;
  const until = now + GRACE_MS;
  state.ended.set(client, { until, cause });
  state.tasks.add(until, { type: "ended", client });
}

/** Whether the client's connection ended, and what it left is kept for the grace. */
export function isLeft(state: NamingState, clientId: ClientId): boolean {
  const client = state.ended.size === 0 ? undefined : state.clients.get(clientId);
  return client !== undefined && state.ended.has(client);
}

/** Its grace may be over. */
export function endGrace(turn: Turn, client: Client): void {
  const ended = turn.state.ended.get(client);
  if (ended !== undefined && ended.until <= turn.now) remove(turn, client, ended.cause);
}

/** Those go soon of which newer clients publish everything: when peers that are slow have these newer ones too. */
export function endReplaced({ state, now, covered }: Turn): void {
  for (const client of covered ?? []) {
    const ended = state.ended.get(client);
    if (ended === undefined || ended.until <= now + REPLACED_MS || !isReplaced(state, client)) continue;
    state.ended.set(client, { ...ended, until: now + REPLACED_MS });
    state.tasks.add(now + REPLACED_MS, { type: "ended", client });
  }
}

function remove(turn: Turn, client: Client, cause: string): void {
  turn.state.ended.delete(client);
  removeClient(turn, client, cause);
}

function pauseBefore({ lastTickAt }: NamingState, now: Millis): Millis {
  return lastTickAt === undefined ? 0 : now - lastTickAt;
}
