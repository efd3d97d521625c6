import { join } from "node:path";
import type { Identity } from "../cluster/identity.ts";
import { failureCode } from "../storage/disk-failure.ts";
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
  let text: string;
  try {
    text = String(await files.read(join(directory, ORDER_FILE)));
  } catch (thrown) {
    if (failureCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
  // It was put there whole and synced.
  const order = JSON.parse(text) as OfflineOrder;
  const { finish } = await import("./finish.ts");
  await finish(files, directory, order, boot);
  return order;
}
