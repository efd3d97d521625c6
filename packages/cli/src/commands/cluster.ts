import type { Command } from "commander";
import { listIn, numberIn, textIn, timeIn } from "../client/bodies.ts";
import { type Call, fieldOf } from "../client/http.ts";
import { hostAndPort } from "../client/probe.ts";
import { dataOf } from "../client/v3.ts";
import { CliError } from "../failure.ts";
import type { Context, Register } from "../index.ts";
import { matrixText } from "../show/matrix.ts";
import { table, timeText } from "../show/table.ts";
import { open, type RemoteOptions, remoteOptions, show } from "./remote.ts";

const PATH = "/v3/admin/core/cluster";
/** A member that is told to join waits up to 10 s for the other one. */
const JOIN_MS = 15_000;

/** `nacre cluster`: the members of a cluster. */
export const clusterCommand: Register = (program, context) => {
  const parent = program.command("cluster").description("Look at the members of a cluster, add and remove them.");
  const verb = (usage: string, what: string): Command =>
    remoteOptions(parent.command(usage).description(what), context);

  verb("list", "List the members as one of them sees them.").action(async (options: RemoteOptions) => {
    const { http, remote } = await open(options, context);
    const path = remote.dialect === "v3" ? `${PATH}/node/list` : "/v1/core/cluster/nodes";
    const answer = await http.call("GET", path);
    const members = fieldOf(answer.json, "data");
    if (answer.status !== 200 || !Array.isArray(members)) throw http.refused(answer, "the list of members");
    const items = members.map(memberOf);
    show(context, options, { total: items.length, page: 1, pages: 1, items }, () =>
      table(
        ["MEMBER", "STATE", "VERSION", "FAILED PROBES", "LAST HEARD"],
        items.map(({ address, state, version, failures, heardAt }) => [
          address,
          state,
          version,
          failures,
          timeText(heardAt),
        ]),
      ),
    );
  });

  verb("matrix", "Show which member sees which (Nacre).").action(async (options: RemoteOptions) => {
    const data = await ask(context, options, "GET", `${PATH}/matrix`, "the matrix of members");
    show(context, options, data, () => matrixText(data));
  });

  verb("plan", "Say which connections members are about to hand to each other (Nacre).").action(
    async (options: RemoteOptions) => {
      const data = await ask(context, options, "GET", "/v3/admin/core/loader/plan", "the plan");
      show(context, options, data, () => planText(data));
    },
  );

  verb(
    "join [address]",
    "Make the server a member of the cluster that has a member at the address, its main port. Run it on the server's own machine (Nacre).",
  )
    .option("--cancel", "take back an order to join that nobody has answered, which is otherwise tried for ever")
    .action(async (address: string | undefined, options: RemoteOptions & { cancel?: boolean }) => {
      if (options.cancel === true) return cancelJoin(context, address, options);
      if (address === undefined) throw new CliError("usage", "Name the address of a member of the cluster to join.");
      refuseOwn(address, options.server);
      const call = { form: { address }, timeoutMs: JOIN_MS };
      const data = await ask(context, options, "POST", `${PATH}/join`, `the order to join ${address}`, call);
      show(context, options, data, () => `It is now a member of cluster ${textIn(data, "clusterId")}.\n`);
    });

  verb(
    "leave",
    "Hand the server's clients to the other members and end its process. Run it on the server's own machine (Nacre).",
  )
    .option("--forever", "it does not come back: the others forget it as soon as it is down")
    .action((options: RemoteOptions & { forever?: boolean }) => stop(context, options, options.forever === true));

  verb("forget <member>", "Take a member that is down, by id or address, off for good (Nacre).").action(
    async (member: string, options: RemoteOptions) => {
      const call = { form: { id: member } };
      const data = await ask(context, options, "POST", `${PATH}/forget`, `the order to forget ${member}`, call);
      show(context, options, data, () => `Forgot ${textIn(data, "address")}.\n`);
    },
  );
};

async function cancelJoin(context: Context, address: string | undefined, options: RemoteOptions): Promise<void> {
  if (address !== undefined)
    throw new CliError("usage", "--cancel takes back all that the server was told to join: name no address.");
  const data = await ask(context, options, "DELETE", `${PATH}/join`, "the order to join no more");
  show(context, options, data, () => `It no longer tries to join ${listIn(data, "addresses").join(" and ")}.\n`);
}

/** A server cannot be joined to itself. What only the server knows to be its own it refuses itself. */
function refuseOwn(address: string, server: string): void {
  const own = hostAndPort(server.includes("://") ? server : `http://${server}`);
  const asked = hostAndPort(`http://${address}`);
  if (own === undefined || asked === undefined) return;
  if (asked.host !== own.host || (asked.port !== "" && asked.port !== own.port)) return;
  throw new CliError(
    "usage",
    `${address} is the address of the server that is told to join: give it that of a member of the cluster which it is to join, and name the server itself with --server.`,
  );
}

/** `nacre stop`: what a TERM does, over HTTP. */
export const stopCommand: Register = (program, context) => {
  const command = program
    .command("stop")
    .description(
      "Stop a server as a TERM does: it hands its clients to other members and ends. Run it on the server's own machine (Nacre).",
    );
  remoteOptions(command, context).action((options: RemoteOptions) => stop(context, options, false));
};

async function stop(context: Context, options: RemoteOptions, forever: boolean): Promise<void> {
  const call = { form: { forever } };
  await ask(context, options, "POST", `${PATH}/leave`, forever ? "the order to leave" : "the order to stop", call);
  show(
    context,
    options,
    { stopping: true, forever },
    () => "It stops: readiness is off, and clients are moved first.\n",
  );
}

/** @throws CliError, in other words for a server that has no such call. */
export async function ask(
  context: Context,
  options: RemoteOptions,
  method: string,
  path: string,
  what: string,
  call?: Call,
): Promise<unknown> {
  const { http } = await open(options, context);
  const answer = await http.call(method, path, call);
  const isMissing = [404, 405, 501].includes(answer.status) && typeof fieldOf(answer.json, "code") !== "number";
  if (isMissing) throw new CliError("failed", `${http.base} has no such call for ${what}: only Nacre has it.`);
  // There are no logins yet, so the server's own sentence says what to do.
  const said = textIn(answer.json, "data");
  if (answer.status === 403 && said !== "") throw new CliError("failed", `${http.base}: ${said}.`);
  return dataOf(http, answer, what);
}

function memberOf(body: unknown) {
  const extended = fieldOf(body, "extendInfo");
  return {
    address: textIn(body, "address"),
    state: textIn(body, "state"),
    version: textIn(extended, "version"),
    failures: numberIn(body, "failAccessCnt"),
    heardAt: timeIn(extended, "lastRefreshTime"),
  };
}

function planText(data: unknown): string {
  const rows = listIn(data, "members").map((member) => [
    textIn(member, "address"),
    fieldOf(member, "ready") === true ? "yes" : "no",
    numberIn(member, "sdk"),
    `${Math.round(numberIn(member, "share") * 100)} %`,
  ]);
  const sentence = textIn(data, "sentence").replaceAll(/\p{Cc}/gu, " ");
  return `${table(["MEMBER", "READY", "CONNECTIONS", "SHARE"], rows)}${sentence}\n`;
}
