import { RegistryError } from "./failures.ts";
import { decodeUtf8 } from "./utf8.ts";

/** JSON text that `JSON.stringify` writes as it stands; see `double`. */
export interface RawJson {
  readonly rawJSON: string;
}

const rawJson = (JSON as unknown as { rawJSON(text: string): RawJson }).rawJSON;

/** A number as clients with a static type expect a double: `1` is written `1.0` (the C++ SDK refuses `1`). */
export function doubleText(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? `${value}.0` : String(value);
}

/** A double inside an object that `JSON.stringify` will write. */
export function double(value: number): RawJson {
  return rawJson(doubleText(value));
}

/** Parses a JSON object. Empty text stands for `{}`. @throws RegistryError `badRequest`. */
export function parseJsonObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  if (bytes.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(decodeUtf8(bytes));
  } catch (cause) {
    throw new RegistryError("badRequest", `${what}: the body is not JSON in UTF-8 (${(cause as Error).message})`, {
      cause,
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new RegistryError("badRequest", `${what}: the body is not a JSON object`);
  return value as Record<string, unknown>;
}
