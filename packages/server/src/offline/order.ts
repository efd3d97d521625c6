import { join } from "node:path";
import { RegistryError } from "@nacre/protocol";
import type { Identity } from "../cluster/identity.ts";
import { diskFailure, failureCode } from "../storage/disk-failure.ts";
import type { Files } from "../storage/files.ts";

/**
 * What an operator ordered while the member was stopped, as it stands in the data folder from the moment from which it
 * counts until all of it is done. A start finishes it before it looks at anything else.
 */
export type OfflineOrder =
  /** This member goes on as the only voter: a configuration behind the last entry of its log, in a new term and epoch. */
  | {
      readonly type: "recover";
      readonly memberId: string;
      /** Who the member is, where the folder does not say so: it was left behind by another one. */
      readonly identity?: Identity;
      readonly epoch: number;
      readonly term: number;
      readonly configuration: string;
      /** Epoch milliseconds. */
      readonly at: number;
    }
  /**
   * A snapshot takes the place of everything: what was there is moved to `aside`, a folder below the data folder; undefined
   * where there was nothing.
   */
  | {
      readonly type: "restore";
      readonly identity: Identity;
      readonly index: number;
      readonly term: number;
      readonly aside: string | undefined;
    };

export const ORDER_FILE = "offline.json";
/** Below the data folder; holds what a restore puts in place. Without an order it means nothing. */
export const STAGING = "restore.tmp";

/**
 * Finishes what an operator ordered and what was interrupted, if there is anything. The folder's lock is held.
 *
 * @param boot  of this machine; only tests name one.
 * @throws RegistryError `dataAccess`.
 */
export async function finishOfflineOrder(
  files: Files,
  directory: string,
  boot?: string | null,
): Promise<OfflineOrder | undefined> {
  const path = join(directory, ORDER_FILE);
  let text: string;
  try {
    text = String(await files.read(path));
  } catch (thrown) {
    if (failureCode(thrown) === "ENOENT") return undefined;
    throw diskFailure(`what was ordered for this member cannot be read from ${path}`, thrown);
  }
  const order = orderIn(text);
  if (order === undefined)
    throw new RegistryError(
      "dataAccess",
      `${path} is damaged, so that nobody knows how far what was ordered for this stopped member has come: restore a ` +
        "backup into an empty folder, or start with one as a new member that loads from the others",
    );
  const { finish } = await import("./finish.ts");
  await finish(files, directory, order, boot);
  return order;
}

/** It was put there whole and synced: what is JSON still is what was written. */
function orderIn(text: string): OfflineOrder | undefined {
  try {
    const order = JSON.parse(text) as OfflineOrder | null;
    return order?.type === "recover" || order?.type === "restore" ? order : undefined;
  } catch {
    return undefined;
  }
}
