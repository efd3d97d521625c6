import { parseMemberList } from "@nacre/core/membership";
import type { Log } from "../../connections/connections.ts";
import { type Files, nodeFiles, replaceFile } from "../../storage/files.ts";

/** The last list that an address server gave, for a start while it is down. */
export interface KeptList {
  /** Undefined when none of this server is kept. Never throws. */
  read(url: string): Promise<string | undefined>;
  /** A text that names no member is not kept. Never throws. */
  keep(url: string, text: string): Promise<void>;
}

const FILE = "address-server.list";

/** @param directory the data folder; undefined keeps nothing. */
export function keptList(directory: string | undefined, log: Log, files: Files = nodeFiles): KeptList {
  let last: string | undefined;
  if (directory === undefined) return { read: async () => undefined, keep: async () => {} };
  return {
    async read(url) {
      try {
        const content = String(await files.read(`${directory}/${FILE}`));
        // The list of another server is that of another cluster.
        if (!content.startsWith(headOf(url))) return undefined;
        last = content;
        return content.slice(headOf(url).length);
      } catch (err) {
        if ((err as NodeJS.ErrnoException).code !== "ENOENT")
          log.warn({ err }, "the kept list of the address server cannot be read");
        return undefined;
      }
    },
    async keep(url, text) {
      const content = headOf(url) + text;
      if (content === last || parseMemberList(text, 1).entries.length === 0) return;
      try {
        await replaceFile(files, directory, FILE, content);
        last = content;
      } catch (err) {
        log.warn({ err }, "the list of the address server cannot be kept for the next start");
      }
    },
  };
}

/** A comment, as people may look into the file. */
function headOf(url: string): string {
  return `# ${url}\n`;
}
