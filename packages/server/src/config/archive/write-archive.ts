import type { ConfigFields } from "@nacre/core/config";
import {
  type ArchiveForm,
  type ArchiveName,
  entryName,
  METADATA_NAMES,
  NEW_EMPTY,
  NEW_HEAD,
  newRow,
  oldLine,
} from "./metadata.ts";
import { writeZip, type ZipSource } from "./write-zip.ts";

export interface ArchiveSource {
  readonly name: ArchiveName;
  /** Lone surrogates become U+FFFD: UTF-8 can not hold them. */
  readonly content: string;
  readonly fields: ConfigFields;
}

/**
 * A zip of configurations, in pieces, as exports of the Nacos wire have it: one entry `group/dataId` each, then the
 * metadata in the old or the new form. Takes one item at a time, when the reader asks for more; no piece of work on
 * the event loop takes longer than about 5 ms for a content of 10 MiB.
 *
 * @param at  when it is made; entries are marked with it.
 * @throws RegistryError `invalidParameter` for more than a zip can hold.
 */
export function writeArchive(
  items: AsyncIterable<ArchiveSource>,
  form: ArchiveForm,
  at = new Date(),
): AsyncGenerator<Uint8Array, void> {
  return writeZip(form === "old" ? oldEntries(items) : newEntries(items), at);
}

/** `nacos_config_export_<yyyyMMddHHmmss>.zip`, in local time. */
export function archiveFileName(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}${two(at.getMonth() + 1)}${two(at.getDate())}`;
  return `nacos_config_export_${day}${two(at.getHours())}${two(at.getMinutes())}${two(at.getSeconds())}.zip`;
}

async function* oldEntries(items: AsyncIterable<ArchiveSource>): AsyncGenerator<ZipSource, void> {
  const lines: string[] = [];
  for await (const item of items) {
    lines.push(oldLine(item.name, item.fields));
    yield { name: entryName(item.name), bytes: Buffer.from(item.content) };
  }
  const text = lines.join("");
  if (text !== "") yield { name: METADATA_NAMES.old, bytes: Buffer.from(text) };
}

async function* newEntries(items: AsyncIterable<ArchiveSource>): AsyncGenerator<ZipSource, void> {
  const rows: string[] = [];
  for await (const item of items) {
    rows.push(newRow(item.name, item.fields));
    yield { name: entryName(item.name), bytes: Buffer.from(item.content) };
  }
  const text = rows.length === 0 ? NEW_EMPTY : NEW_HEAD + rows.join("");
  yield { name: METADATA_NAMES.new, bytes: Buffer.from(text) };
}
