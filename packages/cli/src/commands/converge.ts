import { listIn, numberIn, textIn, timeIn } from "../client/bodies.ts";
import { fieldOf } from "../client/http.ts";
import { CliError } from "../failure.ts";
import type { Register } from "../index.ts";
import { addressText } from "../show/address.ts";
import { convergeText } from "../show/converge.ts";
import { ask } from "./cluster.ts";
import { type RemoteOptions, remoteOptions, show } from "./remote.ts";

const PATH = "/v3/admin/core/cluster/converge";

/** `nacre converge`: whether all members hold and show the same. */
export const convergeCommand: Register = (program, context) => {
  const command = program
    .command("converge")
    .description(
      "Compare what all members of a cluster show, and list what differs, where, since when and why (Nacre). Ends with 0 only when all members answered and are equal.",
    );
  remoteOptions(command, context).action(async (options: RemoteOptions) => {
    const data = await ask(context, options, "GET", PATH, "the comparison of members");
    if (typeof fieldOf(data, "equal") !== "boolean")
      throw new CliError("failed", `${options.server} answers ${PATH} with something else: check the address.`);
    show(context, options, data, () => convergeText(convergenceIn(data)));
    if (fieldOf(data, "equal") !== true) context.exit(1);
  });
};

export interface Convergence {
  readonly by: string;
  readonly equal: boolean;
  readonly incomplete: string;
  readonly tookMs: number;
  readonly settled: number;
  readonly members: readonly {
    readonly address: string;
    readonly error: string;
    readonly services: number;
    readonly clients: number;
  }[];
  readonly differences: readonly Differing[];
}

export interface Differing {
  /** The instance of a service, or the client. */
  readonly what: string;
  /** Blank for a client. */
  readonly field: string;
  readonly values: readonly { readonly member: string; readonly value: string }[];
  readonly since: number | undefined;
  readonly why: string;
}

function convergenceIn(data: unknown): Convergence {
  return {
    by: textIn(fieldOf(data, "by"), "address"),
    equal: fieldOf(data, "equal") === true,
    incomplete: textIn(data, "incomplete"),
    tookMs: numberIn(data, "tookMs"),
    settled: numberIn(data, "settled"),
    members: listIn(data, "members").map((member) => ({
      address: textIn(member, "address"),
      error: textIn(member, "error"),
      services: numberIn(member, "services"),
      clients: numberIn(member, "clients"),
    })),
    differences: [
      ...listIn(data, "differences").map((one) => ({
        ...differingIn(one),
        what: instanceText(one),
        field: textIn(one, "field"),
      })),
      ...listIn(data, "clients").map((one) => ({
        ...differingIn(one),
        what: `client ${textIn(one, "clientId")} of ${textIn(one, "owner")}`,
        field: "",
      })),
    ],
  };
}

function differingIn(body: unknown) {
  return {
    values: listIn(body, "values").map((one) => ({ member: textIn(one, "member"), value: textIn(one, "value") })),
    since: timeIn(body, "since"),
    why: textIn(body, "why"),
  };
}

function instanceText(body: unknown): string {
  const address = addressText(textIn(body, "ip"), textIn(body, "port"));
  const namespace = textIn(body, "namespaceId");
  const service = `${textIn(body, "groupName")}@@${textIn(body, "serviceName")}`;
  const cluster = textIn(body, "clusterName");
  const where = [
    cluster === "DEFAULT" ? "" : `cluster ${cluster}`,
    namespace === "public" ? "" : `namespace ${namespace}`,
  ];
  return [`${address} of ${service}`, ...where.filter((part) => part !== "")].join(", ");
}
