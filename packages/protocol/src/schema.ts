import { RegistryError } from "./failures.ts";

/**
 * Typed readers, from which the types of the messages derive. A reader takes what `JSON.parse` gave, treats `null` as
 * absent (several SDKs write nulls everywhere), and either returns the declared type or throws a `RegistryError` that
 * names the field and the rule.
 */
export interface Field<T> {
  read(value: unknown, path: string): T;
}

export type Infer<F> = F extends Field<infer T> ? T : never;
export type InferFields<F extends Record<string, Field<unknown>>> = { readonly [K in keyof F]: Infer<F[K]> };

function wrongType(path: string, wanted: string, value: unknown): RegistryError {
  const got = Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
  return new RegistryError("invalidParameter", `Param '${path}' is illegal, it should be ${wanted}, not ${got}.`);
}

/** Text; absent reads as `otherwise`. Lone surrogates are refused: no SDK could read them back. */
export function text(otherwise = ""): Field<string> {
  return {
    read(value, path) {
      if (value === undefined || value === null) return otherwise;
      if (typeof value !== "string") throw wrongType(path, "a string", value);
      return wellFormed(value, path);
    },
  };
}

/** Text that may be absent. */
export function optionalText(): Field<string | undefined> {
  return {
    read(value, path) {
      if (value === undefined || value === null) return undefined;
      if (typeof value !== "string") throw wrongType(path, "a string", value);
      return wellFormed(value, path);
    },
  };
}

function wellFormed(value: string, path: string): string {
  // A scan by native code; the method is newer than the library this package compiles against.
  if (!(value as unknown as { isWellFormed(): boolean }).isWellFormed())
    throw new RegistryError("invalidParameter", `Param '${path}' is illegal, it contains a lone surrogate.`);
  return value;
}

export function bool(otherwise: boolean): Field<boolean> {
  return {
    read(value, path) {
      if (value === undefined || value === null) return otherwise;
      if (typeof value === "boolean") return value;
      if (value === "true") return true;
      if (value === "false") return false;
      throw wrongType(path, "true or false", value);
    },
  };
}

/** A number that may have a fraction. Text that is a number is accepted, as the reference's parser accepts it. */
export function number(otherwise: number): Field<number> {
  return {
    read(value, path) {
      if (value === undefined || value === null) return otherwise;
      const read = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
      if (typeof read !== "number" || !Number.isFinite(read)) throw wrongType(path, "a number", value);
      // Makes 0 of -0, which JSON cannot write.
      return read + 0;
    },
  };
}

export function integer(otherwise: number): Field<number> {
  const inner = number(otherwise);
  return {
    read(value, path) {
      const read = inner.read(value, path);
      if (!Number.isSafeInteger(read)) throw wrongType(path, "an integer", value);
      return read;
    },
  };
}

/** A list; absent reads as empty. More than `max` entries are refused. */
export function list<T>(item: Field<T>, max: number): Field<readonly T[]> {
  return {
    read(value, path) {
      if (value === undefined || value === null) return [];
      if (!Array.isArray(value)) throw wrongType(path, "a list", value);
      if (value.length > max)
        throw new RegistryError("invalidParameter", `Param '${path}' is illegal, it should not exceed ${max} entries.`);
      return value.map((entry, at) => item.read(entry, `${path}[${at}]`));
    },
  };
}

export type TextMap = Readonly<Record<string, string>>;
const EMPTY: TextMap = Object.freeze({});

/**
 * An object of strings; absent reads as empty. Values that are numbers or booleans become their text, nulls are left
 * out. A key such as `__proto__` stays an ordinary own property.
 */
export function textMap(): Field<TextMap> {
  return {
    read(value, path) {
      if (value === undefined || value === null) return EMPTY;
      if (typeof value !== "object" || Array.isArray(value)) throw wrongType(path, "an object of strings", value);
      const entries: [string, string][] = [];
      for (const [key, held] of Object.entries(value)) {
        if (held === null) continue;
        if (typeof held === "object") throw wrongType(`${path}.${key}`, "a string", held);
        entries.push([wellFormed(key, `${path} key`), wellFormed(String(held), `${path}.${key}`)]);
      }
      return entries.length === 0 ? EMPTY : Object.fromEntries(entries);
    },
  };
}

/** An object of booleans, such as an ability table; entries of another type are left out. */
export function flagMap(): Field<Readonly<Record<string, boolean>>> {
  return {
    read(value, path) {
      if (value === undefined || value === null) return {};
      if (typeof value !== "object" || Array.isArray(value)) throw wrongType(path, "an object", value);
      return Object.fromEntries(
        Object.entries(value).filter((entry): entry is [string, boolean] => typeof entry[1] === "boolean"),
      );
    },
  };
}

/** A field that may be absent. */
export function optional<T>(field: Field<T>): Field<T | undefined> {
  return { read: (value, path) => (value === undefined || value === null ? undefined : field.read(value, path)) };
}

/** An object with the given fields; what else it holds is ignored, as every SDK expects of its peer. */
export function object<F extends Record<string, Field<unknown>>>(fields: F): Field<InferFields<F>> {
  const names = Object.keys(fields);
  return {
    read(value, path) {
      if (typeof value !== "object" || value === null || Array.isArray(value))
        throw wrongType(path, "an object", value);
      const from = value as Record<string, unknown>;
      const out: Record<string, unknown> = {};
      for (const name of names) {
        const held = Object.hasOwn(from, name) ? from[name] : undefined;
        out[name] = (fields[name] as Field<unknown>).read(held, path === "" ? name : `${path}.${name}`);
      }
      return out as InferFields<F>;
    },
  };
}
