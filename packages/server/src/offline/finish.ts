import { join } from "node:path";
import { readIdentity, writeIdentity } from "../cluster/identity.ts";
import { QUARANTINE_MARKER } from "../storage/damage.ts";
import { diskFailure } from "../storage/disk-failure.ts";
import { type Files, replaceFile } from "../storage/files.ts";
import { MEMBER_FILES, REASON_FILE } from "../storage/quarantine.ts";
import { writeRunMark } from "../storage/run-mark.ts";
import { snapshotPath } from "../storage/snapshot.ts";
import { type HardState, VoteFile } from "../storage/vote-file.ts";
import { foldersOf, openLog, readLog } from "./folder.ts";
import { type OfflineOrder, ORDER_FILE, STAGING } from "./order.ts";

/** The snapshot that a restore puts in place, in its folder. */
export const STAGED = "snapshot";

/**
 * Does what an order says, from wherever an earlier process got to: each step finds out whether it was done.
 *
 * @throws RegistryError `dataAccess`: the order stands, and is finished by the next start, or by the same command.
 */
export async function finish(
  files: Files,
  directory: string,
  order: OfflineOrder,
  boot?: string | null,
): Promise<void> {
  try {
    // A process that was killed may have put the order there, and not made sure of it.
    await files.syncDirectory(directory);
    if (order.type === "recover") await recover(files, directory, order, boot);
    else await restore(files, directory, order);
    // What a killed process has renamed is found done, and may be on no disk.
    await files.syncDirectory(directory);
    await files.remove(join(directory, ORDER_FILE));
    await files.syncDirectory(directory);
  } catch (thrown) {
    const isLeftBehind = order.type === "recover" && order.identity !== undefined;
    const what = isLeftBehind ? "what was left behind" : `what was ordered with \`nacre ${NAMES[order.type]}\``;
    throw diskFailure(`${what} cannot be ${isLeftBehind ? "taken up" : "done"} in ${directory}`, thrown);
  }
}

const NAMES = { recover: "raft recover", restore: "restore" } as const;

async function recover(
  files: Files,
  directory: string,
  { memberId, identity: drawn, epoch, term, configuration, at }: Extract<OfflineOrder, { type: "recover" }>,
  boot: string | null | undefined,
): Promise<void> {
  // First, because no log may have come to a term that the vote does not know (L14).
  await vote(files, directory, { term, vote: memberId, trust: "whole" });
  const found = await readLog(files, directory, boot);
  // Whoever comes after a loss of power in this write is to take a torn end for one.
  if (found.isClean) await writeRunMark(files, directory, { boot: found.boot, cleanAt: null });
  // To open it makes sure of what a killed process has written.
  const log = await openLog(files, directory, found);
  try {
    if (found.term !== term)
      await log.append([{ term, kind: "configuration", at, payload: Buffer.from(configuration) }]);
  } finally {
    await log.close();
  }
  const identity = (await readIdentity(files, directory)) ?? drawn;
  // There are no other voters any more that would have what this one could lose.
  if (identity !== undefined && identity.epoch !== epoch)
    await writeIdentity(files, directory, { ...identity, epoch, group: "joins", peers: {} });
}

async function restore(
  files: Files,
  directory: string,
  { identity, index, term, aside }: Extract<OfflineOrder, { type: "restore" }>,
): Promise<void> {
  const { snapshots } = foldersOf(directory);
  const staging = join(directory, STAGING);
  // As long as the new snapshot is not in its place, everything else there is of before.
  const isStaged = (await files.list(directory)).includes(STAGING) && (await files.list(staging)).includes(STAGED);
  if (aside !== undefined) await setAside(files, directory, join(directory, aside), isStaged);
  await files.makeDirectory(snapshots);
  if (isStaged) await files.rename(join(staging, STAGED), snapshotPath(snapshots, index));
  await files.syncDirectory(snapshots);
  await vote(files, directory, { term, vote: undefined, trust: "whole" });
  await writeIdentity(files, directory, identity);
  await files.remove(staging);
}

/** @param moves  whether something may still be there; else it is only made sure of what was moved. */
async function setAside(files: Files, directory: string, aside: string, moves: boolean): Promise<void> {
  await files.makeDirectory(aside);
  // Which lets a server be started on it, as on what a member left behind.
  const reason = "the state of a backup was put in its place";
  await replaceFile(files, aside, REASON_FILE, JSON.stringify({ folder: aside, reason }));
  const [present, moved] = [await files.list(directory), await files.list(aside)];
  // With what is to be set aside for damage: the next start would finish that with what is put in place now.
  const wanted = [...MEMBER_FILES, QUARANTINE_MARKER].filter(
    (name) => moves && present.includes(name) && !moved.includes(name),
  );
  for (const name of wanted) await files.rename(join(directory, name), join(aside, name));
  await files.syncDirectory(aside);
  await files.syncDirectory(directory);
}

async function vote(files: Files, directory: string, wanted: HardState): Promise<void> {
  // A write of it that was cut off is written again.
  const file = await VoteFile.open(files, foldersOf(directory).vote, { powerLoss: true });
  try {
    const { term, vote: votedFor, trust } = file.state;
    if (term !== wanted.term || votedFor !== wanted.vote || trust !== wanted.trust) await file.write(wanted);
  } finally {
    await file.close();
  }
}
