import type { Switches } from "@nacre/core/naming";
import {
  clustersBroken,
  metadataBroken,
  namespaceOf,
  portBroken,
  RegistryError,
  type RuleName,
  ruleBroken,
  serviceNameOf,
} from "@nacre/protocol";
import type { Readiness, ServerStatus } from "../../readiness.ts";
import { type Answer, empty, errorObject, failureAnswer, text, uncached } from "./answers.ts";
import type { Call } from "./call.ts";
import { parseMetadata } from "./metadata.ts";
import type { Params } from "./params.ts";
import type { Gate, Route } from "./route.ts";

/** What the filters look at besides the request. */
export interface FilterSetup {
  readonly readiness: Pick<Readiness, "state">;
  /** The switches of naming as they are now. */
  readonly switches: () => Pick<Switches, "limitedUrlMap" | "overriddenServerStatus">;
  readonly gates: Readonly<Record<Exclude<Gate, "none">, boolean>>;
  readonly checkParams: boolean;
  readonly metadataLengthMax: number;
  /** Why a namespace may not be named; undefined where calls may name any. */
  readonly namespaceRefused?: ((namespace: string) => RegistryError | undefined) | undefined;
}

/** What an operator set wins over what this member knows of itself. */
export function statusOf({ readiness, switches }: Pick<FilterSetup, "readiness" | "switches">): ServerStatus {
  return (switches().overriddenServerStatus as ServerStatus | null) ?? readiness.state().status;
}

/** Operators mend a status with these calls, and probes read it from them, so no status closes them. */
const OPERATOR = /^\/v(?:1|2|3\/admin)\/ns\/(?:operator|ops)\//;
const CONFIG = /^\/v(?:1|2|3\/client|3\/admin)\/cs\//;
const NAMING = /^\/v(?:1|2|3\/client|3\/admin)\/ns\//;

/**
 * Refuses naming calls that an operator has blocked or that this member cannot serve at the moment, and calls of
 * configurations where those that it holds are not as they should be.
 */
export function trafficRefusal(
  setup: FilterSetup,
  call: Pick<Call, "method" | "path" | "uri" | "agent">,
): Answer | undefined {
  if (CONFIG.test(call.path) && setup.readiness.state().isWrong === true) return statusRefusal(setup, call);
  if (!NAMING.test(call.path)) return undefined;
  for (const [prefix, status] of Object.entries(setup.switches().limitedUrlMap))
    if (call.uri.startsWith(prefix) || call.path.startsWith(prefix)) return empty(status);
  const { isLeaving } = setup.readiness.state();
  const status = setup.switches().overriddenServerStatus === null && isLeaving === true ? "UP" : statusOf(setup);
  if (status === "UP" || call.agent.startsWith("Nacos-Server") || OPERATOR.test(call.path)) return undefined;
  const reads = call.method === "GET" || call.method === "HEAD";
  if (status === "READ_ONLY" ? reads : status === "WRITE_ONLY" && !reads) return undefined;
  return statusRefusal(setup, call);
}

function statusRefusal(setup: FilterSetup, call: Pick<Call, "path">): Answer {
  const status = statusOf(setup);
  const { reason } = setup.readiness.state();
  // SDKs of 1.x find these words without a blank before "now"; it stays as they know it.
  const rest = reason === undefined ? "please try again later!" : `detailed error message: ${reason}`;
  const message = `server is ${status}now, ${rest}`;
  if (call.path.startsWith("/v1/")) return text(message, 503);
  return failureAnswer("v3", new RegistryError("unavailable", message));
}

const SWITCH_OF: Readonly<Record<Exclude<Gate, "none">, string>> = {
  open: "nacos.core.api.compatibility.client.enabled",
  admin: "nacos.core.api.compatibility.admin.enabled",
  console: "nacos.core.api.compatibility.console.enabled",
};

/** Refuses endpoints of v1 and v2 that an operator has switched off. The message is JSON in JSON, as clients know it. */
export function gateRefusal(setup: FilterSetup, route: Route, uri: string, at: number): Answer | undefined {
  const { gate } = route;
  if (gate === "none" || setup.gates[gate]) return undefined;
  const instead = route.instead === undefined ? "" : ` use API(s) ${route.instead} instead, or`;
  const message = `Current API will be deprecated, please${instead} set ${SWITCH_OF[gate]}=true and restart.`;
  return errorObject(410, JSON.stringify({ code: 40000, message, data: null }), uri, at);
}

const RULES: readonly (readonly [param: string, rule: RuleName])[] = [
  ["namespaceId", "namespace"],
  ["tenant", "namespace"],
  ["namespace", "namespace"],
  ["dataId", "dataId"],
  ["group", "group"],
  ["groupName", "group"],
  ["groupNameParam", "group"],
  ["serviceNameParam", "serviceName"],
  ["cluster", "cluster"],
  ["clusterName", "cluster"],
  ["ip", "ip"],
];

/** Who manages namespaces names those that are not there yet. */
const NAMESPACES = /\/namespaces?(?:\/|$)/;

/** Refuses calls into a namespace that may not be named. */
export function namespaceRefusal(
  { namespaceRefused }: Pick<FilterSetup, "namespaceRefused">,
  { family, path }: Pick<Route, "family" | "path">,
  params: Params,
): Answer | undefined {
  if (namespaceRefused === undefined || NAMESPACES.test(path)) return undefined;
  const refused = namespaceRefused(namespaceOf(params.optional("namespaceId") ?? params.optional("tenant")));
  return refused === undefined ? undefined : failureAnswer(family, refused);
}

/** Holds the names in the parameters against their rules, whatever the endpoint makes of them. */
export function paramRefusal(setup: FilterSetup, route: Route, params: Params): Answer | undefined {
  if (!setup.checkParams || route.checked === false) return undefined;
  const broken = brokenParam(params, setup.metadataLengthMax);
  if (broken === undefined) return undefined;
  return route.family === "v1"
    ? uncached(text(`${broken}\n`, 400))
    : failureAnswer(route.family, new RegistryError("invalidParameter", broken));
}

function brokenParam(params: Params, metadataLengthMax: number): string | undefined {
  for (const [param, rule] of RULES) {
    // The list of v3 takes several clusters in the parameter of one.
    const value = params.optional(param);
    const broken = rule === "cluster" ? clustersBroken(value) : ruleBroken(rule, value);
    if (broken !== undefined) return broken;
  }
  const service = params.optional("serviceName");
  if (service !== undefined) {
    const { group, name } = serviceNameOf(undefined, undefined, service);
    const broken = ruleBroken("group", group) ?? ruleBroken("serviceName", name);
    if (broken !== undefined) return broken;
  }
  const clusters = clustersBroken(params.optional("clusters"));
  if (clusters !== undefined) return clusters;
  for (const param of ["port", "checkPort"]) {
    const value = params.optional(param);
    // What is no number at all is refused by whoever reads it, in its own words.
    const broken = value !== undefined && /^-?\d+$/.test(value) ? portBroken(Number(value), param) : undefined;
    if (broken !== undefined) return broken;
  }
  const metadata = params.optional("metadata");
  return metadata === undefined ? undefined : metadataOver(metadata, metadataLengthMax);
}

function metadataOver(metadata: string, lengthMax: number): string | undefined {
  // Text this short cannot break the rule, and what is no metadata is refused by whoever reads it.
  if (metadata.length <= lengthMax) return undefined;
  try {
    return metadataBroken(parseMetadata("metadata", metadata), lengthMax);
  } catch {
    return undefined;
  }
}
