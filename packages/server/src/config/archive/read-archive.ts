import { isUtf8 } from "node:buffer";
import type { ConfigFields } from "@nacre/core/config";
import { RegistryError, ruleBroken } from "@nacre/protocol";
import { turn } from "../../storage/turn.ts";
import { ARCHIVE_LIMITS, type ArchiveLimits } from "./limits.ts";
import {
  type ArchiveForm,
  type ArchiveName,
  METADATA_NAMES,
  type MetadataRow,
  oldApp,
  readNewRows,
  readOldLines,
  typeOfExtension,
} from "./metadata.ts";
import { canRead, readDirectory, readEntry, shown, type ZipEntry } from "./read-zip.ts";

export interface ArchiveItem {
  readonly name: ArchiveName;
  readonly content: string;
  /** A field that the metadata does not tell is absent. */
  readonly fields: ConfigFields;
}

/** An entry, or a row of the metadata, that no configuration can be made of. */
export interface Unrecognized {
  readonly itemName: string;
  /** Part of a sentence about the item. */
  readonly reason: string;
}

export interface ReadArchiveOptions {
  /**
   * Parses YAML away from the event loop; every scalar as its text, null as null.
   *
   * @throws RegistryError `invalidParameter` with line and column.
   */
  readonly readYaml: (text: string) => Promise<unknown>;
  /**
   * Metadata of the new form is taken first. `any`: without any it is of the old form; a row without a type is refused.
   * `described`: without any it is refused; a row without a type goes by the extension of its data id.
   */
  readonly accept?: "any" | "described";
  readonly limits?: Partial<ArchiveLimits>;
}

/** Entries between two turns of the event loop. */
const ENTRIES_PER_TURN = 32;
/** From this size on, each step of reading a content has a turn of its own. */
const LARGE_BYTES = 256 * 1024;

/**
 * The configurations of an archive, as an import takes them. It is read as a whole: one that is damaged anywhere gives
 * nothing. What can be told apart from the rest is listed as unrecognized: names that are no `group/dataId` (folders
 * within folders, absolute paths, `..`, backslashes, characters that the rules forbid), contents that are encrypted,
 * packed in an unknown way, too large, empty or not in UTF-8, and what the metadata does not know or knows alone.
 *
 * @throws RegistryError `importEmpty`, `importUnreadable`, `importMetadataIllegal` or `importNothingValid`.
 */
export async function readArchive(
  archive: Uint8Array,
  options: ReadArchiveOptions,
): Promise<{ readonly items: readonly ArchiveItem[]; readonly unrecognized: readonly Unrecognized[] }> {
  const limits = { ...ARCHIVE_LIMITS, ...options.limits };
  if (archive.length === 0) throw new RegistryError("importEmpty", "the file is empty; send a zip archive");
  const entries = (await readDirectory(archive, limits)).filter(({ name }) => !name.endsWith("/"));
  await turn();
  refuseTwice(entries);
  const contents = entries.filter(({ name }) => name !== METADATA_NAMES.old && name !== METADATA_NAMES.new);
  const described = await readMetadata(entries, options, limits);
  if (contents.length === 0 && described.rowsLeft().length === 0) {
    throw new RegistryError("importEmpty", "the archive holds no configuration");
  }
  const items: ArchiveItem[] = [];
  const unrecognized: Unrecognized[] = [];
  for (const [index, entry] of contents.entries()) {
    if (index % ENTRIES_PER_TURN === ENTRIES_PER_TURN - 1) await turn();
    const name = nameOf(entry);
    const fields = name === undefined ? undefined : described.take(name, entry.name);
    const read: { content: string } | { reason: string } =
      name === undefined
        ? { reason: "must be named group/dataId, of letters, digits and - _ : ." }
        : fields === undefined
          ? { reason: `is not described in ${METADATA_NAMES.new}` }
          : await readContent(entry, limits);
    if (name !== undefined && fields !== undefined && "content" in read) {
      items.push({ name, content: read.content, fields });
    } else if ("reason" in read) {
      unrecognized.push({ itemName: shown(entry.name), reason: read.reason });
    }
  }
  for (const itemName of described.rowsLeft()) {
    unrecognized.push({ itemName: shown(itemName), reason: `is in ${METADATA_NAMES.new} alone` });
  }
  if (items.length === 0) {
    const first = unrecognized[0];
    const why = first === undefined ? "" : `: ${first.itemName} ${first.reason}`;
    throw new RegistryError("importNothingValid", `nothing in the archive is a configuration${why}`);
  }
  return { items, unrecognized };
}

/** What the metadata says, whatever its form. */
interface Described {
  /** Fields of an entry; undefined for one that a complete list does not have. */
  take(name: ArchiveName, entryName: string): ConfigFields | undefined;
  /** Rows that no entry was taken for. */
  rowsLeft(): readonly string[];
}

async function readMetadata(
  entries: readonly ZipEntry[],
  { accept = "any", readYaml }: ReadArchiveOptions,
  limits: ArchiveLimits,
): Promise<Described> {
  const newEntry = entries.find(({ name }) => name === METADATA_NAMES.new);
  if (newEntry !== undefined) {
    const data = await parsed(await metadataText(newEntry, "new", limits), readYaml);
    return describedByRows(await readNewRows(data, accept === "described" ? "infer" : "refuse"));
  }
  const oldEntry = entries.find(({ name }) => name === METADATA_NAMES.old);
  if (accept === "described" && oldEntry === undefined) {
    if (entries.length === 0) throw new RegistryError("importEmpty", "the archive holds no configuration");
    throw new RegistryError(
      "importMetadataIllegal",
      `the archive has neither ${METADATA_NAMES.new} nor ${METADATA_NAMES.old}: export it again in the new form, or send it to POST /v1/cs/configs?import=true`,
    );
  }
  const apps = oldEntry === undefined ? new Map() : await readOldLines(await metadataText(oldEntry, "old", limits));
  return describedByApps(apps);
}

function describedByRows(rows: ReadonlyMap<string, MetadataRow>): Described {
  const left = new Set(rows.keys());
  return {
    take(_name, entryName) {
      left.delete(entryName);
      return rows.get(entryName)?.fields;
    },
    rowsLeft: () => [...left],
  };
}

function describedByApps(apps: ReadonlyMap<string, string>): Described {
  return {
    take(name) {
      const appName = oldApp(apps, name);
      const type = typeOfExtension(name.dataId);
      return appName === undefined ? { type } : { type, appName };
    },
    rowsLeft: () => [],
  };
}

async function metadataText(entry: ZipEntry, form: ArchiveForm, limits: ArchiveLimits): Promise<string> {
  const read = await readContent(entry, { ...limits, entryBytesMax: limits.metadataBytesMax });
  if ("content" in read) return read.content;
  throw new RegistryError("importMetadataIllegal", `${METADATA_NAMES[form]} ${read.reason}`);
}

async function parsed(text: string, readYaml: ReadArchiveOptions["readYaml"]): Promise<unknown> {
  try {
    return await readYaml(text);
  } catch (error) {
    if (!(error instanceof RegistryError) || error.failure !== "invalidParameter") throw error;
    throw new RegistryError("importMetadataIllegal", `${METADATA_NAMES.new} is ${error.message}`, { cause: error });
  }
}

/** Two entries of one name are read differently by every reader: whoever made them wants to be believed twice. */
function refuseTwice(entries: readonly ZipEntry[]): void {
  const names = new Set<string>();
  for (const { name } of entries) {
    if (names.has(name)) throw new RegistryError("importUnreadable", `the archive holds ${shown(name)} twice`);
    names.add(name);
  }
}

/** Undefined for a name that can not be one of a configuration. `.` and `..` would pass the rules, and mean a folder. */
function nameOf(entry: ZipEntry): ArchiveName | undefined {
  const [group = "", dataId = "", ...more] = entry.name.split("/");
  const isPart = (part: string): boolean => part !== "" && part !== "." && part !== "..";
  if (more.length > 0 || !isPart(group) || !isPart(dataId)) return undefined;
  if (group.trim() !== group || dataId.trim() !== dataId) return undefined;
  if (ruleBroken("group", group) !== undefined || ruleBroken("dataId", dataId) !== undefined) return undefined;
  return { group, dataId };
}

async function readContent(
  entry: ZipEntry,
  limits: ArchiveLimits,
): Promise<{ readonly content: string } | { readonly reason: string }> {
  if (entry.encrypted) return { reason: "is encrypted; pack it without a password" };
  if (!canRead(entry)) return { reason: "is packed in a way other than deflate" };
  if (entry.size > limits.entryBytesMax) return { reason: `is larger than ${limits.entryBytesMax} bytes` };
  const isLarge = entry.size > LARGE_BYTES;
  const bytes = await readEntry(entry);
  if (isLarge) await turn();
  if (!isUtf8(bytes)) return { reason: "is not written in UTF-8" };
  // A byte order mark stays: the content must have the md5 it was exported with.
  const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  if (isLarge) await turn();
  return content.trim() === "" ? { reason: "is empty" } : { content };
}
