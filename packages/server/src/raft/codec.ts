import type { Append, Configuration, ConfigurationAt, Message, RefusalReason, Run, Trust } from "@nacre/core/raft";
import type { NewRecord, RecordKind } from "../storage/records.ts";
import { Malformed, type Reader, Writer } from "./bytes.ts";

/** A proposal of another member: its number in that member's session, and what the log is to hold. */
export interface ForwardedProposal {
  readonly number: number;
  readonly payload: Buffer;
}

/** Why a proposal is in no log and comes into none. */
export type NotTaken = RefusalReason | "lost";

/** What members send each other: messages of the core with what the shell adds, and questions of the shells. */
export type Packet =
  /** `entries` belong to an append, `chunk` to a part of a snapshot. */
  | {
      readonly type: "raft";
      readonly message: Message;
      readonly entries: readonly NewRecord[];
      readonly chunk: Buffer;
    }
  | { readonly type: "forward"; readonly proposals: readonly ForwardedProposal[] }
  /** They have a place in the log of the sender. `life` is that of the one who asked. */
  | { readonly type: "taken"; readonly life: number; readonly numbers: readonly number[] }
  | {
      readonly type: "notTaken";
      readonly life: number;
      readonly reason: NotTaken;
      readonly numbers: readonly number[];
    }
  /** It is not put into the log of the sender, which does not know such a command. `why` is a clause for its client. */
  | { readonly type: "notACommand"; readonly life: number; readonly number: number; readonly why: string }
  | { readonly type: "askIndex"; readonly id: number }
  /** Undefined: the one that was asked does not lead. */
  | { readonly type: "index"; readonly id: number; readonly index: number | undefined }
  | { readonly type: "stateHash"; readonly index: number; readonly hash: number }
  /** What the log led to at the receiver, up to `index`, is not what it led to at most voters. */
  | { readonly type: "stateDiffers"; readonly index: number }
  /** JSON. */
  | { readonly type: "order"; readonly id: number; readonly text: string }
  | { readonly type: "orderEnded"; readonly id: number; readonly text: string };

/** Order is part of the wire here and below: what is new goes to the end. */
const MESSAGES = [
  "preVote",
  "vote",
  "voteAnswer",
  "append",
  "appended",
  "rejected",
  "heartbeat",
  "heartbeatAnswer",
  "commit",
  "chunk",
  "chunkAnswer",
  "timeoutNow",
  "newerTerm",
] as const satisfies readonly Message["type"][];
const PACKETS = [
  ...MESSAGES,
  "forward",
  "taken",
  "notTaken",
  "askIndex",
  "index",
  "stateHash",
  "order",
  "orderEnded",
  "stateDiffers",
  "notACommand",
] as const satisfies readonly (Message["type"] | Packet["type"])[];
const TRUST = ["whole", "logLost", "allLost", "stateLost"] as const satisfies readonly Trust[];
const KINDS = ["command", "configuration", "noop"] as const satisfies readonly RecordKind[];
const NOT_TAKEN = [
  "notLeader",
  "transferring",
  "overThreshold",
  "diskRefuses",
  "changePending",
  "alreadyDone",
  "unknownMember",
  "lastVoter",
  "behind",
  "tooFewLeft",
  "lost",
] as const satisfies readonly NotTaken[];

/** What an entry takes beside its payload. */
export const ENTRY_HEAD_BYTES = 6 + 6 + 1 + 4;
const NOTHING = Buffer.alloc(0);
/** A list of ids is longer in no group. */
const MEMBERS_MAX = 1000;

export function writePacket(packet: Packet): { readonly parts: readonly Uint8Array[]; readonly length: number } {
  const to = new Writer();
  to.byte(PACKETS.indexOf(packet.type === "raft" ? packet.message.type : packet.type));
  write(to, packet);
  return { parts: to.parts(), length: to.length };
}

function write(to: Writer, packet: Packet): void {
  switch (packet.type) {
    case "raft":
      return writeMessage(to, packet.message, packet.entries, packet.chunk);
    case "forward":
      to.hash(packet.proposals.length);
      for (const { number, payload } of packet.proposals) {
        to.count(number);
        to.blob(payload);
      }
      return;
    case "taken":
      to.count(packet.life);
      return writeCounts(to, packet.numbers);
    case "notTaken":
      to.count(packet.life);
      to.byte(NOT_TAKEN.indexOf(packet.reason));
      return writeCounts(to, packet.numbers);
    case "notACommand":
      to.count(packet.life);
      to.count(packet.number);
      return to.text(packet.why);
    case "askIndex":
      return to.count(packet.id);
    case "index":
      to.count(packet.id);
      return writeOptional(to, packet.index);
    case "stateHash":
      to.count(packet.index);
      return to.hash(packet.hash);
    case "stateDiffers":
      return to.count(packet.index);
    case "order":
    case "orderEnded":
      to.count(packet.id);
      return to.text(packet.text);
  }
}

function writeMessage(to: Writer, message: Message, entries: readonly NewRecord[], chunk: Buffer): void {
  to.count(message.term);
  switch (message.type) {
    case "preVote":
    case "vote":
      to.count(message.lastIndex);
      to.count(message.lastTerm);
      if (message.type === "vote") to.byte(Number(message.forced));
      return;
    case "voteAnswer":
      to.byte(Number(message.pre));
      return to.byte(Number(message.granted));
    case "append":
      to.count(message.prevIndex);
      to.count(message.prevTerm);
      to.count(message.commit);
      to.hash(entries.length);
      for (const { term, at, kind, payload } of entries) {
        to.count(term);
        to.count(at);
        to.byte(KINDS.indexOf(kind));
        to.blob(payload);
      }
      return;
    case "appended":
      to.count(message.match);
      return to.byte(TRUST.indexOf(message.trust));
    case "rejected":
      to.count(message.prevIndex);
      to.count(message.hintIndex);
      to.count(message.hintTerm);
      return to.byte(TRUST.indexOf(message.trust));
    case "heartbeat":
      to.count(message.commit);
      to.count(message.round);
      to.real(message.at);
      return writeOptional(to, message.sure);
    case "heartbeatAnswer":
      to.count(message.round);
      to.real(message.at);
      return to.byte(TRUST.indexOf(message.trust));
    case "commit":
      return to.count(message.commit);
    case "chunk":
      to.count(message.index);
      to.count(message.snapshotTerm);
      to.text(configurationText(message.configuration));
      to.count(message.total);
      to.count(message.offset);
      return to.blob(chunk);
    case "chunkAnswer":
      to.count(message.index);
      to.count(message.offset);
      return to.byte(TRUST.indexOf(message.trust));
    case "timeoutNow":
    case "newerTerm":
      return;
  }
}

function writeCounts(to: Writer, counts: readonly number[]): void {
  to.hash(counts.length);
  for (const count of counts) to.count(count);
}

function writeOptional(to: Writer, count: number | undefined): void {
  to.byte(Number(count !== undefined));
  if (count !== undefined) to.count(count);
}

/** @throws Malformed for bytes that `writePacket` did not make, as far as they can be told. */
export function readPacket(from: Reader): Packet {
  const type = from.one(PACKETS);
  switch (type) {
    case "forward":
      return { type, proposals: from.list(10, () => readProposal(from)) };
    case "taken":
      return { type, life: from.count(), numbers: from.list(6, () => from.count()) };
    case "notTaken":
      return { type, life: from.count(), reason: from.one(NOT_TAKEN), numbers: from.list(6, () => from.count()) };
    case "notACommand":
      return { type, life: from.count(), number: from.count(), why: from.text() };
    case "askIndex":
      return { type, id: from.count() };
    case "index":
      return { type, id: from.count(), index: readOptional(from) };
    case "stateHash":
      return { type, index: from.count(), hash: from.hash() };
    case "stateDiffers":
      return { type, index: from.count() };
    case "order":
    case "orderEnded":
      return { type, id: from.count(), text: from.text() };
    default:
      return readMessage(from, type);
  }
}

/** The log tells damage from contents by zero bytes, so that no payload may have one (L3 of storage). */
function readProposal(from: Reader): ForwardedProposal {
  const number = from.count();
  const payload = from.blob();
  if (payload.length === 0 || payload.includes(0)) throw new Malformed("a proposal is empty or has a zero byte");
  return { number, payload };
}

function readMessage(from: Reader, type: Message["type"]): Packet {
  const term = from.count();
  const plain = (message: Message): Packet => ({ type: "raft", message, entries: [], chunk: NOTHING });
  switch (type) {
    case "preVote":
      return plain({ type, term, lastIndex: from.count(), lastTerm: from.count() });
    case "vote":
      return plain({ type, term, lastIndex: from.count(), lastTerm: from.count(), forced: from.flag() });
    case "voteAnswer":
      return plain({ type, term, pre: from.flag(), granted: from.flag() });
    case "append":
      return readAppend(from, term);
    case "appended":
      return plain({ type, term, match: from.count(), trust: from.one(TRUST) });
    case "rejected": {
      const [prevIndex, hintIndex, hintTerm] = [from.count(), from.count(), from.count()];
      return plain({ type, term, prevIndex, hintIndex, hintTerm, trust: from.one(TRUST) });
    }
    case "heartbeat": {
      const [commit, round, at] = [from.count(), from.count(), from.real()];
      return plain({ type, term, commit, round, at, sure: readOptional(from) });
    }
    case "heartbeatAnswer":
      return plain({ type, term, round: from.count(), at: from.real(), trust: from.one(TRUST) });
    case "commit":
      return plain({ type, term, commit: from.count() });
    case "chunk": {
      const [index, snapshotTerm, configuration] = [from.count(), from.count(), readConfiguration(from.text())];
      const [total, offset, chunk] = [from.count(), from.count(), from.blob()];
      const bytes = chunk.length;
      if (bytes === 0 || offset + bytes > total) throw new Malformed("a part of a snapshot is empty or beyond its end");
      const message: Message = { type, term, index, snapshotTerm, configuration, total, offset, bytes };
      return { type: "raft", message, entries: [], chunk };
    }
    case "chunkAnswer":
      return plain({ type, term, index: from.count(), offset: from.count(), trust: from.one(TRUST) });
    case "timeoutNow":
    case "newerTerm":
      return plain({ type, term });
  }
}

/** What a message says of its entries is read off these, so that it cannot be otherwise. */
function readAppend(from: Reader, term: number): Packet {
  const [prevIndex, prevTerm, commit] = [from.count(), from.count(), from.count()];
  const entries = from.list(ENTRY_HEAD_BYTES, () => readEntry(from));
  const runs: Run[] = [];
  const configurations: ConfigurationAt[] = [];
  let bytes = 0;
  let last = prevTerm;
  entries.forEach((entry, at) => {
    const index = prevIndex + 1 + at;
    if (entry.term < last || entry.term > term)
      throw new Malformed(`term ${entry.term} is between ${last} and ${term}`);
    if (at === 0 || entry.term !== last) runs.push({ first: index, term: entry.term });
    last = entry.term;
    bytes += entry.payload.length;
    if (entry.kind === "configuration")
      configurations.push({ index, configuration: readConfiguration(entry.payload.toString()) });
  });
  const lastIndex = prevIndex + entries.length;
  const message: Append = {
    type: "append",
    term,
    prevIndex,
    prevTerm,
    lastIndex,
    runs,
    configurations,
    bytes,
    commit,
  };
  return { type: "raft", message, entries, chunk: NOTHING };
}

function readEntry(from: Reader): NewRecord {
  const [term, at, kind, payload] = [from.count(), from.count(), from.one(KINDS), from.blob()];
  if ((payload.length === 0) !== (kind === "noop")) throw new Malformed("an entry is of no known kind");
  return { term, at, kind, payload };
}

function readOptional(from: Reader): number | undefined {
  return from.flag() ? from.count() : undefined;
}

/** How a configuration stands in the log, in snapshots and in messages. */
export function configurationText({ voters, learners }: Configuration): string {
  return JSON.stringify({ voters, learners });
}

/** @throws Malformed */
export function readConfiguration(text: string): Configuration {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Malformed("a configuration is not JSON");
  }
  if (typeof value !== "object" || value === null) throw new Malformed("a configuration is no object");
  const { voters, learners } = value as Partial<Record<string, unknown>>;
  if (!isIds(voters) || !isIds(learners)) throw new Malformed("a configuration names no members");
  return { voters, learners };
}

function isIds(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= MEMBERS_MAX && value.every((id) => typeof id === "string");
}
