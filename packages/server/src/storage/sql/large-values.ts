import { type RawBuilder, sql } from "kysely";
import { param } from "./prepared.ts";

/**
 * Texts of megabytes cross the border to SQLite as bytes: its driver makes text of bytes, and bytes of text, character by
 * character, which takes 20 to 40 ms for 10 MiB that are not ASCII, where `Buffer` takes 3 to 8.
 */
const BYTES_MIN = 64 * 1024;

/** A placeholder for a text that `crossing` has prepared. */
export const textParam = (name: string): RawBuilder<never> => sql<never>`cast(${param(name)} as text)`;

/** A text column as a query selects it; to be given to `text`. */
export const textColumn = <C extends string>(column: C) =>
  sql<string>`iif(octet_length(${sql.ref(column)}) >= ${sql.lit(BYTES_MIN)}, cast(${sql.ref(column)} as blob), ${sql.ref(column)})`.as(
    column,
  );

/** A text as the value of a `textParam`. */
export function crossing(text: string): string | Buffer {
  return text.length < BYTES_MIN ? text : Buffer.from(text);
}

/** What a `textColumn` came back as. */
export function text(value: string | Buffer): string {
  return typeof value === "string" ? value : value.toString();
}
