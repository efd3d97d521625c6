import type { Query } from "./sqlite.ts";

/** @param parameters  names of the values, and numbers that are the same every time. */
export function fixed(sql: string, parameters: readonly (string | number)[]): (values: object) => Query {
  return (values) => ({
    sql,
    parameters: parameters.map((parameter) =>
      typeof parameter === "number" ? parameter : (values as Record<string, unknown>)[parameter],
    ),
  });
}
