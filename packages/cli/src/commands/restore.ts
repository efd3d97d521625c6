import type { RestorePlan } from "@nacre/server/offline";
import { CliError } from "../failure.ts";
import type { Context, Register } from "../index.ts";
import { existing, headText, shown } from "./backup.ts";
import { offline } from "./offline.ts";

interface RestoreOptions {
  readonly data: string;
  readonly replace?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** `nacre restore`. */
export const restoreCommand: Register = (program, context) => {
  program
    .command("restore <file>")
    .description(
      "Make a member of a backup: a group of one, in a cluster of its own, which others join with nacre cluster join. Run it on the member's own machine, while that is stopped.",
    )
    .helpOption("-h, --help", "show this help")
    .requiredOption("--data <dir>", "data folder: an empty one, or with --replace that of a member")
    .option(
      "--replace",
      "the member keeps its ids; what it holds is moved aside, and what the others of its group hold is void",
    )
    .option("--yes", "do replace it")
    .option("--json", "write JSON for programs")
    .configureHelp({ helpWidth: 100 })
    .action((file: string, options: RestoreOptions) => offline(() => restore(context, file, options)));
};

async function restore(context: Context, file: string, options: RestoreOptions): Promise<void> {
  const { data, replace, yes, json } = options;
  const path = await existing(file);
  const server = await import("@nacre/server/offline");
  // Before a folder is made for it.
  await server.verifyBackup(server.nodeFiles, path);
  await server.withStoppedMember(data, replace !== true, async (files) => {
    const plan = await server.planRestore(files, path, data);
    if (plan.finished?.type === "restore" && plan.finished.index === plan.backup.index) {
      tell(
        context,
        plan,
        json === true,
        "A restore of this entry had been interrupted; it is done now. Start the member.",
      );
      return;
    }
    // A folder that was mistyped would otherwise become a cluster of its own, and what was to be replaced would start as it was.
    if (plan.existing === undefined && replace === true) throw new CliError("usage", notUsed(plan));
    if (plan.existing !== undefined && (replace !== true || yes !== true)) throw new CliError("usage", whyNot(plan));
    await server.restore(files, plan);
    tell(context, plan, json === true, doneText(plan));
  });
}

function whyNot({ directory, existing: held, backup }: RestorePlan): string {
  const other = held?.clusterId === backup.clusterId ? "" : ` The backup is of another cluster, ${backup.clusterId}.`;
  return (
    `${directory} belongs to member ${held?.memberId} of cluster ${held?.clusterId}, and nothing was changed.${other} With ` +
    `--replace --yes it takes the state of the backup in a new epoch; what it holds is moved aside, and the other ` +
    "members of its group give up what they hold when they meet it."
  );
}

function notUsed({ directory }: RestorePlan): string {
  return (
    `no member has used ${directory}, and nothing was changed: --replace takes the data folder of a member. Without it this ` +
    "folder becomes a member of a new cluster."
  );
}

function doneText({ directory, existing: held, identity, aside }: RestorePlan): string {
  if (held === undefined)
    return `${directory} is member ${identity.memberId} of the new cluster ${identity.clusterId}. Start it; others join it with nacre cluster join.`;
  return (
    `${directory} holds the state of the backup, in epoch ${identity.epoch}. What it held is in ${directory}/${aside}: look at it ` +
    `with nacre start --data ${directory}/${aside} --port PORT, and remove it when you are sure. ` +
    "Start this member first; others of its group give up what they hold and join it."
  );
}

function tell(context: Context, plan: RestorePlan, json: boolean, sentence: string): void {
  const { backup, directory, identity, existing: held, aside } = plan;
  if (json) {
    const { memberId, clusterId, epoch } = identity;
    const body = { directory, memberId, clusterId, epoch, replaced: held !== undefined, aside, backup: shown(backup) };
    context.output.out(`${JSON.stringify(body, null, 2)}\n`);
  } else context.output.out(`${headText(backup)}${sentence}\n`);
}
