import { RegistryError } from "@nacre/protocol";
import { type Answer, restResult, result, text } from "../transport/http/answers.ts";
import type { Call } from "../transport/http/call.ts";
import type { Params } from "../transport/http/params.ts";
import type { Route } from "../transport/http/route.ts";
import { plain, v1, v2, v3 } from "../transport/http/rows.ts";
import { addressOf, findMembers, type Member, type Members, memberBody } from "./members.ts";
import type { Orders } from "./orders.ts";

const NODES = "GET /v3/admin/core/cluster/node/list";
const FORGET = "POST /v3/admin/core/cluster/forget";
const SELF = "GET /v3/admin/core/cluster/node/self";

/** The members as this one sees them, in the words of the reference. */
export function clusterRoutes(members: Members, orders: Pick<Orders, "switchLookup" | "forget">): readonly Route[] {
  const show = (member: Member) => memberBody(member, members);
  const self = () => show(members.self());
  const find = (params: Params) =>
    findMembers(members.list(), params.text(["address", "keyword"], ""), params.text("state", "")).map(show);
  const upAddresses = (): string[] => findMembers(members.list(), "", "UP").map(addressOf);
  const serverList = (): Answer =>
    text(
      upAddresses()
        .map((address) => `${address}\n`)
        .join(""),
    );
  /**
   * The reference answers 405 whatever it is told. Here members that are down are forgotten; for one that runs the answer
   * is the same as there, with what to do instead.
   */
  const drop = async (addresses: () => readonly string[]): Promise<Answer> => {
    try {
      // One after the other: each is a change of the group of voters.
      for (const address of addresses()) await orders.forget(address.trim());
    } catch (refused) {
      if (refused instanceof RegistryError) return restResult(null, refused.message, 405);
      throw refused;
    }
    return restResult(true);
  };
  const switchLookup = (params: Params): Answer => {
    orders.switchLookup(params.bound("type"));
    return result(true);
  };

  return [
    v1("GET", "/v1/core/cluster/self", "admin", SELF, () => restResult(self())),
    v1("GET", "/v1/core/cluster/nodes", "console", NODES, (params) => restResult(find(params))),
    v1("GET", "/v1/core/cluster/simple/nodes", "admin", NODES, () => restResult(upAddresses())),
    v1("GET", "/v1/core/cluster/health", "admin", SELF, () => restResult(members.self().state)),
    v1("POST", "/v1/core/cluster/switch/lookup", "admin", "PUT /v3/admin/core/cluster/lookup", (params) => {
      try {
        orders.switchLookup(params.bound("type"));
        return restResult(true);
      } catch (refused) {
        if (refused instanceof RegistryError && refused.failure === "illegalState")
          return restResult(null, refused.message, 500);
        throw refused;
      }
    }),
    v1("POST", "/v1/core/cluster/server/leave", "console", FORGET, (_params, call) =>
      drop(() => addressesIn(call.json())),
    ),

    v2("GET", "/v2/core/cluster/node/self", "admin", SELF, () => result(self())),
    v2("GET", "/v2/core/cluster/node/list", "admin", NODES, (params) => result(find(params))),
    v2("GET", "/v2/core/cluster/node/self/health", "admin", SELF, () => result(members.self().state)),
    v2("PUT", "/v2/core/cluster/node/list", "admin", NODES, (_params, call) => noteMembers(members, call)),
    v2("PUT", "/v2/core/cluster/lookup", "admin", "PUT /v3/admin/core/cluster/lookup", switchLookup),
    v2("DELETE", "/v2/core/cluster/nodes", "admin", FORGET, (params) => {
      const addresses = params.bound("addresses").split(",");
      return drop(() => addresses);
    }),

    v3("GET", "/v3/admin/core/cluster/node/self", () => result(self())),
    v3("GET", "/v3/admin/core/cluster/node/list", (params) => result(find(params))),
    v3("GET", "/v3/admin/core/cluster/node/self/health", () => result(members.self().state)),
    v3("PUT", "/v3/admin/core/cluster/node/list", (_params, call) => noteMembers(members, call)),
    v3("PUT", "/v3/admin/core/cluster/lookup", switchLookup),
    v3("GET", "/v3/console/core/cluster/nodes", (params) =>
      result(find(params).map(({ failAccessCnt: _, ...member }) => member)),
    ),

    plain("/serverlist", serverList),
  ];
}

/** @throws RegistryError unless it is a list of texts. */
function addressesIn(given: unknown): readonly string[] {
  if (Array.isArray(given) && given.length > 0 && given.every((one) => typeof one === "string")) return given;
  throw new RegistryError("parameterMissing", "The body must be a JSON array of at least one address.");
}

/** Tells this member about others. It takes what it knows already, and says so when it does not know one. */
function noteMembers(members: Members, call: Call): Answer {
  const given = call.json();
  if (!Array.isArray(given) || given.length === 0)
    throw new RegistryError("parameterMissing", "The body must be a JSON array of at least one member.");
  const known = new Set(members.list().map(addressOf));
  for (const [at, one] of (given as readonly unknown[]).entries()) {
    const address = addressGiven(one);
    if (address === undefined)
      throw new RegistryError(
        "invalidParameter",
        `Member ${at + 1} of the body must have a text 'address', or an 'ip' and a 'port'.`,
      );
    if (!known.has(address))
      throw new RegistryError("notFound", `member ${address.slice(0, 128)} is not one of this cluster`);
  }
  return result(true);
}

function addressGiven(member: unknown): string | undefined {
  const { address, ip, port } = (member ?? {}) as Readonly<Record<"address" | "ip" | "port", unknown>>;
  if (typeof address === "string") return address;
  const isWhole = typeof ip === "string" && (typeof port === "number" || typeof port === "string");
  return isWhole ? `${ip}:${port}` : undefined;
}
