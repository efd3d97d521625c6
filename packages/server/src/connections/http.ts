import { RegistryError } from "@nacre/protocol";
import { type Answer, json, result, text } from "../transport/http/answers.ts";
import type { Params } from "../transport/http/params.ts";
import type { Route } from "../transport/http/route.ts";
import { v2, v3 } from "../transport/http/rows.ts";
import type { Connections } from "./connections.ts";
import type { Load } from "./internal.ts";
import { clusterLoad, connectionBody, type MemberLoad, redirectTo } from "./loader.ts";

export interface LoaderSetup {
  readonly connections: Connections;
  readonly load: () => Load;
  /** This member, as `ip:port`. */
  readonly address: () => string;
}

/** Who is connected, and moving connections to other members. v2 answers without a wrapper. */
export function loaderRoutes({ connections, load, address }: LoaderSetup): readonly Route[] {
  const current = (time: "text" | "number"): Record<string, unknown> =>
    Object.fromEntries(Array.from(connections.list(), (one) => [one.id, connectionBody(one, time)]));

  function reloadCurrent(params: Params): void {
    const count = params.boundInteger("count");
    if (count < 0) throw new RegistryError("invalidParameter", "Param 'count' must be 0 or more.");
    connections.reload(count, redirectTo(params.text("redirectAddress", "")));
  }

  function reloadClient(params: Params): void {
    const id = params.bound("connectionId");
    if (!connections.reset(id, redirectTo(params.text("redirectAddress", ""))))
      throw new RegistryError("notFound", `connection [ ${id.slice(0, 128)} ] not exist`);
  }

  /** Members above the average give to those below it. Alone, every member is the average. */
  function smartReload(params: Params): void {
    const factor = params.double("loaderFactor", 0.1);
    if (!(factor >= 0 && factor <= 1))
      throw new RegistryError("invalidParameter", "Param 'loaderFactor' must be from 0 to 1.");
  }

  const own = (): MemberLoad => ({ address: address(), connections: connections.count, ...load() });
  function cluster(detail: (load: MemberLoad) => Record<string, unknown>): Record<string, unknown> {
    const loads = [own()];
    return { ...clusterLoad(loads, loads.length), detail: loads.map(detail) };
  }
  const metric = ({ connections: { all, sdk }, load, cpu }: MemberLoad) => ({
    sdkConCount: String(sdk),
    conCount: String(all),
    load: String(load),
    cpu: String(cpu),
  });

  const done = (run: (params: Params) => void, answer: () => Answer) => (params: Params) => {
    run(params);
    return answer();
  };
  const success = (): Answer => text("success");
  const nothing = (): Answer => result(null);
  const [v2Path, v3Path] = ["/v2/core/loader", "/v3/admin/core/loader"];

  return [
    v2("GET", `${v2Path}/current`, "admin", `GET ${v3Path}/current`, () => json(current("text"))),
    v2("GET", `${v2Path}/reloadCurrent`, "admin", `POST ${v3Path}/reloadCurrent`, done(reloadCurrent, success)),
    v2("GET", `${v2Path}/reloadClient`, "admin", `POST ${v3Path}/reloadClient`, done(reloadClient, success)),
    v2(
      "GET",
      `${v2Path}/smartReloadCluster`,
      "admin",
      `POST ${v3Path}/smartReloadCluster`,
      done(smartReload, () => text("Ok")),
    ),
    v2("GET", `${v2Path}/cluster`, "admin", `GET ${v3Path}/cluster`, () =>
      json(cluster((load) => ({ address: load.address, metric: metric(load) }))),
    ),

    v3("GET", `${v3Path}/current`, () => result(current("number"))),
    v3("POST", `${v3Path}/reloadCurrent`, done(reloadCurrent, nothing)),
    v3("POST", `${v3Path}/reloadClient`, done(reloadClient, nothing)),
    v3("POST", `${v3Path}/smartReloadCluster`, done(smartReload, nothing)),
    v3("GET", `${v3Path}/cluster`, () => result(cluster((load) => ({ address: load.address, ...metric(load) })))),
  ];
}
