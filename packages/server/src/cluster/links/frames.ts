import {
  type Address,
  addressOf,
  type Card,
  type Frame,
  LIST_ENTRIES_MAX,
  type Listed,
  readAddress,
  type Sight,
} from "@nacre/core/membership";
import { EPOCH_MAX } from "../identity.ts";
import { Malformed } from "./envelopes.ts";
import { COUNT_MAX } from "./limits.ts";

/** More members than any cluster has; `membersMax` of membership is the bound that operators see. */
const ROW_MAX = 2_000;
const ADDRESSES_MAX = 64;
const RESOLVED_MAX = 1_000;
/** Ids, hashes, fingerprints. */
const NAME_CHARS_MAX = 200;
const SENTENCE_CHARS_MAX = 2_000;
const PROTOCOL_MAX = 1_000_000;
const SELF_STATES = ["STARTING", "UP", "LEAVING"] as const;
const MEMBER_STATES = ["STARTING", "UP", "SUSPICIOUS", "DOWN", "LEAVING"] as const;
const REFUSALS = ["foreignCluster", "otherIdentity", "protocol", "twin"] as const;

type Fields = Readonly<Record<string, unknown>>;

export function writeFrame(frame: Frame): Buffer {
  return Buffer.from(JSON.stringify(frame));
}

/**
 * Reads a frame of membership and checks every field, as the core trusts what it is given. Fields that are not known are
 * left out: members of later versions may send them.
 *
 * @throws Malformed that names the field and the rule.
 */
export function readFrame(body: Buffer): Frame {
  const frame = fields(parse(body, "a frame of membership"), "frame");
  const type = frame.type;
  switch (type) {
    case "probe":
      return { type, seq: count(frame, "seq"), card: card(frame), row: row(frame), list: listOf(frame) };
    case "answer":
      return {
        type,
        seq: count(frame, "seq"),
        card: card(frame),
        row: row(frame),
        listed: flag(frame, "listed"),
        list: listOf(frame),
      };
    case "refuse":
      return { type, code: one(frame, "code", REFUSALS), sentence: sentence(frame, "sentence"), id: name(frame, "id") };
    case "probeFor":
      return { type, target: name(frame, "target") };
    case "probedFor":
      return {
        type,
        target: name(frame, "target"),
        incarnation: count(frame, "incarnation"),
        beat: beat(frame),
        error: frame.error === undefined ? undefined : sentence(frame, "error"),
      };
    default:
      throw new Malformed(`a frame of membership has the unknown type ${shown(type)}`);
  }
}

/** @throws Malformed when it is not JSON. */
export function parse(body: Buffer, what: string): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    throw new Malformed(`${what} is not JSON`);
  }
}

function card(frame: Fields): Card {
  const from = fields(frame.card, "card");
  const protocol = fields(from.protocol, "protocol");
  return {
    id: name(from, "id"),
    clusterId: name(from, "clusterId"),
    settled: flag(from, "settled"),
    // Members of before it was told have none.
    epoch: from.epoch === undefined ? 0 : count(from, "epoch", 0, EPOCH_MAX),
    incarnation: count(from, "incarnation"),
    beat: beat(from),
    addresses: addresses(from, "addresses", ADDRESSES_MAX),
    protocol: {
      speaks: number(protocol, "speaks", 0, PROTOCOL_MAX),
      oldest: number(protocol, "oldest", 0, PROTOCOL_MAX),
    },
    // Members of before this was told say nothing.
    version: from.version === undefined ? "" : anyName(from, "version"),
    fingerprint: anyName(from, "fingerprint"),
    listHash: anyName(from, "listHash"),
    clockAt: number(from, "clockAt", -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    state: one(from, "state", SELF_STATES),
    forever: flag(from, "forever"),
    pausedMs: number(from, "pausedMs", 0, Number.MAX_SAFE_INTEGER),
  };
}

function row(frame: Fields): Sight[] {
  return list(frame, "row", ROW_MAX).map((given) => {
    const from = fields(given, "row");
    return {
      id: name(from, "id"),
      incarnation: count(from, "incarnation"),
      beat: beat(from),
      state: one(from, "state", MEMBER_STATES),
      out: flag(from, "out"),
      in: flag(from, "in"),
      addresses: addresses(from, "addresses", ADDRESSES_MAX),
    };
  });
}

function listOf(frame: Fields): Listed[] | undefined {
  if (frame.list === undefined) return undefined;
  return list(frame, "list", LIST_ENTRIES_MAX).map((given) => {
    const from = fields(given, "list");
    const address = addressIn(from.address);
    if (address === undefined) throw new Malformed("'address' of a list is no address");
    return {
      address,
      resolved: addresses(from, "resolved", RESOLVED_MAX),
      id: from.id === undefined ? undefined : name(from, "id"),
    };
  });
}

/**
 * What is no address that this member could call is left out: a resolver or a network card of one machine may bring odd
 * ones, which are no reason to do without the member.
 */
function addresses(from: Fields, key: string, max: number): Address[] {
  return list(from, key, max).flatMap((given) => addressIn(given) ?? []);
}

function addressIn(given: unknown): Address | undefined {
  if (typeof given !== "string") throw new Malformed(`an address is ${kind(given)}, not a text`);
  // The default port is 0, so that an address without one is none.
  const read = given.length > NAME_CHARS_MAX * 2 ? "is too long" : readAddress(given, 0);
  return typeof read === "string" || read.port === 0 ? undefined : addressOf(read);
}

function fields(given: unknown, what: string): Fields {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new Malformed(`'${what}' of a frame is ${kind(given)}, not an object`);
  return given as Fields;
}

function list(from: Fields, key: string, max: number): readonly unknown[] {
  const given = from[key];
  if (!Array.isArray(given)) throw new Malformed(`'${key}' of a frame is ${kind(given)}, not a list`);
  if (given.length > max) throw new Malformed(`'${key}' of a frame has ${given.length} entries, more than ${max}`);
  return given;
}

function textOf(from: Fields, key: string, max: number): string {
  const given = from[key];
  if (typeof given !== "string") throw new Malformed(`'${key}' of a frame is ${kind(given)}, not a text`);
  if (given.length > max) throw new Malformed(`'${key}' of a frame has ${given.length} characters, more than ${max}`);
  return given;
}

function name(from: Fields, key: string): string {
  const given = textOf(from, key, NAME_CHARS_MAX);
  // Ids are shown to people and stand in logs.
  if (!/^[\x21-\x7e]+$/.test(given)) throw new Malformed(`'${key}' of a frame is no id: ${shown(given)}`);
  return given;
}

/** A name that may be empty. */
function anyName(from: Fields, key: string): string {
  return from[key] === "" ? "" : name(from, key);
}

function sentence(from: Fields, key: string): string {
  const given = textOf(from, key, SENTENCE_CHARS_MAX);
  return given.replace(/\p{Cc}/gu, " ");
}

function flag(from: Fields, key: string): boolean {
  const given = from[key];
  if (typeof given !== "boolean") throw new Malformed(`'${key}' of a frame is ${kind(given)}, not true or false`);
  return given;
}

function number(from: Fields, key: string, min: number, max: number): number {
  const given = from[key];
  if (typeof given !== "number") throw new Malformed(`'${key}' of a frame is ${kind(given)}, not a number`);
  if (!(given >= min && given <= max))
    throw new Malformed(`'${key}' of a frame is ${given}, not from ${min} to ${max}`);
  return given;
}

/** Sequence numbers, incarnations and beats all grow from 0 in small steps. */
function count(from: Fields, key: string, min = 0, max = COUNT_MAX): number {
  const given = number(from, key, min, max);
  if (!Number.isInteger(given)) throw new Malformed(`'${key}' of a frame is ${given}, not a whole number`);
  return given;
}

/** -1 stands for a member that was never heard. */
function beat(from: Fields): number {
  return count(from, "beat", -1);
}

function one<T extends string>(from: Fields, key: string, values: readonly T[]): T {
  const given = from[key];
  const found = values.find((value) => value === given);
  if (found === undefined)
    throw new Malformed(`'${key}' of a frame is ${shown(given)}, not one of ${values.join(", ")}`);
  return found;
}

function kind(given: unknown): string {
  if (given === undefined) return "missing";
  if (given === null) return "null";
  if (typeof given === "object") return Array.isArray(given) ? "a list" : "an object";
  return `a ${typeof given}`;
}

function shown(given: unknown): string {
  return typeof given === "string" ? JSON.stringify(given.slice(0, 40)) : kind(given);
}
