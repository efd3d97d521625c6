import { RegistryError, type TextMap } from "@nacre/protocol";
import { turn } from "../../storage/turn.ts";
import type { Family } from "./family.ts";
import { METADATA, parseMetadata } from "./metadata.ts";
import { type Pair, pairsInTurns, pairsOf } from "./params-text.ts";

/** A parameter name, or several that mean the same; the first that is there counts. */
export type Names = string | readonly string[];

const YES = new Set(["true", "t", "yes", "y", "on"]);
const BOUND: Readonly<Record<string, boolean>> = {
  true: true,
  on: true,
  yes: true,
  "1": true,
  false: false,
  off: false,
  no: false,
  "0": false,
};

const NONE: ReadonlyMap<string, readonly string[]> = new Map();

/**
 * The parameters of a request: query and form in one table, the query first where both have a name. Blank counts as
 * absent everywhere but in `raw`; v1 trims what it reads.
 */
export class Params {
  #values: ReadonlyMap<string, readonly string[]>;
  readonly #family: Family;

  constructor(values: ReadonlyMap<string, readonly string[]>, family: Family) {
    this.#values = values;
    this.#family = family;
  }

  /**
   * @param query  what follows the `?`, one character per byte.
   * @param form  the body, one character per byte; blank when it is no form.
   * @throws RegistryError `invalidParameter` for escapes or bytes that cannot be read.
   */
  static read(query: string, form: string, family: Family): Params {
    return Params.of([...pairsOf(query), ...pairsOf(form)], family);
  }

  /** The same for a form of many megabytes, with the event loop free in between. */
  static async readInTurns(query: string, form: string, family: Family): Promise<Params> {
    // To make text of the body took a turn already.
    await turn();
    return Params.of([...pairsOf(query), ...(await pairsInTurns(form))], family);
  }

  /** @param pairs  the first of a name counts where one value is wanted. */
  static of(pairs: Iterable<Pair>, family: Family): Params {
    const values = new Map<string, string[]>();
    for (const [name, value] of pairs) {
      const held = values.get(name);
      if (held === undefined) values.set(name, [value]);
      else held.push(value);
    }
    return new Params(values, family);
  }

  /** Lets go of all of them: a call that waits for minutes would keep megabytes. */
  release(): void {
    this.#values = NONE;
  }

  get names(): readonly string[] {
    return [...this.#values.keys()];
  }

  /** The first value as it stands, blank and untrimmed ones too. */
  raw(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  optional(names: Names): string | undefined {
    for (const name of typeof names === "string" ? [names] : names) {
      const value = this.#values.get(name)?.[0];
      if (value !== undefined && value.trim() !== "") return this.#family === "v1" ? value.trim() : value;
    }
    return undefined;
  }

  text(names: Names, otherwise: string): string {
    return this.optional(names) ?? otherwise;
  }

  /** @throws RegistryError `parameterMissing`, in the words of the family. */
  required(names: Names): string {
    return this.optional(names) ?? this.#missing(names);
  }

  /** A parameter that the reference binds by its framework: v1 has other words for its absence. */
  bound(names: Names): string {
    const value = this.optional(names);
    if (value !== undefined || this.#family !== "v1") return value ?? this.#missing(names);
    throw new RegistryError("parameterMissing", `Parameter '${firstOf(names)}' is missing`);
  }

  /** Instance fields of v1: yes in any of five spellings, anything else is no; v2 and v3 read as `boolean`. */
  flag(names: Names, otherwise: boolean): boolean {
    if (this.#family !== "v1") return this.boolean(names, otherwise);
    const value = this.optional(names);
    return value === undefined ? otherwise : YES.has(value.toLowerCase());
  }

  /** Only `true`, in any case, is true. */
  isTrue(names: Names, otherwise = false): boolean {
    const value = this.optional(names);
    return value === undefined ? otherwise : value.trim().toLowerCase() === "true";
  }

  /** @throws RegistryError `invalidParameter` for what is neither a yes nor a no. */
  boolean(names: Names, otherwise: boolean): boolean {
    const value = this.optional(names);
    if (value === undefined) return otherwise;
    const key = value.trim().toLowerCase();
    if (Object.hasOwn(BOUND, key)) return BOUND[key] as boolean;
    throw this.#wrong(names, "true or false", value);
  }

  /** @throws RegistryError `invalidParameter` for anything but an integer in decimal digits. */
  integer(names: Names, otherwise: number): number {
    const value = this.optional(names)?.trim();
    if (value === undefined) return otherwise;
    if (!/^[+-]?\d{1,15}$/.test(value)) throw this.#wrong(names, "an integer", value);
    return Number(value);
  }

  requiredInteger(names: Names): number {
    this.required(names);
    return this.integer(names, 0);
  }

  boundInteger(names: Names): number {
    this.bound(names);
    return this.integer(names, 0);
  }

  /** @throws RegistryError `invalidParameter` for anything but a finite decimal number. */
  double(names: Names, otherwise: number): number {
    const value = this.optional(names)?.trim();
    if (value === undefined) return otherwise;
    const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : Number.NaN;
    if (!Number.isFinite(number)) throw this.#wrong(names, "a number", value);
    return number;
  }

  /** Repeated, comma separated, or both; blank entries are left out. */
  list(name: string): readonly string[] {
    return (this.#values.get(name) ?? [])
      .flatMap((value) => value.split(","))
      .map((value) => value.trim())
      .filter((value) => value !== "");
  }

  /** A JSON object of strings, or `k1=v1,k2=v2`. @throws RegistryError `metadataError`. */
  metadata(name: string = METADATA): TextMap | undefined {
    const value = this.optional(name);
    return value === undefined ? undefined : parseMetadata(name, value);
  }

  #missing(names: Names): never {
    const name = firstOf(names);
    throw new RegistryError(
      "parameterMissing",
      this.#family === "v1" || this.#family === "plain"
        ? `Param '${name}' is required.`
        : `Required parameter '${name}' type String is not present`,
    );
  }

  #wrong(names: Names, wanted: string, value: string): RegistryError {
    return new RegistryError(
      "invalidParameter",
      `Param '${firstOf(names)}' is illegal, it should be ${wanted}, not '${value.slice(0, 128)}'.`,
    );
  }
}

function firstOf(names: Names): string {
  return typeof names === "string" ? names : (names[0] ?? "");
}
