import type { Command } from "commander";
import { listIn, numberIn, textIn } from "../client/bodies.ts";
import { fieldOf } from "../client/http.ts";
import { CliError } from "../failure.ts";
import type { Context, Register } from "../index.ts";
import { bytesText } from "../show/amounts.ts";
import { raftText } from "../show/raft.ts";
import { recoveryText } from "../show/recovery.ts";
import { table } from "../show/table.ts";
import { ask } from "./cluster.ts";
import { offline } from "./offline.ts";
import { type RemoteOptions, remoteOptions, show } from "./remote.ts";

const PATH = "/v3/admin/core/raft";
/** Of the server: an order has its outcome after 10 s, and a snapshot of gigabytes takes its time. */
const ORDER_MS = 15_000;
const SNAPSHOT_MS = 150_000;

interface RecoverOptions {
  readonly data: string;
  readonly empty?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** `nacre raft`: the group of voters that keeps durable data. */
export const raftCommand: Register = (program, context) => {
  const parent = program
    .command("raft")
    .description("Look at the group of voters that keeps durable data, and order it about.");
  const verb = (usage: string, what: string): Command =>
    remoteOptions(parent.command(usage).description(what), context);

  verb("status", "Show who leads, what each member holds and lacks, and who differs (Nacre).").action(
    async (options: RemoteOptions) => {
      const data = await ask(context, options, "GET", `${PATH}/status`, "the status of the group");
      show(context, options, data, () => raftText(data));
    },
  );

  verb(
    "transfer [member]",
    "Hand the leadership to a voter, by id or address, or to whoever has most of the log (Nacre).",
  ).action(async (member: string | undefined, options: RemoteOptions) => {
    const data = await order(context, options, "transfer", "the order to hand over the leadership", member);
    const [from, to] = [textIn(fieldOf(data, "from"), "address"), textIn(fieldOf(data, "to"), "address")];
    show(context, options, data, () => `${from} handed the leadership over${to === "" ? "" : ` to ${to}`}.\n`);
  });

  verb(
    "snapshot [member]",
    "Take a snapshot now, at one member, by id or address, or at all of the group (Nacre).",
  ).action(async (member: string | undefined, options: RemoteOptions) => {
    const data = await order(context, options, "snapshot", "the order to take a snapshot", member);
    const taken = Array.isArray(data) ? data : [];
    show(context, options, data, () =>
      table(
        ["MEMBER", "UP TO ENTRY", "SIZE", "TOOK", "FAILED"],
        taken.map((one) => {
          const error = textIn(one, "error");
          if (error !== "") return [textIn(one, "address"), "", "", "", error];
          const size = bytesText(numberIn(one, "bytes"));
          return [textIn(one, "address"), textIn(one, "index"), size, `${textIn(one, "tookMs")} ms`];
        }),
      ),
    );
    if (taken.some((one) => textIn(one, "error") !== "")) context.exit(1);
  });

  verb("add <member>", "Take a member of the cluster, by id or address, into the group (Nacre).").action(
    async (member: string, options: RemoteOptions) => {
      const data = await order(context, options, "add", `the order to add ${member}`, member);
      show(context, options, data, () => changeText(data, "in"));
    },
  );

  verb("remove <member>", "Take a member, by id or address, out of the group (Nacre).").action(
    async (member: string, options: RemoteOptions) => {
      const data = await order(context, options, "remove", `the order to remove ${member}`, member);
      show(context, options, data, () => changeText(data, "out of"));
    },
  );

  parent
    .command("recover")
    .description(
      "Make a stopped member the only voter, when the majority of the group is lost for good. What the others had acknowledged without it is lost; those that come back set their data aside and join anew. Run it on the member's own machine.",
    )
    .helpOption("-h, --help", "show this help")
    .requiredOption("--data <dir>", "data folder of the member, which is stopped")
    .option("--empty", "begin a group with nothing, where no member of the cluster is in one")
    .option("--dry-run", "show what would be done, and do nothing")
    .option("--yes", "do it")
    .option("--json", "write JSON for programs")
    .configureHelp({ helpWidth: 100 })
    .action((options: RecoverOptions) => offline(() => recover(context, options)));
};

function order(
  context: Context,
  options: RemoteOptions,
  path: string,
  what: string,
  member: string | undefined,
): Promise<unknown> {
  const call = { form: { member }, timeoutMs: path === "snapshot" ? SNAPSHOT_MS : ORDER_MS };
  return ask(context, options, "POST", `${PATH}/${path}`, what, call);
}

function changeText(data: unknown, where: string): string {
  const addresses = (name: string): string =>
    listIn(data, name)
      .map((one) => textIn(one, "address"))
      .join(", ") || "none";
  const lines = [
    `${textIn(fieldOf(data, "member"), "address")} is ${where} the group; ${textIn(data, "note")}.`,
    `Voters: ${addresses("voters")}. Learners: ${addresses("learners")}.`,
  ];
  return lines.map((line) => `${line.replaceAll(/\p{Cc}/gu, " ")}\n`).join("");
}

async function recover(context: Context, { data, empty, dryRun, yes, json }: RecoverOptions): Promise<void> {
  const server = await import("@nacre/server/offline");
  await server.withStoppedMember(data, false, async (files) => {
    const plan = await server.planRecovery(files, data, undefined, empty === true);
    const isDone = yes === true && dryRun !== true;
    if (isDone) await server.recover(files, plan, Date.now());
    if (json === true) context.output.out(`${JSON.stringify({ ...plan, done: isDone }, null, 2)}\n`);
    else context.output.out(recoveryText(plan, isDone));
    if (!isDone && dryRun !== true)
      throw new CliError(
        "usage",
        "Nothing was changed: repeat it with --yes to do it, or with --dry-run to only look.",
      );
  });
}
