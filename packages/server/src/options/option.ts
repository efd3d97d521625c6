/** What an option row may say. `options/rows/` holds the rows; types, help, checks and reference derive from them. */

export type Group = "process" | "http" | "grpc" | "tls" | "naming" | "config" | "push" | "limits" | "logs";

/** In the order in which help and reference show them. */
export const GROUPS: Record<Group, string> = {
  process: "Process and ports",
  http: "HTTP",
  grpc: "gRPC connections",
  tls: "TLS of the gRPC port",
  naming: "Naming",
  push: "Push",
  config: "Configuration",
  limits: "Limits",
  logs: "Logs and metrics",
};

interface OptionBase {
  /** Property name: Nacos's where Nacos has the option. */
  readonly name: string;
  /** Older or other property names with the same meaning. */
  readonly aliases?: readonly string[];
  /** Short flag without dashes, for the options people type. */
  readonly flag?: string;
  /** Environment variables beside those derived from the names. */
  readonly env?: readonly string[];
  readonly group: Group;
  /** What it does, as one phrase. */
  readonly what: string;
  /** Why the default is what it is. */
  readonly why: string;
}

export interface BooleanOption extends OptionBase {
  readonly type: "boolean";
  readonly default: boolean;
}

/** `duration` counts milliseconds, `bytes` bytes; a text may carry a unit (`10s`, `2MiB`). Bounds are inclusive. */
export interface NumberOption extends OptionBase {
  readonly type: "integer" | "duration" | "bytes" | "port";
  readonly default: number | undefined;
  readonly min: number;
  readonly max: number;
}

export interface TextOption extends OptionBase {
  readonly type: "text" | "path";
  readonly default: string | undefined;
  /** The whole text must match; `says` completes "must be ...". */
  readonly rule?: { readonly pattern: RegExp; readonly says: string };
  /** True where an empty text is a value of its own and not an absent one. */
  readonly blank?: boolean;
  readonly synonyms?: Readonly<Record<string, string>>;
}

export interface ListOption extends OptionBase {
  readonly type: "list";
  readonly default: readonly string[];
}

export interface EnumOption extends OptionBase {
  readonly type: "enum";
  readonly values: readonly string[];
  readonly default: string;
  /** Other spellings of the values. */
  readonly synonyms?: Readonly<Record<string, string>>;
  /** Values that are understood but not offered in this release: value to the sentence that says so and what to do. */
  readonly notYet?: Readonly<Record<string, string>>;
}

export type Option = BooleanOption | NumberOption | TextOption | ListOption | EnumOption;
export type OptionRows = Readonly<Record<string, Option>>;

/** The type of the value that a row describes. */
export type ValueOf<O> = O extends { type: "boolean" }
  ? boolean
  : O extends { type: "list" }
    ? readonly string[]
    : O extends { type: "enum"; values: readonly (infer V)[] }
      ? V
      : O extends { type: "text" | "path"; default: infer D }
        ? string | Extract<D, undefined>
        : O extends { default: infer D }
          ? number | Extract<D, undefined>
          : never;

export type Value = boolean | number | string | readonly string[] | undefined;

/** A bad or missing value: one sentence that names the option, where the value came from, the rule and the fix. */
export class OptionError extends Error {
  override readonly name = "OptionError";
}
