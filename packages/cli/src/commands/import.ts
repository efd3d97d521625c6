import { createHash } from "node:crypto";
import { Option } from "commander";
import { DEFAULT_NAMESPACE } from "../client/bodies.ts";
import type { Policy, Remote } from "../client/model.ts";
import { nacreAt, sameness } from "../client/nacre.ts";
import { probe } from "../client/probe.ts";
import { remoteV1 } from "../client/v1.ts";
import { remoteV3 } from "../client/v3.ts";
import { CliError } from "../failure.ts";
import type { Context, Register } from "../index.ts";
import { migrate } from "../migrate/migration.ts";
import { Progress } from "../migrate/progress.ts";
import { type Migration, namespacesOf, newReport, type Report } from "../migrate/run.ts";
import { StateFile } from "../migrate/state-file.ts";
import { type Difference, verify } from "../migrate/verify.ts";
import { table } from "../show/table.ts";
import { POLICIES } from "./config/transfer.ts";
import { callerOf, DEFAULT_SERVER, optional, SERVER_HEADING } from "./remote.ts";
import { stopSignal } from "./stop-signal.ts";

/** With the doubling pause between them, about half a minute of a server that is away. */
const ATTEMPTS_MAX = 8;

interface ImportOptions {
  readonly from: string;
  readonly to: string;
  readonly username?: string;
  readonly password?: string;
  readonly toUsername?: string;
  readonly toPassword?: string;
  readonly namespace: readonly string[];
  readonly policy: Policy;
  readonly dryRun?: boolean;
  readonly verify?: boolean;
  readonly state?: string;
  readonly json?: boolean;
}

/** `nacre import`: moves what a Nacos server holds to another server, over the public APIs of both. */
export const importCommand: Register = (program, context) => {
  const { env } = context;
  const option = (flags: string, what: string): Option => new Option(flags, what).helpGroup(SERVER_HEADING);
  program
    .command("import")
    .description("Copy namespaces and configurations from a running Nacos 1.x, 2.x, 3.x or r-nacos.")
    .helpOption("-h, --help", "show this help")
    .addOption(option("--from <url>", "server to copy from").makeOptionMandatory())
    .addOption(option("--to <url>", "server to copy to").default(env.NACRE_SERVER || DEFAULT_SERVER))
    .addOption(option("--username <name>", "log in to the source as this user"))
    .addOption(option("--password <text>", "its password"))
    .addOption(optional(option("--to-username <name>", "log in to the target (or NACRE_USERNAME)"), env.NACRE_USERNAME))
    .addOption(optional(option("--to-password <text>", "its password (or NACRE_PASSWORD)"), env.NACRE_PASSWORD))
    .addOption(new Option("--namespace <id...>", "only these namespaces").default([], "all"))
    .addOption(
      new Option("--policy <policy>", "what to do with a configuration that the target has with another content")
        .choices(POLICIES)
        .default("abort"),
    )
    .option("--dry-run", "write nothing; count what would be copied")
    .option("--verify", "compare every MD5 afterwards; end with 1 when one differs")
    .option("--state <file>", "remembers what is done, for a second run (default: a name made of both addresses)")
    .option("--json", "write JSON for programs")
    .configureHelp({ helpWidth: 100 })
    .action((options: ImportOptions) => importAll(options, context));
};

async function importAll(options: ImportOptions, context: Context): Promise<void> {
  const { wait } = context.surroundings;
  const from = await probe(options.from, callerOf(options, wait, ATTEMPTS_MAX));
  const { toUsername: username, toPassword: password } = options;
  const to = await probe(
    options.to,
    callerOf({ ...(username && { username }), ...(password && { password }) }, wait, ATTEMPTS_MAX),
  );
  const [fromNacre, toNacre] = await Promise.all([nacreAt(from), nacreAt(to)]);
  const same = await sameness({ ...from, nacre: fromNacre }, { ...to, nacre: toNacre });
  if (same !== undefined) {
    throw new CliError("usage", `--from ${from.http.base} and --to ${to.http.base} ${same}: there is nothing to copy.`);
  }
  const source = from.dialect === "v3" ? remoteV3(from.http) : remoteV1(from.http);
  const spelledPublic = from.dialect === "v3" ? undefined : await spelledApart(remoteV1(from.http, "public"), source);
  const state = await StateFile.open(
    options.dryRun ? undefined : stateFileOf(options, from.http.base, to.http.base),
    from.http.base,
    to.http.base,
  );
  // Last, so that what fails before leaves the signals as they were.
  const stop = stopSignal(context);
  const run: Migration = {
    source,
    sourceIsNacre: fromNacre !== undefined,
    spelledPublic,
    targetIsNacre: toNacre !== undefined,
    target: to.dialect === "v3" ? remoteV3(to.http) : remoteV1(to.http),
    only: options.namespace,
    policy: options.policy,
    dryRun: options.dryRun === true,
    state,
    progress: new Progress(context.output.err, context.surroundings.stderrIsTerminal, () => performance.now()),
    stopped: stop.signal,
  };
  const report = newReport();
  try {
    if (run.state.size > 0) context.output.err(`Going on: ${run.state.size} configurations are done already.\n`);
    await migrate(run, report);
    run.progress.end();
    const verified = options.verify === true ? await compared(run, report) : undefined;
    tell(context, options, report, verified);
    if (report.failed === 0) await run.state.remove();
    if (report.failed > 0 || (verified?.differences.length ?? 0) > 0) context.exit(1);
  } finally {
    run.progress.end();
    stop.release();
  }
}

/** The namespace that is named `public`, unless the source shows the same there as in its default one. */
async function spelledApart(spelled: Remote, source: Remote): Promise<Remote | undefined> {
  const list = async (remote: Remote) => {
    const { total, items } = await remote.configs({ namespace: DEFAULT_NAMESPACE }, { page: 1, size: 100 });
    return JSON.stringify([total, items.map(({ group, dataId, md5 }) => [group, dataId, md5])]);
  };
  return (await list(spelled)) === (await list(source)) ? undefined : spelled;
}

async function compared(run: Migration, report: Report) {
  const found = await verify(run, await namespacesOf(run, report));
  run.progress.end();
  return found;
}

/** In the working directory, one for each pair of servers. */
function stateFileOf({ state }: ImportOptions, from: string, to: string): string {
  return state ?? `nacre-import-${createHash("sha256").update(`${from}\n${to}`).digest("hex").slice(0, 12)}.state`;
}

const WHAT: Readonly<Record<Difference["what"], string>> = {
  missing: "not in the target",
  differs: "another content",
  grayMissing: "its gray version is not in the target",
  grayDiffers: "its gray version has another content",
};

function tell(
  { output }: Context,
  { json, dryRun }: ImportOptions,
  report: Report,
  verified: { compared: number; differences: readonly Difference[] } | undefined,
): void {
  const notes = [...report.notes];
  if (json === true) {
    output.out(
      `${JSON.stringify({ ...report, notes, dryRun: dryRun === true, ...(verified && { verified }) }, null, 2)}\n`,
    );
    return;
  }
  const { namespaces, copied, same, skipped, gray, failed } = report;
  output.out(
    table(
      [dryRun === true ? "WOULD BE" : "DONE", "COUNT"],
      [
        ["namespaces made", namespaces],
        ["configurations copied", copied],
        ["the same already", same],
        ["different, left as they are", skipped],
        ["gray versions copied", gray],
        ["failed", failed],
      ],
    ),
  );
  for (const { why } of report.failures) output.err(`failed: ${why}\n`);
  if (failed > report.failures.length) output.err(`failed: ${failed - report.failures.length} more\n`);
  for (const note of notes) output.err(`note: ${note}\n`);
  if (verified === undefined) return;
  const { compared, differences } = verified;
  output.out(`Compared ${compared}: ${differences.length === 0 ? "no difference" : `${differences.length} differ`}.\n`);
  if (differences.length === 0) return;
  const rows = differences.map(({ dataId, group, namespace, what }) => [dataId, group, namespace, WHAT[what]]);
  output.out(table(["DATA ID", "GROUP", "NAMESPACE", "DIFFERENCE"], rows));
}
