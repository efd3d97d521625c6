import { RegistryError } from "@nacre/protocol";
import type { Balancer } from "../cluster/balancer.ts";
import type { Peers } from "../cluster/peer-calls.ts";
import { type Answer, json, result, text } from "../transport/http/answers.ts";
import type { Params } from "../transport/http/params.ts";
import type { Route } from "../transport/http/route.ts";
import { v2, v3 } from "../transport/http/rows.ts";
import type { Connections } from "./connections.ts";
import { clusterLoad, connectionBody, type MemberLoad, redirectTo } from "./loader.ts";

export interface LoaderSetup {
  readonly connections: Connections;
  readonly own: () => MemberLoad;
  readonly peers: Peers;
  /** What balances connections by itself; undefined where nothing does. */
  readonly balancer: Pick<Balancer, "plan"> | undefined;
}

/** A member that does not answer in this time is left out of the averages. */
const ANSWER_MS = 1_000;
/** Of the connections of one member, what one order moves at most. */
const RELOAD_SHARE = 0.1;

/** Who is connected, and moving connections to other members. v2 answers without a wrapper. */
export function loaderRoutes({ connections, own, peers, balancer }: LoaderSetup): readonly Route[] {
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

  /** Members above the average give to those below it, one to one: the fullest to the emptiest. */
  async function smartReload(params: Params): Promise<void> {
    const factor = params.double("loaderFactor", 0.1);
    if (!(factor >= 0 && factor <= 1))
      throw new RegistryError("invalidParameter", "Param 'loaderFactor' must be from 0 to 1.");
    const { loads, ids } = await askLoads();
    const average = loads.reduce((sum, load) => sum + load.connections.sdk, 0) / loads.length;
    const keep = Math.ceil(average * (1 + factor));
    const bySdk = [...loads].sort((a, b) => b.connections.sdk - a.connections.sdk);
    const full = bySdk.filter(({ connections: { sdk } }) => sdk > average * (1 + factor));
    const empty = bySdk.reverse().filter(({ connections: { sdk } }) => sdk < average * (1 - factor));
    await Promise.all(
      full.slice(0, empty.length).map((from, at) => {
        const order = { keep, share: RELOAD_SHARE, redirect: (empty[at] as MemberLoad).address };
        const id = ids.get(from);
        if (id === undefined) return connections.reload(keep, redirectTo(order.redirect), RELOAD_SHARE);
        return peers.ask(id, "loader.reload", order, ANSWER_MS);
      }),
    );
  }

  async function askLoads(): Promise<{ loads: MemberLoad[]; ids: Map<MemberLoad, string>; members: number }> {
    const answers = await peers.askAll("loader.load", null, ANSWER_MS);
    const ids = new Map<MemberLoad, string>();
    for (const { memberId, answer } of answers) if (answer !== undefined) ids.set(answer, memberId);
    return { loads: [own(), ...ids.keys()], ids, members: answers.length + 1 };
  }

  async function cluster(detail: (load: MemberLoad) => Record<string, unknown>): Promise<Record<string, unknown>> {
    const { loads, members } = await askLoads();
    return { ...clusterLoad(loads, members), detail: loads.map(detail) };
  }

  const metric = ({ connections: { all, sdk }, load, cpu }: MemberLoad) => ({
    sdkConCount: String(sdk),
    conCount: String(all),
    load: String(load),
    cpu: String(cpu),
  });

  const done = (run: (params: Params) => void | Promise<void>, answer: () => Answer) => async (params: Params) => {
    await run(params);
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
    v2("GET", `${v2Path}/cluster`, "admin", `GET ${v3Path}/cluster`, async () =>
      json(await cluster((load) => ({ address: load.address, metric: metric(load) }))),
    ),

    v3("GET", `${v3Path}/current`, () => result(current("number"))),
    v3("POST", `${v3Path}/reloadCurrent`, done(reloadCurrent, nothing)),
    v3("POST", `${v3Path}/reloadClient`, done(reloadClient, nothing)),
    v3("POST", `${v3Path}/smartReloadCluster`, done(smartReload, nothing)),
    v3("GET", `${v3Path}/cluster`, async () =>
      result(await cluster((load) => ({ address: load.address, ...metric(load) }))),
    ),
    v3("GET", `${v3Path}/plan`, async () => result((await balancer?.plan()) ?? null)),
  ];
}
