import { type CauseRecord, causeSentence, causesOf } from "@nacre/core/naming";
import { pageBody, result } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Route } from "../../transport/http/route.ts";
import { v3 } from "../../transport/http/rows.ts";
import type { Naming } from "../naming.ts";
import { namespaceIn } from "../operations.ts";
import { pageIn } from "./pages.ts";

const PAGE_SIZE_MAX = 500;

/** Why instances went away or changed: the newest first, each with a sentence for people. */
export function journalRoute(naming: Naming): Route {
  return v3("GET", "/v3/admin/ns/journal", (params) => {
    const { pageNo, pageSize } = pageIn(params, PAGE_SIZE_MAX);
    const { state } = naming;
    const found = causesOf(state, queryIn(params), state.journal.size);
    const from = (pageNo - 1) * pageSize;
    return result(pageBody(found.length, pageNo, pageSize, found.slice(from, from + pageSize).map(recordBody)));
  });
}

function queryIn(params: Params) {
  return {
    namespace: namespaceIn(params),
    group: params.optional("groupName")?.trim(),
    name: params.optional("serviceName")?.trim(),
    ip: params.optional("ip")?.trim(),
    port: params.optional("port") === undefined ? undefined : params.integer("port", 0),
  };
}

function recordBody(record: CauseRecord): Record<string, unknown> {
  const { at, what, cause, detail, service, instance, clientId, from } = record;
  const [namespaceId, groupName, serviceName] = service.split("@@");
  // An address of IP version 6 has colons of its own; port and cluster have none.
  const [, ip, port, clusterName] = /^(.*):(\d+):([^:]*)$/.exec(instance) ?? [];
  return {
    sentence: causeSentence(record),
    at,
    what,
    cause,
    detail,
    namespaceId,
    groupName,
    serviceName,
    ip,
    port: Number(port),
    clusterName,
    clientId,
    from,
  };
}
