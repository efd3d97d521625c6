import { type NumberOption, type Option, OptionError, type Value } from "./option.ts";

const DURATION_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE_BYTES: Record<string, number> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const TRUE = ["true", "on", "yes", "1"];
const FALSE = ["false", "off", "no", "0"];

/**
 * The value that a text means for an option.
 *
 * @param where where the text was found, for the sentence: `flag --port`, `environment variable X`, `file:line`.
 * @returns undefined when the text is blank and blank means "not set" here.
 * @throws OptionError when the text does not fit the option.
 */
export function readValue(option: Option, text: string, where: string): Value {
  const trimmed = text.trim();
  if (trimmed === "" && !(option.type === "text" && option.blank === true)) return undefined;
  const problem = (must: string): OptionError =>
    new OptionError(`${option.name} is ${shown(option, JSON.stringify(text))} (${where}) but must be ${must}.`);
  switch (option.type) {
    case "boolean": {
      const given = trimmed.toLowerCase();
      const word = option.synonyms?.[given] ?? given;
      if (TRUE.includes(word)) return true;
      if (FALSE.includes(word)) return false;
      throw problem("true or false");
    }
    case "integer":
    case "duration":
    case "bytes":
    case "port": {
      const number = numberOf(option, trimmed);
      if (number === undefined || number < option.min || number > option.max) throw problem(rangeOf(option));
      return number;
    }
    case "enum": {
      const word = trimmed.toLowerCase();
      const value = option.synonyms?.[word] ?? word;
      if (!option.values.includes(value)) throw problem(`one of ${option.values.join(", ")}`);
      return value;
    }
    case "list":
      return trimmed
        .split(option.blanks === true ? /[\s,]+/ : ",")
        .map((item) => item.trim())
        .filter((item) => item !== "");
    case "path":
    case "text": {
      const value = option.synonyms?.[trimmed] ?? trimmed;
      if (option.rule !== undefined && !option.rule.pattern.test(value)) throw problem(option.rule.says);
      return value;
    }
  }
}

/** A value as its option's text, such that `readValue` gives the value back. */
export function textOf(option: Option, value: Value): string {
  if (value === undefined) return "";
  if (Array.isArray(value)) return value.join(",");
  if (typeof value === "number" && option.type === "duration")
    return inUnits(
      value,
      [
        ["h", 3_600_000],
        ["m", 60_000],
        ["s", 1000],
      ],
      "ms",
    );
  if (typeof value === "number" && option.type === "bytes")
    return inUnits(
      value,
      [
        ["GiB", 1024 ** 3],
        ["MiB", 1024 ** 2],
        ["KiB", 1024],
      ],
      "",
    );
  return String(value);
}

/** A value as people may see it. */
export function shown(option: Option, text: string): string {
  return option.type === "text" && option.secret === true && text !== "" ? "******" : text;
}

/** "an integer from 1 to 20" and the like: completes "must be ...". */
export function rangeOf(option: NumberOption): string {
  const [min, max] = [textOf(option, option.min), textOf(option, option.max)];
  if (option.type === "duration")
    return `a time from ${min} to ${max}, in milliseconds or with a unit (ms, s, m, h, d)`;
  if (option.type === "bytes") return `a size from ${min} to ${max}, in bytes or with a unit (KiB, MiB, GiB)`;
  return `${option.type === "port" ? "a port number" : "an integer"} from ${min} to ${max}`;
}

function numberOf(option: NumberOption, text: string): number | undefined {
  const match = /^(-?\d{1,15})\s*([A-Za-z]*)$/.exec(text);
  if (match === null) return undefined;
  const [, digits = "", unit = ""] = match;
  if (unit === "") return Number(digits);
  if (option.type === "duration") return scaled(digits, DURATION_MS[unit.toLowerCase()]);
  // KB and KiB both mean 1024, as in the sizes of Spring.
  if (option.type === "bytes") return scaled(digits, SIZE_BYTES[unit.toLowerCase().replace(/(?<=[kmg])i?b$/, "")]);
  return undefined;
}

function scaled(digits: string, factor: number | undefined): number | undefined {
  return factor === undefined ? undefined : Number(digits) * factor;
}

function inUnits(value: number, units: readonly (readonly [string, number])[], base: string): string {
  const fit = units.find(([, size]) => value >= size && value % size === 0);
  return fit === undefined ? `${value}${value === 0 ? "" : base}` : `${value / fit[1]}${fit[0]}`;
}
