import { clusterCounts } from "./cluster/cluster-counts.ts";
import type { OpenedIdentity } from "./cluster/identity.ts";
import type { OpenedMember } from "./cluster/member.ts";
import { type HttpDeps, httpRoutes } from "./http-routes.ts";
import { newMetrics, type RaftMetrics } from "./metrics/index.ts";
import { metricSources, type Observed } from "./observe.ts";
import type { OwnGroup } from "./ops/raft/own-group.ts";
import { raftMetrics } from "./raft/metrics.ts";
import type { RaftStatus } from "./raft/port.ts";
import type { Route } from "./transport/http/route.ts";

type OfMember = "members" | "peers" | "ownLoad" | "balancer" | "diagnosis" | "orders" | "raft";

export interface HttpApiParts
  extends Omit<HttpDeps, OfMember | "metrics" | "group" | "connections" | "configs" | "wall">,
    Omit<Observed, "naming" | "cluster" | "raft"> {
  readonly clock: Parameters<typeof clusterCounts>[0]["clock"] & { wall(): number };
  readonly identity: OpenedIdentity;
  readonly member: OpenedMember;
  /** Undefined for a server that keeps nothing on disk. */
  readonly group: (OwnGroup & { status(): RaftStatus }) | undefined;
}

/** What a running server answers over HTTP, but for its state. Loaded with the first such call. */
export function httpApi(parts: HttpApiParts): readonly Route[] {
  const { clock, identity, member, group } = parts;
  const { cluster, members } = member;
  const raftFigures = (): RaftMetrics | undefined => {
    const status = group?.status();
    const { epoch } = identity.identity;
    const shown = (id: string): string => members.shown(id);
    return status && raftMetrics(status, { epoch, now: clock.now(), wall: clock.wall(), shown });
  };
  const metrics = newMetrics(
    metricSources({
      ...parts,
      cluster: () => clusterCounts({ clock, cluster, findings: () => member.diagnosis.findings }),
      raft: raftFigures,
    }),
  );
  return httpRoutes({
    ...parts,
    members,
    metrics,
    peers: cluster.peers,
    ownLoad: member.load,
    balancer: member.balancer,
    diagnosis: member.diagnosis,
    orders: member.orders,
    raft: member.raft,
    group: () => group,
    wall: () => clock.wall(),
  });
}
