import { addressOf, memberBody } from "../../cluster/members.ts";
import { type Answer, json, text } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import { ANY_METHOD, type Route } from "../../transport/http/route.ts";
import { v1 } from "../../transport/http/rows.ts";
import type { NamingDeps } from "../http-deps.ts";
import { metricsBody, setLogLevel, setSwitch, switchesBody } from "../operations.ts";

/** `/v1/ns/operator`, its alias `/v1/ns/ops`, and the read-only views of what 1.x had and documented. */
export function operatorRoutes(deps: NamingDeps): Route[] {
  return [...["/v1/ns/operator", "/v1/ns/ops"].flatMap((path) => operatorsBelow(path, deps)), ...oldViews(deps)];
}

function operatorsBelow(path: string, { naming, members, status, load, setLogLevel: apply }: NamingDeps): Route[] {
  const admin = "/v3/admin/ns/ops";

  const metrics = (params: Params): Answer =>
    json(params.boolean("onlyStatus", true) ? { status: status() } : metricsBody(naming, status(), load()));

  async function change(params: Params): Promise<Answer> {
    await setSwitch(naming, params);
    return text("ok");
  }

  function pushState(params: Params): Answer {
    const { total, failed } = naming.state.pushes;
    const succeed = total - failed;
    const ratio = total === 0 ? 1 : succeed / total;
    return json({ succeed, total, ratio, ...(params.isTrue("detail") && { detail: {} }) });
  }

  function responsible(params: Params): Answer {
    const ip = params.required("ip");
    return json({ responsibleServer: members.ownerOf(ip, params.requiredInteger("port")) });
  }

  function logLevel(params: Params): Answer {
    setLogLevel(params, apply);
    return text("ok");
  }

  return [
    v1("GET", `${path}/metrics`, "open", `GET ${admin}/metrics`, metrics),
    v1("GET", `${path}/switches`, "admin", `GET ${admin}/switches`, () => json(switchesBody(naming.state.switches))),
    v1("PUT", `${path}/switches`, "admin", `PUT ${admin}/switches`, change),
    v1(ANY_METHOD, `${path}/push/state`, "admin", "", pushState),
    v1("GET", `${path}/distro/client`, "admin", "GET /v3/admin/ns/client/distro", responsible),
    v1("PUT", `${path}/log`, "admin", `PUT ${admin}/log`, logLevel),
  ];
}

/** The reference has dropped these; the curl calls of old documentation still get what they look for. */
function oldViews({ members }: NamingDeps): Route[] {
  const list = "GET /v3/admin/core/cluster/node/list";

  function servers(): Answer {
    return json({ servers: members.list().map((member) => memberBody(member, members)) });
  }

  /** Who changes durable data; blank while nobody does. */
  const leader = (): string => members.group().leader ?? "";

  function raftState(): Answer {
    const { voters, term } = members.group();
    const state = addressOf(members.self()) === leader() ? "LEADER" : "FOLLOWER";
    return json({ leader: leader(), peers: voters, term, state });
  }

  return [
    v1("GET", "/v1/ns/operator/servers", "admin", list, servers),
    // The peer is JSON in JSON, as 1.x wrote it.
    v1("GET", "/v1/ns/raft/leader", "admin", list, () =>
      json({ leader: JSON.stringify({ ip: leader(), state: "LEADER" }) }),
    ),
    v1("GET", "/v1/ns/raft/state", "admin", list, raftState),
  ];
}
