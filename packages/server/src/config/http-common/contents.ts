import { type ConfigName, RegistryError } from "@nacre/protocol";
import type { HistoryRow, StoredConfig } from "../../storage/config-store.ts";
import type { ConfigService } from "../service.ts";

/**
 * A content as people and exports read it. One that this server has no key for is shown as it is stored: its client has
 * encrypted it, and one of them should not keep a list from being shown.
 */
export async function readable(configs: ConfigService, stored: Readable): Promise<string> {
  const { name, content, encryptedDataKey } = stored;
  if (encryptedDataKey === "") return content;
  try {
    return await configs.decrypted(name, content, encryptedDataKey);
  } catch (refused) {
    if (refused instanceof RegistryError) return content;
    throw refused;
  }
}

/** A content to be stored elsewhere: readable, to be encrypted anew, or else as it is with its key. */
export async function portable(
  configs: ConfigService,
  stored: Readable,
): Promise<{ readonly content: string; readonly encryptedDataKey?: string }> {
  const content = await readable(configs, stored);
  const { encryptedDataKey } = stored;
  return encryptedDataKey !== "" && content === stored.content ? { content, encryptedDataKey } : { content };
}

interface Readable {
  readonly name: ConfigName;
  readonly content: string;
  readonly encryptedDataKey: string;
}

/** The same row with its readable content. */
export async function opened<T extends StoredConfig | HistoryRow>(configs: ConfigService, row: T): Promise<T> {
  return row.encryptedDataKey === "" ? row : { ...row, content: await readable(configs, row) };
}
