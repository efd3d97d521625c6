import { join } from "node:path";
import type { ClientId, Contents, MemberId } from "@nacre/core/distro";
import { serviceKey } from "@nacre/protocol";
import { failureCode, mend } from "../storage/disk-failure.ts";
import type { Files } from "../storage/files.ts";
import type { StorageLogger } from "../storage/logger.ts";
import { type Kept, readRecords } from "./client-journal-records.ts";
import { NOTHING } from "./client-journal-slices.ts";

const NAME = /^clients-(\d+)\.journal$/;

export const journalName = (number: number): string => `clients-${String(number).padStart(8, "0")}.journal`;

/** What the files of earlier lives hold. */
export interface Found {
  /** Bytes that each client takes. */
  readonly live: Map<ClientId, number>;
  /** Oldest first. */
  readonly gone: readonly { readonly id: ClientId; readonly ageMs: number; readonly bytes: number }[];
  /** Of the files, oldest first, those that are damaged too. */
  readonly numbers: readonly number[];
  readonly damaged: ReadonlySet<number>;
  readonly bytes: number;
}

type Publications = Map<string, Contents["publications"][number]>;

/** Parts of one client, newest first, as far as each builds on the next older one. */
interface Parts {
  readonly newest: Kept;
  readonly contents: Contents;
  oldest: Kept;
  readonly publications: Publications;
}

/** Puts the parts of clients together with the wholes on which they build. Records come newest first. */
class Joining {
  readonly #parts = new Map<ClientId, Parts>();

  /** @returns what the client was last, undefined while older records are needed for that. */
  join(one: Kept): Kept | undefined {
    const parts = this.#parts.get(one.id);
    const builds = parts !== undefined && isBase(one, parts.oldest);
    // What is between the two is missing. The older state has an older version, so that whoever knows more wins.
    if (!builds) this.#parts.delete(one.id);
    const { base, contents } = one;
    if (!builds && one.isUnfinished) return undefined;
    if (contents === undefined || (!builds && base === undefined)) return one;
    const joined = builds ? parts : { newest: one, contents, oldest: one, publications: new Map() };
    joined.oldest = one;
    for (const [key, publication] of byService(contents.publications))
      if (!joined.publications.has(key)) joined.publications.set(key, publication);
    if (base !== undefined && base.counter !== NOTHING.counter) {
      this.#parts.set(one.id, joined);
      return undefined;
    }
    this.#parts.delete(one.id);
    const publications = [...joined.publications.values()].filter(({ instances }) => instances.length > 0);
    const { base: _, ...newest } = joined.newest;
    return { ...newest, contents: { ...joined.contents, publications } };
  }

  /** Something newer is known, or nothing is to be. */
  drop(id: ClientId): void {
    this.#parts.delete(id);
  }
}

function isBase({ version, contentHash, gone }: Kept, part: Kept): boolean {
  const { owner, incarnation, counter } = version;
  return (
    gone === undefined &&
    owner === part.version.owner &&
    incarnation === part.version.incarnation &&
    counter === part.base?.counter &&
    contentHash === part.base.contentHash
  );
}

function byService(publications: Contents["publications"]): Publications {
  return new Map(publications.map((publication) => [serviceKey(publication.service), publication]));
}

/** Reads all files, newest first: what was read first of a client stands. Never fails. */
export async function readJournal(from: {
  readonly files: Files;
  readonly directory: string;
  readonly self: MemberId;
  readonly wall: number;
  readonly tombstoneMs: number;
  readonly log: StorageLogger;
  readonly restore: (kept: Kept) => void;
}): Promise<Found> {
  const { files, directory, self, wall, tombstoneMs, log, restore } = from;
  const live = new Map<ClientId, number>();
  const gone: { id: ClientId; ageMs: number; bytes: number }[] = [];
  /** Those that are not live. */
  const over = new Set<ClientId>();
  const joining = new Joining();
  const damaged = new Set<number>();
  const numbers = await journalNumbers(from);
  let bytes = 0;
  for (const number of numbers.toReversed()) {
    const name = journalName(number);
    try {
      const content = await files.read(join(directory, name));
      bytes += content.length;
      const wrong = readRecords(content, wall, ({ kept, forgotten, bytes: size }) => {
        for (const id of forgotten) {
          joining.drop(id);
          if (!live.has(id)) over.add(id);
        }
        const share = Math.round(size / kept.length);
        for (const read of kept) {
          const { id } = read;
          if (live.has(id) || over.has(id)) continue;
          const one = joining.join(read);
          if (one === undefined) continue;
          const { ageMs } = one;
          const isOwn = one.version.owner === self;
          if (isOwn && one.gone === undefined) live.set(id, share);
          else over.add(id);
          if (!isOwn || (one.gone !== undefined && ageMs > tombstoneMs)) continue;
          if (one.gone !== undefined) gone.push({ id, ageMs, bytes: share });
          restore(one);
        }
      });
      if (wrong === undefined) continue;
      damaged.add(number);
      log.warn(
        { file: name },
        `the journal of clients ${join(directory, name)} is damaged, ${wrong}: what is whole in it is used, and it is set ` +
          `aside as ${ASIDE} when that has been written anew`,
      );
    } catch (thrown) {
      damaged.add(number);
      log.warn(
        { file: name, code: failureCode(thrown) },
        `the journal of clients ${join(directory, name)} cannot be read (${failureCode(thrown)}), so that its clients ` +
          `are known again when they are back: ${mend(thrown)}`,
      );
    }
  }
  return { live, gone: gone.reverse(), numbers, damaged, bytes };
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
export const ASIDE = "clients.damaged";
