import type {
  DiagnosisFacts,
  DurableFacts,
  ForwardingFact,
  MemberAnswer,
  ProcessFacts,
  QueueFact,
} from "@nacre/core/diagnosis";
import { distroFacts } from "@nacre/core/distro";
import type { Clock } from "../clock.ts";
import type { Connections } from "../connections/connections.ts";
import type { Naming } from "../naming/naming.ts";
import type { LogStatus } from "../storage/port.ts";
import type { Balancer } from "./balancer.ts";
import type { Cluster } from "./cluster.ts";
import { membersFacts } from "./diagnosis.ts";
import { stillFails } from "./forwarding.ts";
import { type GroupSource, groupFacts } from "./group-facts.ts";
import type { Lookup } from "./lookup/types.ts";
import type { OwnWatch } from "./own-watch.ts";
import type { Peers } from "./peer-calls.ts";
import type { SilentClientCount } from "./silent-clients.ts";

/** Where each fact comes from. */
export interface FactSources {
  readonly clock: Clock;
  /** When the process began to start. */
  readonly startedAt: number;
  readonly cluster: Cluster;
  readonly naming: Naming;
  readonly connections: Connections;
  readonly balancer: Pick<Balancer, "counts" | "moving">;
  readonly own: Pick<OwnWatch, "facts">;
  readonly silent: SilentClientCount;
  /** Undefined for a member that was started alone. */
  readonly lookup: () => Pick<Lookup, "facts"> | undefined;
  readonly log: () => Pick<LogStatus, "refusing" | "storeFailing" | "syncMs">;
  /** Undefined where durable data belongs to no group. */
  readonly group: GroupSource | undefined;
  /** What of configurations is held here. */
  readonly held: () => Omit<DurableFacts, "persistentInstances">;
  readonly stage: () => ProcessFacts["stage"];
  /** The main port. */
  readonly port: number;
  /** Where this member is as long as it knows of no list that says otherwise. */
  readonly address: string;
  readonly portOffset: number;
  /** Whether this member listens for others. */
  readonly portOpen: boolean;
  readonly connectionsMax: number;
}

/** Gathers what diagnosis looks at. Called about once a second and for each answer. */
export function factsOf(sources: FactSources): () => DiagnosisFacts {
  const {
    clock,
    startedAt,
    cluster,
    naming,
    connections,
    balancer,
    own,
    silent,
    lookup,
    log,
    group,
    stage,
    port,
    address,
    portOffset,
    portOpen,
    held,
  } = sources;
  let statusSet: ProcessFacts["statusSet"];
  return () => {
    const now = clock.now();
    const { overriddenServerStatus: status } = naming.state.switches;
    if (status === null) statusSet = undefined;
    else if (statusSet?.status !== status) statusSet = { status, since: now };
    const { refusing, storeFailing, syncMs } = log();
    const { pause, memory, clock: clockFacts, disk } = own.facts(syncMs);
    const isAlone = lookup() === undefined && !cluster.others;
    return {
      process: {
        startedAt,
        stage: stage(),
        port,
        address,
        statusSet,
        pause,
        memory,
        queues: queuesOf(sources),
      },
      members: isAlone ? undefined : membersFacts(cluster.members.state, now, { portOffset, portOpen }),
      lookup: lookup()?.facts(),
      distro: distroFacts(cluster.distro.state, now),
      forwarding: [...cluster.forwardingFailures]
        .filter(([, failure]) => stillFails(failure, now))
        .map(([to, { since, error, clients }]): ForwardingFact => ({ to, since, error, clients: clients.size })),
      naming: { silent: silent.last },
      connections: {
        counts: balancer.counts(cluster.members.state.start.id, connections.count.sdk),
        moving: balancer.moving,
      },
      durable: { ...held(), persistentInstances: silent.persistentInstances },
      group:
        group &&
        groupFacts({
          self: cluster.members.state.start.id,
          source: group,
          listed: cluster.members.state.list.entries.length,
          catchingUp: cluster.catchingUp,
          momentOf: (wall) => now - (clock.wall() - wall),
        }),
      log: { refusing },
      store: { error: storeFailing },
      disk,
      clock: clockFacts,
    };
  };
}

function queuesOf({ cluster, naming, connections, connectionsMax }: FactSources): QueueFact[] {
  const { state } = naming;
  const queues: QueueFact[] = [
    {
      what: "connections of clients",
      held: connections.count.all,
      max: connectionsMax,
      atMax: "further ones are refused",
    },
    {
      what: "instances",
      held: state.instanceCount,
      max: state.options.instancesMax,
      atMax: "further registrations are refused",
    },
    {
      what: "services",
      held: state.services.size,
      max: state.options.servicesMax,
      atMax: "registrations for further ones are refused",
    },
  ];
  const { pendingMax } = cluster.distro.state.options;
  for (const { id, pending } of cluster.distro.state.peers.values())
    queues.push({
      what: `changes that wait for member ${cluster.shown(id)}`,
      held: pending.size,
      max: pendingMax,
      atMax: "they are dropped, and the next comparison repairs what that left out",
    });
  return queues;
}

/** A member that does not answer in this time is told as one that did not. */
const ANSWER_MS = 2_000;

/** What the other members say of themselves. */
export async function askReports(peers: Peers): Promise<readonly MemberAnswer[]> {
  const answers = await peers.askAll("diagnosis.report", null, ANSWER_MS);
  return answers.map(({ memberId: id, address, answer, error }): MemberAnswer => {
    const member = { id, address };
    return answer === undefined ? { member, error: error.message } : { member, report: answer };
  });
}
