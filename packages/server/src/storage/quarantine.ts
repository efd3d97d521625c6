import { dirname, join } from "node:path";
import { RegistryError } from "@nacre/protocol";
import { type Damage, DamageError, QUARANTINE_MARKER } from "./damage.ts";
import { diskFailure } from "./disk-failure.ts";
import { type Files, replaceFile } from "./files.ts";
import type { Holdings } from "./left-behind.ts";
import { type HardState, NEW_MEMBER, readVote, VoteFile } from "./vote-file.ts";

/** What was set aside, and what is left. */
export interface Quarantine {
  /** The folder with the files, and with `reason.json`. */
  readonly folder: string;
  readonly reason: string;
  /** Undefined of what was left behind. */
  readonly damage: Damage | undefined;
  /** What the member goes on with, on the disk. */
  readonly hard: HardState;
  /** Of what was left behind: when, in epoch milliseconds, and what it holds, where that is known. */
  readonly at?: number;
  readonly holds?: Holdings | undefined;
  /** Nothing of features is in it: the files are removed, and not kept. */
  readonly isEmpty?: boolean;
}

const FOLDER = "damaged";
export const LEFT_BEHIND = "left-behind";
/** In a folder that was set aside: why. */
export const REASON_FILE = "reason.json";
/** Where files go that are removed. */
const REMOVED = "removed.tmp";
/** Folders of damaged files that are kept, the newest. What was left behind may be the only copy: people remove it. */
const KEEP = 2;
export const MEMBER_FILES = ["log", "snapshots", "store.db", "store.db-wal", "store.db-shm", "run.json", "vote"];

/**
 * Sets everything aside that the damage makes doubtful, so that a start finds an empty member which knows that it has
 * lost something, and whether it still knows its vote. A file says first what is to be done: a crash on the way is
 * finished by the next start, before that looks at anything.
 *
 * @throws RegistryError `dataAccess`
 */
export async function setAside(files: Files, directory: string, { message, damage }: DamageError): Promise<Quarantine> {
  try {
    const folder = await nextFolder(files, join(directory, FOLDER));
    const hard = await leftOfVote(files, directory, damage);
    return await carryOut(files, directory, { folder, reason: message, damage, hard });
  } catch (thrown) {
    throw diskFailure(`damaged files in ${directory} cannot be set aside`, thrown);
  }
}

/**
 * Sets everything aside that belongs to a group which this member is no part of any more: a start finds an empty member
 * that has promised nothing to anybody. Nobody has any of it open. What holds nothing of features is removed.
 *
 * @returns the folder; undefined when there was nothing to keep.
 * @throws RegistryError `dataAccess`
 */
export async function leaveBehind(
  files: Files,
  directory: string,
  about: Pick<Quarantine, "reason" | "at" | "holds" | "isEmpty">,
): Promise<string | undefined> {
  try {
    const present = await files.list(directory);
    if (present.includes(QUARANTINE_MARKER)) return keptIn(await finishQuarantine(files, directory));
    if (!present.some((name) => MEMBER_FILES.includes(name))) return undefined;
    const folder =
      about.isEmpty === true ? join(directory, REMOVED) : await nextFolder(files, join(directory, LEFT_BEHIND));
    return keptIn(await carryOut(files, directory, { ...about, folder, damage: undefined, hard: NEW_MEMBER }));
  } catch (thrown) {
    throw diskFailure(`what belongs to another group cannot be set aside in ${directory}`, thrown);
  }
}

function keptIn({ folder, isEmpty }: Quarantine): string | undefined {
  return isEmpty === true ? undefined : folder;
}

/**
 * Keeps a copy of a state that another one is to take the place of, for whoever looks into why.
 *
 * @param snapshot  the path of a snapshot of it.
 * @returns the folder, in which `reason.json` lies beside it.
 */
export async function keepState(files: Files, directory: string, snapshot: string, reason: string): Promise<string> {
  const folder = await nextFolder(files, join(directory, FOLDER));
  await files.makeDirectory(folder);
  const copy = await files.create(join(folder, "state.snapshot"));
  try {
    let position = 0;
    for await (const chunk of files.chunks(snapshot)) {
      await copy.write(chunk, position);
      position += chunk.length;
    }
    await copy.sync();
  } finally {
    await copy.close();
  }
  await replaceFile(files, folder, REASON_FILE, JSON.stringify({ folder, reason }));
  await prune(files, dirname(folder));
  return folder;
}

async function nextFolder(files: Files, parent: string): Promise<string> {
  await files.makeDirectory(parent);
  return join(parent, String(1 + Math.max(0, ...(await numbersIn(files, parent)))));
}

/** What people put there, or renamed, is theirs. */
export async function numbersIn(files: Files, parent: string): Promise<number[]> {
  return (await files.list(parent)).filter((name) => /^\d{1,9}$/.test(name)).map(Number);
}

/** A file says first what is to be done. */
async function carryOut(files: Files, directory: string, quarantine: Quarantine): Promise<Quarantine> {
  await replaceFile(files, directory, QUARANTINE_MARKER, JSON.stringify(quarantine));
  await finish(files, directory, quarantine);
  return quarantine;
}

/** What a process that ended in `setAside` or `leaveBehind` left to be done. @throws RegistryError `dataAccess` */
export async function finishQuarantine(files: Files, directory: string): Promise<Quarantine> {
  const path = join(directory, QUARANTINE_MARKER);
  try {
    const quarantine = quarantineIn((await files.read(path)).toString());
    if (quarantine === undefined)
      throw new RegistryError(
        "dataAccess",
        `${path} is damaged, so that nobody knows which files were to be set aside, and where: restore a backup into an ` +
          "empty folder, or start with one as a new member that loads from the others",
      );
    await finish(files, directory, quarantine);
    return quarantine;
  } catch (thrown) {
    throw diskFailure(`damaged files in ${directory} cannot be set aside`, thrown);
  }
}

/** It was put there whole and synced: what is JSON still is what was written. */
function quarantineIn(text: string): Quarantine | undefined {
  try {
    const given = JSON.parse(text) as Quarantine | null;
    return typeof given?.folder === "string" && typeof given.hard === "object" ? given : undefined;
  } catch {
    return undefined;
  }
}

async function finish(files: Files, directory: string, { folder, damage, hard, isEmpty }: Quarantine): Promise<void> {
  // A process that was killed may have put the marker there, and not made sure of it (L15).
  await files.syncDirectory(directory);
  await files.makeDirectory(folder);
  const [present, moved] = [await files.list(directory), await files.list(folder)];
  for (const name of MEMBER_FILES) {
    // One that is there twice is the new vote, of a start that ended behind this loop.
    if (present.includes(name) && !moved.includes(name)) await files.rename(join(directory, name), join(folder, name));
  }
  await files.syncDirectory(folder);
  await files.syncDirectory(directory);
  const vote = await VoteFile.open(files, join(directory, "vote"), { powerLoss: true });
  try {
    await vote.write(hard);
  } finally {
    await vote.close();
  }
  if (isEmpty === true) {
    await files.remove(folder);
    await files.syncDirectory(directory);
    await files.remove(join(directory, QUARANTINE_MARKER));
    return files.syncDirectory(directory);
  }
  await files.rename(join(directory, QUARANTINE_MARKER), join(folder, REASON_FILE));
  await files.syncDirectory(folder);
  await files.syncDirectory(directory);
  if (damage !== undefined) await prune(files, dirname(folder));
}

async function prune(files: Files, parent: string): Promise<void> {
  const numbers = (await numbersIn(files, parent)).toSorted((a, b) => b - a);
  for (const old of numbers.slice(KEEP)) await files.remove(join(parent, String(old)));
}

/** Whether the vote can be relied on. */
async function leftOfVote(files: Files, directory: string, { part }: Damage): Promise<HardState> {
  const lost: HardState = { term: 0, vote: undefined, trust: "allLost" };
  if (part === "vote") return lost;
  try {
    const found = await readVote(files, join(directory, "vote"), { powerLoss: false });
    const state = found?.state ?? NEW_MEMBER;
    return { ...state, trust: state.trust === "allLost" ? "allLost" : "logLost" };
  } catch (thrown) {
    if (thrown instanceof DamageError) return lost;
    throw thrown;
  }
}
