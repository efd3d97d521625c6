/** What an option row may say. `options/rows/` holds the rows; types, help, checks and reference derive from them. */

export type Group =
  | "process"
  | "cluster"
  | "http"
  | "grpc"
  | "tls"
  | "peerTls"
  | "naming"
  | "config"
  | "push"
  | "limits"
  | "logs";

/** In the order in which help and reference show them. */
export const GROUPS: Record<Group, string> = {
  process: "Process and ports",
  cluster: "Cluster",
  http: "HTTP",
  grpc: "gRPC connections",
  tls: "TLS of the gRPC port",
  peerTls: "TLS between members",
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
  /** Other words for true and false. */
  readonly synonyms?: Readonly<Record<string, "true" | "false">>;
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
  /** True where the value is shown to nobody. */
  readonly secret?: boolean;
  readonly synonyms?: Readonly<Record<string, string>>;
}

export interface ListOption extends OptionBase {
  readonly type: "list";
  /** Entries are separated by blanks as well as by commas. */
  readonly blanks?: boolean;
  readonly default: readonly string[];
}

export interface EnumOption extends OptionBase {
  readonly type: "enum";
  readonly values: readonly string[];
  readonly default: string;
  /** Other spellings of the values. */
  readonly synonyms?: Readonly<Record<string, string>>;
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
