import { RegistryError } from "@nacre/protocol";
import { type Answer, restResult, result, text } from "../transport/http/answers.ts";
import type { Call } from "../transport/http/call.ts";
import type { Params } from "../transport/http/params.ts";
import type { Route } from "../transport/http/route.ts";
import { plain, v1, v2, v3 } from "../transport/http/rows.ts";
import { addressOf, findMembers, type Member, type Members, memberBody } from "./members.ts";

const NODES = "GET /v3/admin/core/cluster/node/list";
const SELF = "GET /v3/admin/core/cluster/node/self";
const ALONE = "this server runs alone: it has no list of members to look up or to leave";

/** The members as this one sees them. Nothing here changes them yet: a cluster of one has nobody to add or to drop. */
export function clusterRoutes(members: Members): readonly Route[] {
  const show = (member: Member) => memberBody(member, members.list());
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
  const refuseLookup = (params: Params): never => {
    params.bound("type");
    throw new RegistryError("illegalState", ALONE);
  };

  return [
    v1("GET", "/v1/core/cluster/self", "admin", SELF, () => restResult(self())),
    v1("GET", "/v1/core/cluster/nodes", "console", NODES, (params) => restResult(find(params))),
    v1("GET", "/v1/core/cluster/simple/nodes", "admin", NODES, () => restResult(upAddresses())),
    v1("GET", "/v1/core/cluster/health", "admin", SELF, () => restResult(members.self().state)),
    v1("POST", "/v1/core/cluster/switch/lookup", "admin", "PUT /v3/admin/core/cluster/lookup", (params) => {
      params.bound("type");
      return restResult(null, ALONE, 500);
    }),
    v1("POST", "/v1/core/cluster/server/leave", "console", NODES, () => restResult(null, ALONE, 405)),

    v2("GET", "/v2/core/cluster/node/self", "admin", SELF, () => result(self())),
    v2("GET", "/v2/core/cluster/node/list", "admin", NODES, (params) => result(find(params))),
    v2("GET", "/v2/core/cluster/node/self/health", "admin", SELF, () => result(members.self().state)),
    v2("PUT", "/v2/core/cluster/node/list", "admin", NODES, (_params, call) => noteMembers(members, call)),
    v2("PUT", "/v2/core/cluster/lookup", "admin", "PUT /v3/admin/core/cluster/lookup", refuseLookup),
    v2("DELETE", "/v2/core/cluster/nodes", "admin", NODES, (params) => {
      params.bound("addresses");
      return restResult(null, ALONE, 405);
    }),

    v3("GET", "/v3/admin/core/cluster/node/self", () => result(self())),
    v3("GET", "/v3/admin/core/cluster/node/list", (params) => result(find(params))),
    v3("GET", "/v3/admin/core/cluster/node/self/health", () => result(members.self().state)),
    v3("PUT", "/v3/admin/core/cluster/node/list", (_params, call) => noteMembers(members, call)),
    v3("PUT", "/v3/admin/core/cluster/lookup", refuseLookup),
    v3("GET", "/v3/console/core/cluster/nodes", (params) =>
      result(find(params).map(({ failAccessCnt: _, ...member }) => member)),
    ),

    plain("/serverlist", serverList),
  ];
}

/** Tells this member about others. It takes what it knows already, and says so when it does not know one. */
function noteMembers(members: Members, call: Call): Answer {
  const given = call.json();
  if (!Array.isArray(given) || given.length === 0)
    throw new RegistryError("parameterMissing", "The body must be a JSON array of at least one member.");
  const known = new Set(members.list().map(addressOf));
  for (const one of given as readonly { ip?: unknown; port?: unknown; address?: unknown }[]) {
    const address = typeof one?.address === "string" ? one.address : `${one?.ip}:${one?.port}`;
    if (!known.has(address))
      throw new RegistryError("notFound", `member ${address.slice(0, 128)} is not one of this cluster`);
  }
  return result(true);
}
