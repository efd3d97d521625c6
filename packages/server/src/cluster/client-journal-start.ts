import { join } from "node:path";
import type { ClientId, MemberId } from "@nacre/core/distro";
import { failureCode, mend } from "../storage/disk-failure.ts";
import type { Files } from "../storage/files.ts";
import type { StorageLogger } from "../storage/logger.ts";
import { type Kept, readRecords } from "./client-journal-records.ts";

const NAME = /^clients-(\d+)\.journal$/;

export const journalName = (number: number): string => `clients-${String(number).padStart(8, "0")}.journal`;

/** What the files of earlier lives hold. */
export interface Found {
  readonly clients: Map<ClientId, { readonly kept: Kept; readonly bytes: number }>;
  /** Of the files that stay, oldest first. */
  readonly numbers: readonly number[];
  readonly bytes: number;
  readonly damaged: readonly number[];
}

/** Reads all files, oldest first: what comes later is newer. Never fails. */
export async function readJournal(from: {
  readonly files: Files;
  readonly directory: string;
  readonly self: MemberId;
  readonly wall: number;
  readonly tombstoneMs: number;
  readonly log: StorageLogger;
}): Promise<Found> {
  const { files, directory, self, wall, tombstoneMs, log } = from;
  const clients: Found["clients"] = new Map();
  const [numbers, damaged]: [number[], number[]] = [[], []];
  let bytes = 0;
  for (const number of await journalNumbers(from)) {
    const name = journalName(number);
    try {
      const content = await files.read(join(directory, name));
      const wrong = readRecords(content, wall, ({ kept, forgotten, bytes: size }) => {
        for (const id of forgotten) clients.delete(id);
        const share = Math.round(size / kept.length);
        for (const one of kept) {
          const isKept = one.version.owner === self && (one.gone === undefined || one.ageMs <= tombstoneMs);
          if (isKept) clients.set(one.id, { kept: one, bytes: share });
          else clients.delete(one.id);
        }
      });
      if (wrong === undefined) {
        numbers.push(number);
        bytes += content.length;
        continue;
      }
      damaged.push(number);
      log.warn(
        { file: name },
        `the journal of clients ${join(directory, name)} is damaged, ${wrong}: it is set aside as ${ASIDE}, and what ` +
          "clients published after that place is known again when they are back",
      );
    } catch (thrown) {
      damaged.push(number);
      log.warn(
        { file: name, code: failureCode(thrown) },
        `the journal of clients ${join(directory, name)} cannot be read (${failureCode(thrown)}), so that its clients ` +
          `are known again when they are back: ${mend(thrown)}`,
      );
    }
  }
  return { clients, numbers, bytes, damaged };
}

async function journalNumbers({ files, directory, log }: Parameters<typeof readJournal>[0]): Promise<number[]> {
  try {
    const names = await files.list(directory);
    const numbers = names.map((name) => Number(NAME.exec(name)?.[1] ?? Number.NaN));
    return numbers.filter((number) => Number.isSafeInteger(number)).sort((a, b) => a - b);
  } catch (thrown) {
    if (failureCode(thrown) !== "ENOENT")
      log.warn(
        { code: failureCode(thrown) },
        `the journal of clients in ${directory} cannot be read (${failureCode(thrown)}): ${mend(thrown)}`,
      );
    return [];
  }
}

/** One place, so that damage does not fill a disk: the newest one stays. */
const ASIDE = "clients.damaged";

export async function setAside(files: Files, directory: string, numbers: readonly number[]): Promise<void> {
  for (const number of numbers)
    await files.rename(join(directory, journalName(number)), join(directory, ASIDE)).catch(() => {});
}
