import type { Client, Life, MemberId } from "./model.ts";
import type { NamingState } from "./state.ts";

/** Whether this member, in its present life, is the one that changes the client. */
export function isOwn(state: NamingState, client: Client): boolean {
  return client.life === state.self;
}

/** Each start of a member is another life. Beyond this many none is known to be shared any more, and clients keep theirs. */
const LIVES_MAX = 1_000;

/** The object that stands for a life and how its clients are shown, shared by them to save memory. */
export function lifeOf(
  state: NamingState,
  memberId: MemberId,
  incarnation: number,
  shown: Life["shown"] = "asPublished",
): Life {
  if (memberId === state.self.memberId && incarnation === state.self.incarnation) return state.self;
  const key = `${shown} ${incarnation} ${memberId}`;
  let life = state.lives.get(key);
  if (life === undefined) {
    life = { memberId, incarnation, shown };
    if (state.lives.size >= LIVES_MAX) state.lives.clear();
    state.lives.set(key, life);
  }
  return life;
}

/**
 * Whether what `a` publishes shows over what `b` publishes under the same key (N17). Looks only at what is equal on
 * every member, never at what arrived first.
 */
export function showsOver(a: Client, b: Client): boolean {
  if (a.kind === "persistent" || b.kind === "persistent") return a.kind === "persistent";
  const trusted = a.life.shown === "asPublished";
  return trusted === (b.life.shown === "asPublished") ? isNewer(a, b) : trusted;
}

/** The clock of the member that a client came to decides, and between equal moments the ids. */
export function isNewer(a: Client, b: Client): boolean {
  return a.createdAt === b.createdAt ? a.id > b.id : a.createdAt > b.createdAt;
}
