import { open as openFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BackupHead } from "@nacre/server/offline";
import { textIn } from "../client/bodies.ts";
import { fieldOf } from "../client/http.ts";
import { CliError, unreadable } from "../failure.ts";
import type { Context, Register } from "../index.ts";
import { bytesText } from "../show/amounts.ts";
import { table, timeText } from "../show/table.ts";
import { offline } from "./offline.ts";
import { open, type RemoteOptions, remoteOptions, show } from "./remote.ts";
import { stopSignal } from "./stop-signal.ts";

const PATH = "/v3/admin/core/backup";
/** For gigabytes over a slow line. */
const BACKUP_MS = 6 * 3_600_000;
/** Ends the name of what is not whole yet. */
const PARTIAL = ".partial";

interface BackupOptions extends RemoteOptions {
  readonly local?: boolean;
  readonly force?: boolean;
}

/** `nacre backup`. */
export const backupCommand: Register = (program, context) => {
  const parent = program
    .command("backup")
    .argument("<file>", "file to write, or a folder in which it is named by cluster, entry and time")
    .description(
      "Write everything durable of a running cluster, as of one moment of its log, into a file for nacre restore. Configurations may be secret: it is readable by its owner alone (Nacre).",
    )
    .option("--local", "what the asked member has, when no majority is in reach that could say whether that is all")
    .option("--force", "replace a file that is there");
  remoteOptions(parent, context).action((file: string, options: BackupOptions) =>
    offline(() => backup(context, file, options)),
  );

  parent
    .command("show <file>")
    .description("Verify a backup, and say what it holds.")
    .helpOption("-h, --help", "show this help")
    .option("--json", "write JSON for programs")
    .action((file: string, { json }: { json?: boolean }) => offline(() => showBackup(context, file, json === true)));
};

async function backup(context: Context, target: string, options: BackupOptions): Promise<void> {
  const { http } = await open(options, context);
  const stop = stopSignal(context);
  // Beside its place, so that the last step is a change of names.
  const isFolder = await isFolderAt(target);
  const folder = isFolder || /[/\\]$/.test(target) ? target : dirname(target);
  if (!(await isFolderAt(folder))) throw new CliError("notFound", `${folder} is no folder: make it first.`);
  const partial = isFolder ? join(target, `nacre-${process.pid}${PARTIAL}`) : `${target}${PARTIAL}`;
  if (!isFolder) await refuseExisting(target, options);
  try {
    const query = { consistency: options.local === true ? "local" : "linearizable" };
    const response = await http.open("GET", PATH, { query, timeoutMs: BACKUP_MS, signal: stop.signal });
    if (response.status !== 200 || response.body === null) await refused(http.base, response);
    await write(partial, response.body as AsyncIterable<Uint8Array>);
    const { nodeFiles, verifyBackup } = await import("@nacre/server/offline");
    const head = await verifyBackup(nodeFiles, partial);
    const path = isFolder ? join(target, nameOf(head)) : target;
    await refuseExisting(path, options);
    await rename(partial, path);
    await nodeFiles.syncDirectory(join(path, ".."));
    show(
      context,
      options,
      { file: path, ...shown(head) },
      () => `${headText(head)}Written to ${path}, and verified.\n`,
    );
  } catch (thrown) {
    await rm(partial, { force: true });
    throw whyNot(thrown, partial);
  } finally {
    stop.release();
  }
}

function isFolderAt(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function refuseExisting(path: string, { force }: BackupOptions): Promise<void> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (isThere && force !== true)
    throw new CliError("failed", `${path} is there already: name another file, or replace it with --force.`);
}

async function write(path: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await openFile(path, "w", 0o600);
  try {
    for await (const piece of pieces) await file.writeFile(piece);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function refused(base: string, response: Response): Promise<never> {
  const text = await response.text();
  let said = "";
  try {
    said = textIn(JSON.parse(text), "data", "message");
  } catch {
    // No sentence of a server of ours.
  }
  if (said === "") throw new CliError("failed", `${base} has no such call for a backup: only Nacre has it.`);
  const told = `${base} refused the backup (${response.status} ${said.replaceAll(/\p{Cc}/gu, " ")})`;
  throw new CliError("failed", response.status === 503 ? `${told}: --local takes what this member has.` : `${told}.`);
}

function whyNot(thrown: unknown, path: string): unknown {
  if (thrown instanceof CliError) return thrown;
  const { name, code, message } = thrown as NodeJS.ErrnoException;
  if (name === "RegistryError") return thrown;
  if (name === "AbortError") return new CliError("failed", "The backup was stopped, and nothing is left of it.");
  const ended = (fieldOf(thrown, "cause") as NodeJS.ErrnoException | undefined)?.code ?? code ?? message;
  return new CliError("failed", `The backup ended before it was whole (${ended}), and nothing is left of ${path}.`, {
    cause: thrown,
  });
}

async function showBackup(context: Context, file: string, json: boolean): Promise<void> {
  const { nodeFiles, verifyBackup } = await import("@nacre/server/offline");
  const head = await verifyBackup(nodeFiles, await existing(file));
  context.output.out(json ? `${JSON.stringify(shown(head), null, 2)}\n` : `${headText(head)}It is whole.\n`);
}

/** @throws CliError */
export async function existing(file: string): Promise<string> {
  try {
    if ((await stat(file)).isFile()) return file;
  } catch (cause) {
    throw unreadable(file, cause);
  }
  throw new CliError("notFound", `${file} is no file.`);
}

/** Without the sums, which are for machines that have the file. */
export function shown({ blocks: _, ...head }: BackupHead): object {
  return head;
}

const NAMES: Readonly<Record<string, string>> = {
  namespace: "namespaces",
  config_info: "configurations",
  config_info_gray: "gray versions",
  his_config_info: "history of configurations",
  staged_config: "configurations of imports under way",
  service: "services",
  override: "what operators set of instances",
  persistent: "persistent instances",
  switch: "switches",
};

export function headText({
  clusterId,
  epoch,
  memberId,
  address,
  version,
  at,
  index,
  term,
  ...rest
}: BackupHead): string {
  const { bytes, counts, stateHash } = rest;
  return table(
    ["BACKUP", ""],
    [
      ["cluster", `${clusterId}, epoch ${epoch}`],
      ["made by", `${address} (${memberId}), version ${version}`],
      ["made at", timeText(at)],
      ["up to entry", `${index}, of term ${term}`],
      ["size", bytesText(bytes)],
      ...Object.entries(counts).map(([kind, count]) => [NAMES[kind] ?? kind, count]),
      ["state hash", stateHash],
    ],
  );
}

function nameOf({ clusterId, index, at }: BackupHead): string {
  const time = new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return `nacre-${clusterId.replaceAll(/[^\w.-]/g, "_").slice(0, 40)}-${index}-${time}.backup`;
}
