import { RegistryError, type TextMap, textMap } from "@nacre/protocol";
import { ownText } from "./own-text.ts";

/** What the parameter is called in every family. */
export const METADATA = "metadata";

const anyText = textMap();

/**
 * Metadata as clients write it: a JSON object of strings, or `k1=v1,k2=v2`. A key such as `__proto__` is a key like any
 * other.
 *
 * @throws RegistryError `metadataError`.
 */
export function parseMetadata(name: string, text: string): TextMap {
  const trimmed = text.trim();
  if (trimmed.startsWith("{")) {
    try {
      return anyText.read(JSON.parse(trimmed), name);
    } catch (cause) {
      throw wrong(name, cause);
    }
  }
  const entries: [string, string][] = [];
  for (const part of trimmed.split(",")) {
    if (part.trim() === "") continue;
    const equals = part.indexOf("=");
    const key = part.slice(0, Math.max(equals, 0)).trim();
    if (key === "") throw wrong(name, undefined);
    entries.push([ownText(key), ownText(part.slice(equals + 1).trim())]);
  }
  return Object.fromEntries(entries);
}

function wrong(name: string, cause: unknown): RegistryError {
  const rule = "it must be a JSON object of strings, or k1=v1,k2=v2";
  return new RegistryError("metadataError", `Param '${name}' is illegal, ${rule}.`, { cause });
}
