/**
 * Options of the server: one table of rows, read from flags, environment, a properties file and defaults, in this order.
 * A new option is a row in `options/rows/`; nothing else has to change.
 */

export { readTextFile } from "./options/file.ts";
export { GROUPS, type Group, type Option, OptionError, type Value } from "./options/option.ts";
export {
  DEFAULT_FILE,
  type Environment,
  type Notice,
  type ReadFile,
  type ReadOptions,
  readOptions,
} from "./options/read.ts";
export { defaultOptions, optionsOf } from "./options/resolve.ts";
export { OPTIONS, type OptionKey, type Options, ROWS } from "./options/table.ts";
export { rangeOf, shown, textOf } from "./options/value.ts";
