import { type RawBuilder, sql } from "kysely";
import { LARGE_BYTES_MIN } from "../large-values.ts";
import { param } from "./prepared.ts";

/** A placeholder for a text that `crossing` has prepared. */
export const textParam = (name: string): RawBuilder<never> => sql<never>`cast(${param(name)} as text)`;

/** A text column as a query selects it; to be given to `text`. */
export const textColumn = <C extends string>(column: C) =>
  sql<string>`iif(octet_length(${sql.ref(column)}) >= ${sql.lit(LARGE_BYTES_MIN)}, cast(${sql.ref(column)} as blob), ${sql.ref(column)})`.as(
    column,
  );
