import { join } from "node:path";
import { RegistryError } from "@nacre/protocol";
import { StartError } from "../running.ts";
import { diskFailure, failureCode } from "../storage/disk-failure.ts";
import { type Files, nodeFiles, replaceFile } from "../storage/files.ts";
import { ofLaterVersion } from "../storage/versions.ts";
import { randomBelow, randomId } from "../system-random.ts";
import { COUNT_MAX } from "./links/limits.ts";

/** What a member is, beyond one run of it. Addresses are no part of that: they may change. */
export interface Identity {
  readonly memberId: string;
  readonly clusterId: string;
  /** Whether the cluster id stands for good. */
  readonly settled: boolean;
  /** Grows with every start, by no fixed step. */
  readonly incarnation: number;
  /** 0 at first; grows when an operator makes a group anew of what one member holds (`nextEpoch`), so that the others see it. */
  readonly epoch: number;
  /**
   * What this member has to do with the group of its cluster. `founds`: its cluster id is the one that it drew, and no group
   * was begun under it, so that this member is to begin it. `joins`: it is in a group, or waits to be taken into one.
   * `over`: what its data folder holds is of a group that it is no part of, and is set aside before anything reads it.
   */
  readonly group: "founds" | "joins" | "over";
  /**
   * The other voters of its group when this member last heard of it, and where they were found, blank if nowhere: they have
   * what this member may lose, and people know them by that while they are gone.
   */
  readonly peers: Readonly<Record<string, string>>;
  /** Addresses of members through which this one joined by an operator's order. */
  readonly joined: readonly string[];
}

export interface OpenedIdentity {
  /** As it was saved last. */
  readonly identity: Identity;
  /** Whether the ids were drawn by this start. */
  readonly fresh: boolean;
  /** Durable when the promise resolves. Calls are made in turn. */
  save(change: Partial<Omit<Identity, "memberId" | "incarnation">>): Promise<void>;
}

export const IDENTITY_FILE = "member.json";
/** The highest that is read here; a file that names none is of the first. */
const IDENTITY_VERSION = 1;
/**
 * Members that were made from one image of a data folder start under one id. By an incarnation of their own each is seen
 * to be another process, and refused by name; equal ones would take each other for themselves and run alone in silence.
 */
const INCARNATION_STEP_MAX = 1 << 20;
/** What frames of Raft and cards have room for. */
export const EPOCH_MAX = 2 ** 32 - 1;
const EPOCH_STEP_MAX = 1 << 16;
/** A process that begins another log (see `group/group-log.ts`) counts up from its incarnation, so often at most. */
export const OPENINGS_MAX = 1024;

/**
 * Reads who this member is and counts one more start of it, or draws ids for a new one.
 *
 * @param directory  the data folder; undefined keeps nothing.
 * @param draw  a whole number from 1 up to, not including, the one given.
 * @throws StartError when the file is not what was written: a member that took new ids would be another one.
 */
export async function openIdentity(
  directory: string | undefined,
  files: Files = nodeFiles,
  draw: (end: number) => number = randomBelow,
): Promise<OpenedIdentity> {
  const folder = (work: Promise<void>): Promise<void> =>
    work.catch((thrown: unknown) => {
      throw diskFailure(`the data folder ${directory} cannot be made or written`, thrown);
    });
  if (directory !== undefined) await folder(files.makeDirectory(directory));
  const held = directory === undefined ? undefined : await readIdentity(files, directory);
  const fresh = held === undefined;
  let identity: Identity = held ?? {
    memberId: randomId(),
    clusterId: randomId(),
    settled: false,
    incarnation: 0,
    epoch: 0,
    group: "founds",
    peers: {},
    joined: [],
  };
  identity = { ...identity, incarnation: identity.incarnation + OPENINGS_MAX + draw(INCARNATION_STEP_MAX) };
  const write = async (): Promise<void> => {
    if (directory !== undefined) await folder(writeIdentity(files, directory, identity));
  };
  await write();
  let saving = Promise.resolve();
  return {
    get identity() {
      return identity;
    },
    fresh,
    save(change) {
      identity = { ...identity, ...change };
      saving = saving.catch(() => {}).then(write);
      return saving;
    },
  };
}

/**
 * The epoch of a group that is made anew. Two members that were recovered apart come to different ones, so that one gives way
 * when they meet: in the same one they would be two groups for good.
 *
 * @param draw  a whole number from 1 up to, not including, the one given.
 * @throws RegistryError `illegalState` when there is none left.
 */
export function nextEpoch(epoch: number, draw: (end: number) => number = randomBelow): number {
  const next = epoch + draw(EPOCH_STEP_MAX);
  if (next > EPOCH_MAX)
    throw new RegistryError("illegalState", `the group is in epoch ${epoch}, and there is none after it`);
  return next;
}

export function writeIdentity(files: Files, directory: string, identity: Identity): Promise<void> {
  return replaceFile(
    files,
    directory,
    IDENTITY_FILE,
    `${JSON.stringify({ version: IDENTITY_VERSION, ...identity }, null, 2)}\n`,
  );
}

/**
 * Undefined for a folder that no member has used.
 * @throws StartError when the file is damaged, or of a later version; RegistryError `dataAccess` when it cannot be read.
 */
export async function readIdentity(files: Files, directory: string): Promise<Identity | undefined> {
  const path = join(directory, IDENTITY_FILE);
  let text: string;
  try {
    text = String(await files.read(path));
  } catch (thrown) {
    if (failureCode(thrown) === "ENOENT") return undefined;
    throw diskFailure(`who this member is cannot be read from ${path}`, thrown);
  }
  let version: unknown;
  try {
    const given = JSON.parse(text) as Partial<Identity> & { readonly version?: unknown };
    version = given.version ?? 1;
    const { memberId, clusterId, settled, incarnation, epoch = 0, group = "founds", peers = {}, joined } = given;
    if (
      version === IDENTITY_VERSION &&
      isId(memberId) &&
      isId(clusterId) &&
      typeof settled === "boolean" &&
      isIncarnation(incarnation) &&
      isIncarnation(epoch) &&
      epoch <= EPOCH_MAX &&
      GROUPS.includes(group) &&
      isNames(peers) &&
      Array.isArray(joined) &&
      joined.every((address) => typeof address === "string")
    )
      return { memberId, clusterId, settled, incarnation, epoch, group, peers, joined };
  } catch {
    // Not JSON: the same as wrong fields.
  }
  if (Number.isSafeInteger(version) && (version as number) > IDENTITY_VERSION)
    throw new StartError(`${ofLaterVersion(path, { version: version as number, highest: IDENTITY_VERSION })}.`);
  throw new StartError(
    `${path} is damaged, so this member does not know who it is: restore the file from a backup, or move the data folder away to start as a new member that loads from the others.`,
  );
}

const GROUPS: readonly string[] = ["founds", "joins", "over"] satisfies Identity["group"][];

function isNames(given: unknown): given is Readonly<Record<string, string>> {
  return (
    typeof given === "object" && given !== null && Object.values(given).every((address) => typeof address === "string")
  );
}

/** Anything else the others would not take from this member: its links would be closed, again and again. */
function isId(given: unknown): given is string {
  return typeof given === "string" && /^[\x21-\x7e]{1,200}$/.test(given);
}

function isIncarnation(given: unknown): given is number {
  const max = COUNT_MAX - INCARNATION_STEP_MAX;
  return Number.isSafeInteger(given) && (given as number) >= 0 && (given as number) <= max;
}
