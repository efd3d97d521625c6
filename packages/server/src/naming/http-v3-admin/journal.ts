import { type CauseRecord, causeSentence, causesOf, memberIn } from "@nacre/core/naming";
import type { Members } from "../../cluster/members.ts";
import type { Peers } from "../../cluster/peer-calls.ts";
import { pageBody, result } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Route } from "../../transport/http/route.ts";
import { v3 } from "../../transport/http/rows.ts";
import type { Naming } from "../naming.ts";
import { namespaceIn } from "../operations.ts";
import { pageIn } from "./pages.ts";

const PAGE_SIZE_MAX = 500;
/** Removals of a page for which the member that has the client is asked why; the others name that member. */
const ASKED_MAX = 20;
const ANSWER_MS = 1_000;
/** Between the moment of a removal there and here, clocks that differ included: else it is another removal. */
const SAME_MS = 60_000;

/**
 * Why instances went away or changed: the newest first, each with a sentence for people. What another member said is
 * told with the address of that member, and with the cause that it knows.
 */
export function journalRoute(naming: Naming, members: Members, peers: Peers): Route {
  return v3("GET", "/v3/admin/ns/journal", async (params) => {
    const { pageNo, pageSize } = pageIn(params, PAGE_SIZE_MAX);
    const { state } = naming;
    const found = causesOf(state, queryIn(params), state.journal.size);
    const from = (pageNo - 1) * pageSize;
    const shown = found.slice(from, from + pageSize);
    const causes = await causesElsewhere(shown, peers);
    const items = shown.map((record) =>
      recordBody(record, (id) => members.shown(id) + (causes.has(record) ? `: ${causes.get(record)}` : "")),
    );
    return result(pageBody(found.length, pageNo, pageSize, items));
  });
}

/** Why members that have the clients said so. Of one instance and one kind of change the newest is asked for. */
async function causesElsewhere(
  records: readonly CauseRecord[],
  peers: Peers,
): Promise<ReadonlyMap<CauseRecord, string>> {
  const newest = new Map<string, CauseRecord>();
  for (const record of records)
    if (record.cause === "toldByMember" && newest.size < ASKED_MAX) {
      const key = `${record.service} ${record.instance} ${record.what}`;
      if (!newest.has(key)) newest.set(key, record);
    }
  const causes = new Map<CauseRecord, string>();
  await Promise.all(
    [...newest.values()].map(async (record) => {
      const owner = memberIn(record);
      if (owner === undefined) return;
      const [namespace = "", group = "", name = ""] = record.service.split("@@");
      const { what } = record;
      if (what !== "removed" && what !== "unhealthy" && what !== "healthy") return;
      const given = { namespace, group, name, key: record.instance, what };
      // Who does not answer leaves its address to be told.
      const why = await peers.ask(owner, "converge.why", given, ANSWER_MS).catch(() => undefined);
      if (why !== undefined && why.because !== "" && Math.abs(why.at - record.at) < SAME_MS)
        causes.set(record, why.because);
    }),
  );
  return causes;
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

function recordBody(record: CauseRecord, shown: (memberId: string) => string): Record<string, unknown> {
  const { at, what, cause, service, instance, clientId, from } = record;
  const member = memberIn(record);
  const detail = member === undefined ? record.detail : shown(member);
  const [namespaceId, groupName, serviceName] = service.split("@@");
  // An address of IP version 6 has colons of its own; port and cluster have none.
  const [, ip, port, clusterName] = /^(.*):(\d+):([^:]*)$/.exec(instance) ?? [];
  return {
    sentence: causeSentence(record, shown),
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
