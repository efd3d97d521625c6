import { IDENTITY_FILE } from "../cluster/identity.ts";
import { configurationText } from "../raft/codec.ts";
import { StartError } from "../running.ts";
import { type Files, replaceFile } from "../storage/files.ts";
import { readReason } from "../storage/left-behind.ts";
import { readVote } from "../storage/vote-file.ts";
import { foldersOf, readLog } from "./folder.ts";
import { finishOfflineOrder, type OfflineOrder, ORDER_FILE } from "./order.ts";
import { newIdentity } from "./restore.ts";

/**
 * Makes a folder that a member has left behind, or a restore has replaced, that of a member of its own, in a cluster of its own, so that what is in it can
 * be looked at and moved. It has ids that nobody knows: no member of the cluster it came from takes it for another one.
 *
 * @param now  epoch milliseconds.
 * @param boot  of this machine; only tests name one.
 * @returns why it was left behind; undefined for any other folder, which is left as it is.
 * @throws StartError for a folder with damaged files; DamageError and RegistryError `dataAccess` as a start.
 */
export async function takeLeftBehind(
  files: Files,
  directory: string,
  now: number,
  boot?: string | null,
): Promise<string | undefined> {
  const present = await files.list(directory);
  if (present.includes(IDENTITY_FILE)) return undefined;
  const about = await readReason(files, directory);
  if (about === undefined) return undefined;
  if (about.damage !== undefined)
    throw new StartError(
      `${directory} holds files that were set aside because they are damaged (${about.reason}): no server can be started with them. Restore a backup instead.`,
    );
  const found = await readLog(files, directory, boot);
  const vote = await readVote(files, foldersOf(directory).vote, { powerLoss: found.powerLoss });
  const identity = newIdentity();
  const order: OfflineOrder = {
    type: "recover",
    memberId: identity.memberId,
    identity,
    epoch: identity.epoch + 1,
    term: Math.max(vote?.state.term ?? 0, found.term) + 1,
    configuration: configurationText({ voters: [identity.memberId], learners: [] }),
    at: now,
  };
  await replaceFile(files, directory, ORDER_FILE, JSON.stringify(order));
  await finishOfflineOrder(files, directory, boot);
  return about.reason;
}
