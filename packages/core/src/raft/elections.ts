import type { Millis } from "../lib/units.ts";
import { beginLeading, endLeading, quorumHeardAt } from "./leading.ts";
import type { Message } from "./messages.ts";
import { type MemberId, remembers, type Term } from "./model.ts";
import { hardBarrier } from "./persistence.ts";
import { chance, electionMs, mayLead, type Out, type Raft } from "./state.ts";

type Of<Type extends Message["type"]> = Extract<Message, { readonly type: Type }>;

export function electionTick(state: Raft, now: Millis, out: Out): void {
  if (state.role === "leader" || now < state.electionAt) return;
  if (!mayLead(state)) {
    if (state.role !== "follower") follow(state, state.term, undefined, now, out);
    // Who was followed may lead no more: it has not been heard for so long.
    state.leader = undefined;
    state.electionAt = now + electionMs(state);
    return;
  }
  campaign(state, "preCandidate", now, out);
}

/** Dissertation 9.6: asks first whether a vote could be won, so that nobody's term grows in vain. */
function campaign(state: Raft, role: "preCandidate" | "candidate", now: Millis, out: Out, forced = false): void {
  state.role = role;
  state.leader = undefined;
  state.electionAt = now + (role === "preCandidate" && state.isLeaderGone ? againMs(state) : electionMs(state));
  state.votes.clear();
  state.votes.set(state.self, true);
  if (role === "candidate") {
    state.term++;
    state.vote = state.self;
  }
  const { lastTerm, last: lastIndex } = state.log;
  const message: Message =
    role === "candidate"
      ? { type: "vote", term: state.term, lastIndex, lastTerm, forced }
      : { type: "preVote", term: state.term + 1, lastIndex, lastTerm };
  for (const id of state.configuration.voters) if (id !== state.self) out.send(id, message, hardBarrier(state));
  tally(state, now, out);
}

/** The own vote counts when it is on disk, as everybody else's does. */
export function tally(state: Raft, now: Millis, out: Out): void {
  if (state.role !== "candidate" && state.role !== "preCandidate") return;
  const { voters } = state.configuration;
  const isOwnOnDisk = state.role === "preCandidate" || hardBarrier(state) === 0;
  let [granted, refused] = [0, 0];
  for (const id of voters) {
    const vote = state.votes.get(id);
    if (vote === false) refused++;
    if (vote === true && (id !== state.self || isOwnOnDisk)) granted++;
  }
  const quorum = quorumSize(voters.length);
  if (granted >= quorum) {
    if (state.role === "preCandidate") campaign(state, "candidate", now, out);
    else beginLeading(state, now, out);
  } else if (refused >= quorum) follow(state, state.term, undefined, now, out);
}

export function quorumSize(voters: number): number {
  return (voters >> 1) + 1;
}

/** As follower, of `leader` when it is known. A greater term forgets the vote. */
export function follow(state: Raft, term: Term, leader: MemberId | undefined, now: Millis, out: Out): void {
  if (state.role === "leader") endLeading(state, out);
  if (state.role !== "follower" || leader !== undefined) state.electionAt = now + electionMs(state);
  state.role = "follower";
  state.votes.clear();
  if (term > state.term) {
    state.term = term;
    state.vote = undefined;
  }
  state.leader = leader;
  if (leader === undefined) return;
  state.heardAt = now;
  state.isLeaderGone = false;
}

/**
 * A follower waits a random time because it cannot tell a leader that is gone from one that is late (9.3). When the link
 * has ended there is nothing to wait for but its own promise to that leader (6.4.1), and a little by which members differ.
 * If the leader is there after all, those who hear it refuse (4.2.3), and no term grows (9.6). All of the dissertation.
 */
export function loseLeader(state: Raft, id: MemberId, now: Millis): void {
  if (state.role !== "follower" || state.leader !== id) return;
  state.isLeaderGone = true;
  const { electionMinMs, spreadMs } = state.options;
  const promisedUntil = Math.max(now, state.heardAt + electionMinMs);
  state.electionAt = Math.min(state.electionAt, promisedUntil + Math.round(chance(state) * spreadMs));
}

/** Others may have heard the leader a little later, and refuse as long as they have promised to. */
function againMs(state: Raft): Millis {
  return Math.round(electionMs(state) / 4);
}

/** 6, dissertation 4.2.3: while a leader is heard nobody gets a vote, so that who was removed disturbs nobody. */
export function isLeased(state: Raft, now: Millis): boolean {
  const heardAt = state.leading === undefined ? state.heardAt : quorumHeardAt(state, now);
  return now - heardAt < state.options.electionMinMs;
}

export function takePreVote(state: Raft, from: MemberId, message: Of<"preVote">, now: Millis, out: Out): void {
  const granted =
    message.term > state.term && remembers(state.trust) && isUpToDate(state, message) && !isLeased(state, now);
  const term = granted ? message.term : state.term;
  if (granted) letGoFirst(state, from, message, now);
  out.send(from, { type: "voteAnswer", term, pre: true, granted }, hardBarrier(state));
}

/** Two that campaign at once would take each other's votes: one of them waits a moment for the other. */
function letGoFirst(state: Raft, from: MemberId, message: Of<"preVote">, now: Millis): void {
  if (state.role === "preCandidate" && isBehind(state, from, message)) {
    state.role = "follower";
    state.votes.clear();
  }
  if (state.role !== "follower") return;
  const { spreadMs } = state.options;
  state.electionAt = Math.max(state.electionAt, now + Math.round((1 + chance(state)) * spreadMs));
}

/** Of two whose logs are alike, by name: both see the same. */
function isBehind({ log, self }: Raft, from: MemberId, { lastIndex, lastTerm }: Of<"preVote">): boolean {
  return lastTerm > log.lastTerm || lastIndex > log.last || from < self;
}

/** Of the term of now. */
export function takeVote(state: Raft, from: MemberId, message: Of<"vote">, now: Millis, out: Out): void {
  const isFree = state.vote === undefined || state.vote === from;
  const granted = isFree && remembers(state.trust) && isUpToDate(state, message);
  if (granted) {
    if (state.role !== "follower") follow(state, state.term, undefined, now, out);
    state.vote = from;
    state.electionAt = now + electionMs(state);
  }
  out.send(from, { type: "voteAnswer", term: state.term, pre: false, granted }, hardBarrier(state));
}

export function takeVoteAnswer(state: Raft, from: MemberId, message: Of<"voteAnswer">, now: Millis, out: Out): void {
  const isMine = message.pre
    ? state.role === "preCandidate" && (!message.granted || message.term === state.term + 1)
    : state.role === "candidate" && message.term === state.term;
  if (!isMine) return;
  state.votes.set(from, message.granted);
  tally(state, now, out);
}

/** Dissertation 3.10: the leader of this term asks this member to take its place. */
export function takeTimeoutNow(state: Raft, from: MemberId, now: Millis, out: Out): void {
  if (state.role === "follower" && state.leader === from && mayLead(state))
    campaign(state, "candidate", now, out, true);
}

/** 5.4.1 */
function isUpToDate({ log }: Raft, { lastIndex, lastTerm }: Of<"vote"> | Of<"preVote">): boolean {
  return lastTerm > log.lastTerm || (lastTerm === log.lastTerm && lastIndex >= log.last);
}
