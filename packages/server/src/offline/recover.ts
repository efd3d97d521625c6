import { join } from "node:path";
import type { Configuration } from "@nacre/core/raft";
import { RegistryError } from "@nacre/protocol";
import { type Identity, nextEpoch, readIdentity } from "../cluster/identity.ts";
import { configurationText, readConfiguration } from "../raft/codec.ts";
import { type Files, replaceFile } from "../storage/files.ts";
import { readRecords } from "../storage/log-reader.ts";
import { readVote } from "../storage/vote-file.ts";
import { type FoundLog, foldersOf, readLog } from "./folder.ts";
import { finishOfflineOrder, type OfflineOrder, ORDER_FILE } from "./order.ts";

/** What `recover` would do, and what it rests on. */
export interface RecoveryPlan {
  readonly directory: string;
  readonly memberId: string;
  readonly clusterId: string;
  readonly epoch: { readonly from: number; readonly to: number };
  readonly term: { readonly from: number; readonly to: number };
  /** Of the last entry of this member's log; `at` is undefined when only a snapshot holds it. */
  readonly last: { readonly index: number; readonly term: number; readonly at: number | undefined };
  /** Entries behind this one may never have been acknowledged; they count from now on. */
  readonly appliedIndex: number;
  /** Who they were, this member among them if it was one; none where a group is to begin with nothing. */
  readonly voters: readonly string[];
  /** Where the others were when this member last heard of them, by id; who is not named was nowhere. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly learners: readonly string[];
}

/**
 * Reads what a stopped member holds, and says what making it the only voter would do. Changes nothing, but that it finishes what
 * was interrupted.
 *
 * @param boot  of this machine; only tests name one.
 * @param isEmpty  a group is to begin with nothing, at a member that belongs to none: the one that was to begin it is lost.
 * @throws RegistryError `illegalState` when there is nothing to recover, or this member is not the one to do it from;
 * DamageError and `dataAccess` when the folder cannot be used.
 */
export async function planRecovery(
  files: Files,
  directory: string,
  boot?: string | null,
  isEmpty = false,
): Promise<RecoveryPlan> {
  await finishOfflineOrder(files, directory, boot);
  const identity = await identityIn(files, directory);
  if (identity.group === "over")
    throw new RegistryError(
      "illegalState",
      "what this member holds is of a group that it is no part of any more: recover another member, or restore a backup with nacre restore",
    );
  const found = await readLog(files, directory, boot);
  const vote = await readVote(files, foldersOf(directory).vote, { powerLoss: found.powerLoss });
  const { term = 0, trust = "whole" } = vote?.state ?? {};
  if (trust === "stateLost")
    throw new RegistryError(
      "illegalState",
      "what the log led to at this member differs from what it led to at most voters: recover another member, or restore a backup with nacre restore",
    );
  if (trust !== "whole")
    throw new RegistryError(
      "illegalState",
      "this member has lost acknowledged entries, because its files were damaged: recover another member, or restore a backup with nacre restore",
    );
  const { voters, learners } = configurationOf(found);
  const { memberId, clusterId, epoch } = identity;
  const why = isEmpty ? whyNotEmpty(identity, found, voters) : whyNothing(voters);
  if (why !== undefined) throw new RegistryError("illegalState", why);
  if (voters.length === 1 && voters[0] === memberId)
    throw new RegistryError("illegalState", "this member is the only voter of its group: start it, and it leads");
  const newest = Math.max(term, found.term);
  return {
    directory,
    memberId,
    clusterId,
    epoch: { from: epoch, to: nextEpoch(epoch) },
    term: { from: newest, to: newest + 1 },
    last: { index: found.lastIndex, term: found.term, at: await lastAt(files, directory, found) },
    appliedIndex: found.appliedIndex,
    voters,
    addresses: identity.peers,
    learners,
  };
}

function whyNothing(voters: readonly string[]): string | undefined {
  if (voters.length > 0) return undefined;
  return (
    "this member belongs to no group: it has nothing that a group could be made of; recover another member, or, only if " +
    "no member of the cluster holds anything, begin a group with --empty"
  );
}

/** Whoever holds something would set it aside on meeting the group that begins. */
function whyNotEmpty({ group }: Identity, { lastIndex }: FoundLog, voters: readonly string[]): string | undefined {
  if (lastIndex > 0 || voters.length > 0)
    return "this member belongs to a group: recover it without --empty, and it keeps what it holds";
  return group === "founds" ? "this member begins its group by itself: start it" : undefined;
}

/**
 * Makes a stopped member the only voter of its group, in an epoch of its own. Until the order is on the disk nothing has changed;
 * from then on it is carried out, by this call, the next one or the next start.
 *
 * @param now  epoch milliseconds.
 * @throws as `planRecovery`.
 */
export async function recover(files: Files, plan: RecoveryPlan, now: number, boot?: string | null): Promise<void> {
  const { directory, memberId, epoch, term, last } = plan;
  const order: OfflineOrder = {
    type: "recover",
    memberId,
    epoch: epoch.to,
    term: term.to,
    configuration: configurationText({ voters: [memberId], learners: [] }),
    at: Math.max(now, last.at ?? 0),
  };
  await replaceFile(files, directory, ORDER_FILE, JSON.stringify(order));
  await finishOfflineOrder(files, directory, boot);
}

/** @throws RegistryError `notFound`; StartError when the file is damaged. */
export async function identityIn(files: Files, directory: string): Promise<Identity> {
  const identity = await readIdentity(files, directory);
  if (identity !== undefined) return identity;
  throw new RegistryError("notFound", `no member has used ${directory}: name the data folder of one with --data`);
}

function configurationOf({ configuration }: FoundLog): Configuration {
  return configuration === "" ? { voters: [], learners: [] } : readConfiguration(configuration);
}

async function lastAt(files: Files, directory: string, { scan, lastIndex }: FoundLog): Promise<number | undefined> {
  const segment = scan.segments.at(-1);
  if (segment === undefined || segment.lastIndex < segment.firstIndex) return undefined;
  const records = await readRecords(files, join(directory, "log"), segment, lastIndex, 1);
  return records.at(-1)?.at;
}
