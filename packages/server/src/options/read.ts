import { dirname, join } from "node:path";
import { canonical, environmentNames, knownKey } from "./known.ts";
import { editDistance, nearest } from "./nearest.ts";
import { type Option, OptionError, type Value } from "./option.ts";
import { fillPlaceholders, parseProperties } from "./properties.ts";
import { checkedTogether } from "./resolve.ts";
import { OPTIONS, type OptionKey, type Options, ROWS } from "./table.ts";
import { readValue } from "./value.ts";

/** Something the operator should know about what was given: a key without effect, an unknown one, one that lost. */
export interface Notice {
  readonly level: "info" | "warn";
  readonly key: string;
  readonly sentence: string;
}

export interface ReadOptions {
  readonly options: Options;
  readonly notices: readonly Notice[];
  /** Where each value came from that is not a default: `flag --port`, `environment variable X`, `file:line`. */
  readonly origins: Readonly<Partial<Record<OptionKey, string>>>;
  /** The properties file that was read. */
  readonly file: string | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;
/** The text of a file, or undefined when there is no such file; other failures throw. */
export type ReadFile = (path: string) => string | undefined;

export const DEFAULT_FILE = "conf/application.properties";

interface Given {
  readonly key: string;
  readonly text: string;
  readonly where: string;
  /** Only values of files hold placeholders. */
  readonly placeholders?: boolean;
}

/**
 * Reads the options of a server from flags, environment and properties file; an earlier source wins.
 *
 * @param argv the words after the command: `--port 8848`, `--port=8848`, `--any.property=value`, `--config FILE`.
 * @throws OptionError for a value that its option does not allow, an unknown flag, or a file that cannot be read.
 */
export function readOptions(argv: readonly string[], env: Environment, readFile: ReadFile): ReadOptions {
  const notices: Notice[] = [];
  const flags = flagsOf(argv);
  const named = flags.findLast((given) => given.key === "config")?.text ?? env.NACRE_CONFIG;
  const fromFile = fileOf(named, readFile);
  const sources = [
    flags.filter((given) => given.key !== "config"),
    environmentOf(env, notices),
    fromFile?.properties ?? [],
  ].map(joinedEntries);
  const values: Partial<Record<OptionKey, Value>> = {};
  const origins: Partial<Record<OptionKey, string>> = {};
  for (const source of sources) {
    const byName = new Map(source.map((given) => [canonical(given.key), given]));
    for (const [key, option] of ROWS) {
      if (values[key] !== undefined) continue;
      const candidates = namesOf(option).flatMap((name) => byName.get(canonical(name)) ?? []);
      for (const given of candidates) {
        const text = filled(given, env, fromFile?.properties);
        const value = readValue(option, text, given.where);
        if (value === undefined) continue;
        if (values[key] === undefined) {
          values[key] = value;
          origins[key] = given.where;
        } else if (String(value) !== String(values[key])) {
          const used = `${option.name} comes from ${origins[key]}`;
          notices.push(info(given.key, `${given.key} (${given.where}) is not used, because ${used}.`));
        }
      }
    }
    notices.push(...strangersOf(source));
  }
  // Whoever keeps the properties elsewhere keeps the list of members there, too.
  if (fromFile !== undefined) values.clusterFile ??= join(dirname(fromFile.path), "cluster.conf");
  const options = checkedTogether(values);
  if (options.mode === "standalone" && options.memberList.length > 0) {
    const { name } = OPTIONS.memberList;
    notices.push(
      warn(name, `${name} (${origins.memberList}) has no effect on a standalone server; start it with --mode cluster.`),
    );
  }
  return { options, notices: once(notices), origins, file: fromFile?.path };
}

/** The entries of a list that are given one by one, `name[0]`, `name[1]`, ..., as one text. */
function joinedEntries(source: readonly Given[]): Given[] {
  const lists = new Map<string, Given>();
  return source
    .flatMap((given) => {
      const name = /^(.+)\[\d+\]$/.exec(given.key)?.[1];
      if (name === undefined || PROPERTIES.get(canonical(name))?.type !== "list") return [given];
      const held = lists.get(canonical(name));
      const text = held === undefined ? given.text : `${held.text},${given.text}`;
      const joined = { ...(held ?? given), key: name, text };
      lists.set(canonical(name), joined);
      return [];
    })
    .concat([...lists.values()]);
}

function flagsOf(argv: readonly string[]): Given[] {
  const given: Given[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? "";
    const match = /^--([^=]+)(?:=([\s\S]*))?$/.exec(word);
    if (match === null) throw new OptionError(`${JSON.stringify(word)} is no option; options start with two dashes.`);
    const [, name = "", inline] = match;
    const option = optionNamed(name);
    if (option === undefined && name !== "config" && !name.includes(".")) throw unknownFlag(name);
    const next = argv[at + 1];
    let text = inline;
    if (text === undefined && option?.type === "boolean" && !isBoolean(next)) text = "true";
    if (text === undefined) {
      if (next === undefined || next.startsWith("--"))
        throw new OptionError(`--${name} needs a value: write --${name}=VALUE.`);
      text = next;
      at += 1;
    }
    given.push({ key: option?.name ?? name, text, where: `flag --${name}` });
  }
  return given;
}

/** For commands that ask a server; a shell that they are set in may start one as well. */
const FOR_COMMANDS: ReadonlySet<string> = new Set(["NACRE_SERVER", "NACRE_USERNAME", "NACRE_PASSWORD"]);

function environmentOf(env: Environment, notices: Notice[]): Given[] {
  const given: Given[] = [];
  const taken = new Set(["NACRE_CONFIG"]);
  for (const [, option] of ROWS) {
    const variables = [...namesOf(option).flatMap(environmentNames), ...(option.env ?? [])];
    if (option.flag !== undefined) variables.push(`NACRE_${option.flag.toUpperCase()}`);
    for (const variable of variables) {
      const text = env[variable];
      taken.add(variable);
      if (text === undefined || text.trim() === "" || given.some((other) => other.key === option.name)) continue;
      // Kubernetes sets X_PORT=tcp://... for a service called x, and MODE means something to many programs.
      if (/^(tcp|udp|sctp):\/\//.test(text) || (variable === "MODE" && !/^(standalone|cluster)$/.test(text))) {
        notices.push(
          info(
            variable,
            `The environment variable ${variable} is not used: it does not look meant for ${option.name}.`,
          ),
        );
        continue;
      }
      given.push({ key: option.name, text, where: `environment variable ${variable}` });
    }
  }
  for (const [variable, text = ""] of Object.entries(env)) {
    if (taken.has(variable) || FOR_COMMANDS.has(variable) || text.trim() === "") continue;
    const known = /^[A-Z0-9_]+$/.test(variable) ? knownVariable(variable) : undefined;
    if (known !== undefined) {
      const level = known.relied?.(text) === true ? "warn" : "info";
      notices.push({
        level,
        key: variable,
        sentence: `The environment variable ${variable} has no effect: ${known.why}.`,
      });
    } else if (variable.startsWith("NACRE_") && !/_(SERVICE_(HOST|PORT.*)|PORT(_.*)?)$/.test(variable)) {
      const close = nearest(
        variable,
        [...taken].filter((name) => name.startsWith("NACRE_")),
      );
      const hint = close === undefined ? "" : `; ${close} is one`;
      notices.push(warn(variable, `The environment variable ${variable} is unknown and has no effect${hint}.`));
    }
  }
  return given;
}

function fileOf(named: string | undefined, readFile: ReadFile): { path: string; properties: Given[] } | undefined {
  const path = named ?? DEFAULT_FILE;
  let text: string | undefined;
  try {
    text = readFile(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new OptionError(
      `The properties file ${path} cannot be read (${code}); give the user of this process access.`,
    );
  }
  if (text === undefined) {
    if (named === undefined) return undefined;
    throw new OptionError(`The properties file ${path} (--config or NACRE_CONFIG) does not exist; correct its path.`);
  }
  const properties = parseProperties(text, path).map(({ key, value, line }) => ({
    key,
    text: value,
    where: `${path}:${line}`,
    placeholders: true,
  }));
  return { path, properties };
}

/** Placeholders are filled only for options that are used: a file may name variables for keys that do nothing here. */
function filled(given: Given, env: Environment, properties: readonly Given[] | undefined): string {
  if (given.placeholders !== true) return given.text;
  const lookup = (name: string): string | undefined =>
    env[name] ??
    environmentNames(name)
      .map((variable) => env[variable])
      .find((text) => text !== undefined) ??
    properties?.findLast((other) => other.key === name)?.text;
  return fillPlaceholders(given.text, lookup, given.where);
}

/** Notices for keys of flags and files that are no options. */
function strangersOf(source: readonly Given[]): Notice[] {
  return source.flatMap(({ key, text, where }) => {
    if (PROPERTIES.has(canonical(key)) || text.trim() === "") return [];
    const known = knownKey(key);
    if (known !== undefined && !isSlip(key, known.key)) {
      const level = known.relied?.(text) === true ? "warn" : "info";
      return [{ level, key, sentence: `${key} (${where}) has no effect: ${known.why}.` } as const];
    }
    const close = nearest(
      key,
      ROWS.flatMap(([, option]) => namesOf(option)),
    );
    const hint = close === undefined ? "" : `; did you mean ${close}?`;
    return [warn(key, `${key} (${where}) is unknown and has no effect${hint === "" ? "." : hint}`)];
  });
}

/** A name within two letters of an option, below a pattern that stands for whatever else begins alike. */
function isSlip(key: string, pattern: string): boolean {
  if (!pattern.endsWith("*")) return false;
  return ROWS.some(([, option]) =>
    namesOf(option).some((name) => Math.abs(name.length - key.length) <= 2 && editDistance(key, name) <= 2),
  );
}

function knownVariable(variable: string): ReturnType<typeof knownKey> {
  const known = knownKey(variable);
  if (known !== undefined) return known.key === known.key.toUpperCase() ? known : undefined;
  // NACOS_CORE_AUTH_ENABLED stands for nacos.core.auth.enabled; only Nacos's own names are worth a line.
  return variable.startsWith("NACOS_") ? knownKey(variable.replaceAll("_", ".")) : undefined;
}

function unknownFlag(name: string): OptionError {
  const close = nearest(name, ["config", ...ROWS.flatMap(([, option]) => option.flag ?? [])]);
  const hint = close === undefined ? "" : `, did you mean --${close}?`;
  return new OptionError(`--${name} is no option${hint === "" ? ";" : hint} "nacre start --help" lists them all.`);
}

const PROPERTIES: ReadonlyMap<string, Option> = new Map(
  ROWS.flatMap(([, option]) => namesOf(option).map((name) => [canonical(name), option] as const)),
);
const FLAGS: ReadonlyMap<string, Option> = new Map(
  ROWS.flatMap(([, option]) => (option.flag === undefined ? [] : [[option.flag, option] as const])),
);

function optionNamed(name: string): Option | undefined {
  return FLAGS.get(name) ?? PROPERTIES.get(canonical(name));
}

function namesOf(option: Option): string[] {
  return [option.name, ...(option.aliases ?? [])];
}

function isBoolean(word: string | undefined): boolean {
  return word === "true" || word === "false";
}

function info(key: string, sentence: string): Notice {
  return { level: "info", key, sentence };
}

function warn(key: string, sentence: string): Notice {
  return { level: "warn", key, sentence };
}

/** A key that stands twice in a file gives one line. */
function once(notices: readonly Notice[]): Notice[] {
  return [...new Map(notices.map((notice) => [canonical(notice.key), notice])).values()];
}
