import { type Command, InvalidArgumentError, Option } from "commander";
import { DEFAULT_NAMESPACE } from "../client/bodies.ts";
import type { Caller, Http } from "../client/http.ts";
import type { Page, Remote } from "../client/model.ts";
import { probe } from "../client/probe.ts";
import { remoteV1 } from "../client/v1.ts";
import { remoteV3 } from "../client/v3.ts";
import type { Context } from "../index.ts";
import { table } from "../show/table.ts";

export const DEFAULT_SERVER = "http://127.0.0.1:8848/nacos";
export const DEFAULT_GROUP = "DEFAULT_GROUP";
export const SERVER_HEADING = "Server:";

const TIMEOUT_MS = 30_000;
const PAGE_SIZE = 100;
const PAGE_SIZE_MAX = 500;
const LINE_WIDTH = 100;

/** What every command that asks a server takes. */
export interface RemoteOptions {
  readonly server: string;
  readonly username?: string;
  readonly password?: string;
  readonly json?: boolean;
}

export interface ScopedOptions extends RemoteOptions {
  readonly namespace: string;
  readonly group: string;
}

export interface PageOptions {
  readonly page: number;
  readonly pageSize: number;
}

/** The flags and variables that name a server and whom to log in as. */
export function remoteOptions(command: Command, { env }: Context): Command {
  const server = new Option("--server <url>", "address of the server; /nacos is tried where it has no path")
    .default(env.NACRE_SERVER || DEFAULT_SERVER)
    .helpGroup(SERVER_HEADING);
  const username = new Option("--username <name>", "log in as this user (or NACRE_USERNAME)").helpGroup(SERVER_HEADING);
  const password = new Option("--password <text>", "its password (or NACRE_PASSWORD)").helpGroup(SERVER_HEADING);
  return command
    .helpOption("-h, --help", "show this help")
    .addOption(server)
    .addOption(optional(username, env.NACRE_USERNAME))
    .addOption(optional(password, env.NACRE_PASSWORD))
    .option("--json", "write JSON for programs")
    .configureHelp({ helpWidth: LINE_WIDTH, showGlobalOptions: false });
}

/** A value from the environment that help does not show: a password may be one. */
export function optional(option: Option, value: string | undefined): Option {
  return value === undefined || value === "" ? option : option.default(value, "from the environment");
}

export function scopedOptions(command: Command, context: Context): Command {
  return namespaceOption(remoteOptions(command, context)).option("--group <name>", "group", DEFAULT_GROUP);
}

export function namespaceOption(command: Command): Command {
  return command.option("--namespace <id>", "namespace", (id: string) => id || DEFAULT_NAMESPACE, DEFAULT_NAMESPACE);
}

export function pageOptions(command: Command): Command {
  return command
    .option("--page <number>", "page, from 1", integer(1, Number.MAX_SAFE_INTEGER), 1)
    .option("--page-size <number>", `rows of a page, at most ${PAGE_SIZE_MAX}`, integer(1, PAGE_SIZE_MAX), PAGE_SIZE);
}

/** Reads a whole number between two others. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

export interface Opened {
  readonly http: Http;
  readonly remote: Remote;
}

/** Finds out how the server speaks. Commands of people call once: they read the sentence and try again themselves. */
export async function open(options: RemoteOptions, { surroundings }: Context): Promise<Opened> {
  const { http, dialect } = await probe(options.server, callerOf(options, surroundings.wait));
  return { http, remote: dialect === "v3" ? remoteV3(http) : remoteV1(http) };
}

export function callerOf(
  { username, password }: Pick<RemoteOptions, "username" | "password">,
  wait: Caller["wait"],
  attemptsMax = 1,
): Omit<Caller, "base"> {
  return { username, password, attemptsMax, timeoutMs: TIMEOUT_MS, wait };
}

/** A table for people, or one JSON document for programs. */
export function show(context: Context, options: RemoteOptions, json: unknown, text: () => string): void {
  context.output.out(options.json === true ? `${JSON.stringify(json, null, 2)}\n` : text());
}

/** A page as `{total, page, pages, items}`, or as a table with a last line that says what else there is. */
export function showPage<T>(
  context: Context,
  options: RemoteOptions & PageOptions,
  { total, items }: Page<T>,
  headings: readonly string[],
  row: (item: T) => readonly (string | number | boolean)[],
): void {
  const pages = Math.ceil(total / options.pageSize);
  show(context, options, { total, page: options.page, pages, items }, () => {
    const more = pages > 1 ? `page ${options.page} of ${pages}, ${total} in all\n` : "";
    return table(headings, items.map(row)) + more;
  });
}
