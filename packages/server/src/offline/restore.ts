import { join } from "node:path";
import { RegistryError } from "@nacre/protocol";
import { type Identity, nextEpoch, readIdentity } from "../cluster/identity.ts";
import { nodeCrypto } from "../node-crypto.ts";
import { configurationText } from "../raft/codec.ts";
import { diskFailure } from "../storage/disk-failure.ts";
import { type Files, replaceFile } from "../storage/files.ts";
import { MEMBER_FILES } from "../storage/quarantine.ts";
import { checkSnapshot } from "../storage/snapshot.ts";
import { copySnapshot } from "../storage/snapshot-copy.ts";
import { readVote } from "../storage/vote-file.ts";
import { type BackupHead, readBackupHead, verifyBackup } from "./backup-file.ts";
import { STAGED } from "./finish.ts";
import { foldersOf } from "./folder.ts";
import { finishOfflineOrder, type OfflineOrder, ORDER_FILE, STAGING } from "./order.ts";

export interface RestorePlan {
  readonly backup: BackupHead;
  /** What had been interrupted, and is done now. */
  readonly finished: OfflineOrder | undefined;
  readonly path: string;
  readonly directory: string;
  /** Whom the folder belongs to; undefined for an empty one. */
  readonly existing: Identity | undefined;
  /** Who the member is from then on. */
  readonly identity: Identity;
  /** Not below any term that this member knows of. */
  readonly term: number;
  /** Where what is there is moved to, below the data folder. */
  readonly aside: string | undefined;
}

/**
 * Verifies a backup and says what restoring it would do. Changes nothing, but that it finishes what was interrupted.
 *
 * @param directory  exists; its lock is held.
 * @throws RegistryError `invalidParameter` for a damaged backup; `illegalState` for a folder that holds something else.
 */
export async function planRestore(files: Files, path: string, directory: string): Promise<RestorePlan> {
  const backup = await verifyBackup(files, path);
  const finished = await finishOfflineOrder(files, directory);
  const existing = await readIdentity(files, directory);
  const present = await files.list(directory);
  const held = MEMBER_FILES.filter((name) => present.includes(name));
  if (existing === undefined && held.length > 0)
    throw new RegistryError(
      "illegalState",
      `${directory} has ${held[0]} of a member, but not member.json, which says of whom: name another folder`,
    );
  const identity =
    existing === undefined
      ? newIdentity()
      : { ...existing, epoch: nextEpoch(existing.epoch), group: "joins" as const, peers: {} };
  return {
    backup,
    finished,
    path,
    directory,
    existing,
    identity,
    term: Math.max(backup.term, existing === undefined ? 0 : await newestTerm(files, directory)) + 1,
    aside: existing && `replaced/${identity.epoch}`,
  };
}

/**
 * Makes the state of a backup that of a stopped member, which is then a group of one. Until all of it is in the folder and the
 * order is on the disk nothing has changed; from then on it is carried out, by this call, the next one or the next start.
 *
 * @throws RegistryError `invalidParameter` when the backup changed meanwhile; `dataAccess`.
 */
export async function restore(files: Files, plan: RestorePlan): Promise<void> {
  const { path, directory, identity, term, aside } = plan;
  const staging = join(directory, STAGING);
  const staged = join(staging, STAGED);
  try {
    const { head, offset } = await readBackupHead(files, path);
    await files.remove(staging);
    // Or what is left of another try might take this one along when it goes.
    await files.syncDirectory(directory);
    await files.makeDirectory(staging);
    const configuration = configurationText({ voters: [identity.memberId], learners: [] });
    const from = { path, offset, bytes: head.bytes };
    const wrong =
      (await copySnapshot(files, from, staged, (mark) => ({ ...mark, configuration }))) ??
      (await wrongIn(files, staged, head.index));
    if (wrong !== undefined)
      throw new RegistryError("invalidParameter", `${path} cannot be used as a backup: in its snapshot, ${wrong}`);
    await files.syncDirectory(staging);
    await files.syncDirectory(directory);
    const order: OfflineOrder = { type: "restore", identity, index: head.index, term, aside };
    await replaceFile(files, directory, ORDER_FILE, JSON.stringify(order));
  } catch (thrown) {
    await files.remove(staging).catch(() => {});
    throw diskFailure(`${path} cannot be restored into ${directory}`, thrown);
  }
  await finishOfflineOrder(files, directory);
}

async function wrongIn(files: Files, path: string, index: number): Promise<string | undefined> {
  const mark = await checkSnapshot(files, path);
  if (typeof mark === "string") return mark;
  return mark.index === index ? undefined : "its first line is that of another";
}

/** Of a cluster of its own. */
export function newIdentity(): Identity {
  const { randomUUID } = nodeCrypto();
  // It holds data, so that its cluster id stands.
  return {
    memberId: randomUUID(),
    clusterId: randomUUID(),
    settled: true,
    incarnation: 0,
    epoch: 0,
    group: "joins",
    peers: {},
    joined: [],
  };
}

async function newestTerm(files: Files, directory: string): Promise<number> {
  // Damage of the vote is no reason to keep it: an epoch of its own is what sets the restored group apart.
  const vote = await readVote(files, foldersOf(directory).vote, { powerLoss: true }).catch(() => undefined);
  return vote?.state.term ?? 0;
}
