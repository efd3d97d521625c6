import type { ConfigFields } from "@nacre/core/config";
import {
  CONFIG_TYPES,
  type ConfigName,
  type ConfigType,
  configTypeOf,
  DEFAULT_CONFIG_TYPE,
  RegistryError,
} from "@nacre/protocol";
import { inTurns } from "../../storage/turn.ts";

/** A configuration within an archive: which namespace it belongs to is for the importer to say. */
export type ArchiveName = Omit<ConfigName, "namespace">;

/** `old`: `.meta.yml`, which carries applications alone. `new`: `.metadata.yml`, which carries every field of a list. */
export type ArchiveForm = "old" | "new";

export const METADATA_NAMES = { old: ".meta.yml", new: ".metadata.yml" } as const satisfies Record<ArchiveForm, string>;

/** The name of an entry. */
export function entryName({ group, dataId }: ArchiveName): string {
  return `${group}/${dataId}`;
}

/** One line of the old form; blank without an application. A line break in it would start another line. */
export function oldLine(name: ArchiveName, fields: ConfigFields): string {
  const app = fields.appName?.replaceAll(/[\r\n]+/g, " ").trim() ?? "";
  return app === "" ? "" : `${oldKey(name)}=${app}\r\n`;
}

function oldKey({ group, dataId }: ArchiveName): string {
  const dot = dataId.lastIndexOf(".");
  const written = dot < 0 ? dataId : `${dataId.slice(0, dot)}~${dataId.slice(dot + 1)}`;
  return `${group}.${written}.app`;
}

/**
 * Applications by the key that `oldApp` asks for.
 *
 * @throws RegistryError `importMetadataIllegal` with the line that is none.
 */
export function readOldLines(text: string): Promise<ReadonlyMap<string, string>> {
  return inTurns(oldLines(text));
}

function* oldLines(text: string): Generator<undefined, ReadonlyMap<string, string>> {
  const apps = new Map<string, string>();
  let count = 0;
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf("\n", from);
    const line = text.slice(from, end === -1 ? undefined : end).replace(/\r$/, "");
    from = end === -1 ? text.length : end + 1;
    count++;
    yield;
    if (line.trim() === "") continue;
    const equals = line.indexOf("=");
    if (equals < 1) throw illegal(`line ${count} of ${METADATA_NAMES.old} must read group.dataId.app=application`);
    apps.set(line.slice(0, equals), line.slice(equals + 1));
  }
  return apps;
}

export function oldApp(apps: ReadonlyMap<string, string>, name: ArchiveName): string | undefined {
  return apps.get(oldKey(name));
}

/** The first lines of the new form; `newRow` follows for each configuration. */
export const NEW_HEAD = "metadata:\n";
/** The whole of it when there is none. */
export const NEW_EMPTY = "metadata: []\n";

/** One configuration in the new form. Labels are left out when there are none: older servers refuse a key they lack. */
export function newRow({ group, dataId }: ArchiveName, fields: ConfigFields): string {
  const tags = fields.tags ?? [];
  return [
    `- group: ${quoted(group)}\n`,
    `  dataId: ${quoted(dataId)}\n`,
    `  desc: ${quoted(fields.description ?? "")}\n`,
    `  type: ${quoted(fields.type ?? DEFAULT_CONFIG_TYPE)}\n`,
    `  appName: ${quoted(fields.appName ?? "")}\n`,
    tags.length === 0 ? "" : `  configTags: ${quoted(tags.join(","))}\n`,
  ].join("");
}

/**
 * A double-quoted scalar that every version of YAML reads alike. JSON's escapes are among YAML's; what YAML 1.1 takes
 * for a line break or for unprintable, and JSON does not escape, is escaped too.
 */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]|[\u{10000}-\u{10ffff}]/gu,
    escaped,
  );
}

function escaped(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16);
  return code.length > 4 ? `\\U${code.padStart(8, "0")}` : `\\u${code.padStart(4, "0")}`;
}

/** Characters of a text and items of a list: far more than any field may have, and read in no time. */
const LENGTH_MAX = 4096;

export interface MetadataRow {
  readonly name: ArchiveName;
  readonly fields: ConfigFields;
}

/**
 * The rows of the new form, by the name of their entry. A key that is absent or null says nothing about the field.
 *
 * @param data       what the YAML says, each scalar as its text.
 * @param blankType  what a row without a type does: v1 refuses the archive, v3 goes by the extension of the data id.
 * @throws RegistryError `importMetadataIllegal` that names the row and the key.
 */
export function readNewRows(data: unknown, blankType: "refuse" | "infer"): Promise<ReadonlyMap<string, MetadataRow>> {
  return inTurns(newRows(data, blankType));
}

function* newRows(
  data: unknown,
  blankType: "refuse" | "infer",
): Generator<undefined, ReadonlyMap<string, MetadataRow>> {
  const list = isRecord(data) ? data.metadata : undefined;
  if (!Array.isArray(list)) throw illegal(`${METADATA_NAMES.new} must be a list under the key metadata`);
  const rows = new Map<string, MetadataRow>();
  for (const [index, one] of list.entries()) {
    yield;
    const row = readRow(one, index, blankType);
    const key = entryName(row.name);
    if (rows.has(key)) throw illegal(`${METADATA_NAMES.new} describes ${key} twice`);
    rows.set(key, row);
  }
  return rows;
}

function readRow(one: unknown, index: number, blankType: "refuse" | "infer"): MetadataRow {
  const where = `metadata[${index}] of ${METADATA_NAMES.new}`;
  if (!isRecord(one)) throw illegal(`${where} must have the keys group, dataId and type`);
  const text = (key: string): string | undefined => scalar(one[key], `${key} of ${where}`);
  const group = text("group")?.trim() ?? "";
  const dataId = text("dataId")?.trim() ?? "";
  const type = text("type")?.trim() ?? "";
  for (const [key, value] of Object.entries({ group, dataId })) {
    if (value === "") throw illegal(`${where} has no ${key}`);
  }
  if (type === "" && blankType === "refuse") throw illegal(`${where} has no type`);
  const description = text("desc");
  const appName = text("appName");
  const tags = tagsOf(one.configTags, `configTags of ${where}`);
  return {
    name: { group, dataId },
    fields: {
      type: configTypeOf(type) ?? typeOfExtension(dataId),
      ...(description === undefined ? {} : { description }),
      ...(appName === undefined ? {} : { appName }),
      ...(tags === undefined ? {} : { tags: [...new Set(tags.map((tag) => tag.trim()).filter((tag) => tag !== ""))] }),
    },
  };
}

function tagsOf(value: unknown, what: string): readonly string[] | undefined {
  if (!Array.isArray(value)) return scalar(value, what)?.split(",");
  if (value.length > LENGTH_MAX) throw illegal(`${what} has more than ${LENGTH_MAX} items`);
  return value.map((tag) => scalar(tag, what) ?? "");
}

function scalar(value: unknown, what: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw illegal(`${what} must be a text`);
  if (value.length > LENGTH_MAX) throw illegal(`${what} has more than ${LENGTH_MAX} characters`);
  return value;
}

const EXTENSIONS: Readonly<Record<string, ConfigType>> = { yml: "yaml", htm: "html", txt: "text" };

/** What a content is written in, by its data id; `text` where the extension says nothing. */
export function typeOfExtension(dataId: string): ConfigType {
  const dot = dataId.lastIndexOf(".");
  const extension = dot < 0 ? "" : dataId.slice(dot + 1).toLowerCase();
  const type = CONFIG_TYPES.find((known) => known === extension && known !== "unset");
  return type ?? (Object.hasOwn(EXTENSIONS, extension) ? EXTENSIONS[extension] : undefined) ?? DEFAULT_CONFIG_TYPE;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function illegal(why: string): RegistryError {
  return new RegistryError("importMetadataIllegal", why);
}
