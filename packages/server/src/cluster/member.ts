import { join } from "node:path";
import { unfound } from "@nacre/core/membership";
import type { Logger } from "pino";
import type { Clock } from "../clock.ts";
import { type Listeners, listenerPage } from "../config/listener-page.ts";
import { reachedAnswer } from "../config/reached.ts";
import type { Connections } from "../connections/connections.ts";
import { type MemberLoad, obeyReload } from "../connections/loader.ts";
import type { ProcessLoad } from "../metrics/load.ts";
import type { Naming } from "../naming/naming.ts";
import { subscriberPage } from "../naming/subscriber-page.ts";
import { LazyRaftOps } from "../ops/raft/lazy-raft-ops.ts";
import type { Options } from "../options.ts";
import type { Readiness } from "../readiness.ts";
import type { Stop } from "../running.ts";
import type { DurableLog } from "../storage/port.ts";
import { renewOnChange } from "../transport/grpc/certificates.ts";
import { VERSION } from "../version.ts";
import { Balancer } from "./balancer.ts";
import { Cluster, type ClusterSetup } from "./cluster.ts";
import { LazyConverge } from "./converge/lazy-converge.ts";
import type { OpenedIdentity } from "./identity.ts";
import { LazyDiagnosis } from "./lazy-diagnosis.ts";
import type { LinkTls } from "./links/types.ts";
import { watchLocalAddresses } from "./lookup/local-addresses.ts";
import { newResolve } from "./lookup/resolve.ts";
import type { Lookup } from "./lookup/types.ts";
import { addressOf, type Members, membersOf } from "./members.ts";
import { forgetOrder, type Orders, ordersOf } from "./orders.ts";
import { OwnWatch } from "./own-watch.ts";
import {
  addressRules,
  distroOptions,
  fingerprintOf,
  linkTls,
  lookupOptions,
  membershipOptions,
  ownHost,
} from "./setups.ts";
import { SilentClientCount } from "./silent-clients.ts";

/** How ids of clients end that are known by their address. */
const ADDRESS_CLIENT = "#true";

/** What a member of a cluster, of one or of many, is made from. */
export interface MemberParts {
  readonly clock: Clock;
  /** When the process began to start; monotonic milliseconds. */
  readonly startedAt: number;
  readonly log: Logger;
  readonly options: Options;
  /** The data folder; undefined keeps nothing. */
  readonly directory: string | undefined;
  readonly identity: OpenedIdentity;
  readonly naming: Naming;
  readonly connections: Connections;
  readonly durable: Pick<DurableLog<never, never>, "status">;
  /** The log and what it hears others through; undefined for a member that keeps nothing on disk. */
  readonly group: ClusterSetup["group"];
  readonly readiness: Readiness;
  /** Of configurations, here. */
  readonly listeners: Listeners;
  /** What of configurations is held here. */
  readonly held: () => { readonly configs: number; readonly namespaces: number };
  readonly load: () => ProcessLoad;
  readonly address: { readonly ip: string; readonly port: number };
  /** Somebody orders this member to stop. */
  readonly stop: (forever: boolean) => void;
}

export interface OpenedMember {
  readonly cluster: Cluster;
  readonly members: Members;
  readonly balancer: Balancer;
  readonly diagnosis: LazyDiagnosis;
  readonly orders: Orders;
  readonly raft: LazyRaftOps;
  /** What this member says of its connections. */
  readonly load: () => MemberLoad;
  /** Where the list of members comes from; undefined for a member that was started alone, and before `start`. */
  readonly lookup: () => Lookup | undefined;
  /** Reads what was known in the last life, and opens the cluster port. @returns the port; undefined when it stays shut. */
  listen(): Promise<number | undefined>;
  /** Begins to look for others, and to be ready. */
  start(): Promise<void>;
}

/** Composes the parts of a member that concern others. `stops` gets what ends them. */
export async function openMember(parts: MemberParts, stops: Stop[]): Promise<OpenedMember> {
  const { clock, startedAt, log, options, directory, identity, naming, connections, durable, readiness, address } =
    parts;
  const tls = await linkTls(options);
  let lookup: Lookup | undefined;
  let fingerprint: string | undefined;

  const members = membersOf({
    cluster: () => cluster,
    clock,
    group: () => parts.group?.log.group,
    self: () => ({ ...address, status: readiness.state().status, version: VERSION }),
  });
  const load = (): MemberLoad => ({
    address: addressOf(members.self()),
    ready: readiness.state().ready,
    connections: connections.count,
    ...parts.load(),
  });
  const converging = new LazyConverge(() => ({
    clock,
    self: identity.identity.memberId,
    peers: cluster.peers,
    ringOwner: (clientId) => (clientId.endsWith(ADDRESS_CLIENT) ? cluster.ownerOf(clientId) : undefined),
    shown: (memberId) => members.shown(memberId),
    unfound: () => unfound(cluster.members.state).map((one) => one.address),
    answering: () => ({
      naming: naming.state,
      distro: cluster.distro.state,
      now: () => clock.now(),
      shown: (memberId) => members.shown(memberId),
    }),
  }));
  const raft = new LazyRaftOps(() => ({
    clock,
    version: VERSION,
    group: () => parts.group?.log,
    epoch: () => identity.identity.epoch,
    membership: cluster.members.state,
    peers: cluster.peers,
    address: () => addressOf(members.self()),
    shown: (memberId) => members.shown(memberId),
  }));
  const cluster: Cluster = new Cluster({
    clock,
    log,
    naming,
    identity,
    directory: directory && join(directory, "clients"),
    membership: membershipOptions(options),
    distro: distroOptions(options),
    fingerprint: () => {
      fingerprint ??= fingerprintOf(options);
      return fingerprint;
    },
    host: ownHost(options),
    port: address.port,
    portOffset: options.clusterPortOffset,
    tls,
    calls: {
      "diagnosis.report": () => diagnosis.report(),
      "members.forget": (given) => {
        cluster.members.forget(forgetOrder.read(given, "").id);
        return { isForgotten: true };
      },
      "loader.load": load,
      ...converging.calls,
      ...raft.calls,
      "naming.subscribers": (given) => subscriberPage(naming, given),
      "config.listeners": (given) => listenerPage(parts.listeners, given),
      "config.reach": (given) => reachedAnswer(parts.listeners, given),
      "loader.reload": (given) => obeyReload(connections, given),
    },
    ...(parts.group !== undefined && { group: parts.group }),
    resolve: newResolve(clock),
    readiness: ({ ready, reason, isWrong }) => {
      if (isWrong === true) connections.notReady();
      if (!ready) return readiness.waiting(reason, isWrong);
      connections.ready();
      readiness.up();
    },
  });
  const balancer = new Balancer({
    clock,
    log,
    connections,
    peers: cluster.peers,
    self: () => {
      const { address: own, ready, connections: held } = load();
      return { address: own, ready, sdk: held.sdk };
    },
    membersChangedAt: () => cluster.membersChangedAt,
  });
  const own = new OwnWatch(clock, directory);
  const silent = new SilentClientCount(naming.state);
  const diagnosis = new LazyDiagnosis(clock, ({ factsOf, askReports }) => ({
    clock,
    log,
    version: VERSION,
    facts: factsOf({
      clock,
      startedAt,
      cluster,
      naming,
      connections,
      balancer,
      own,
      silent,
      lookup: () => lookup,
      log: () => durable.status(),
      group: parts.group?.log,
      stage: () => readiness.stage,
      port: address.port,
      address: addressOf(address),
      portOffset: options.clusterPortOffset,
      portOpen: options.clusterPortOpen,
      held: parts.held,
      connectionsMax: options.connectionsMax,
    }),
    looked: () => {
      own.look();
      silent.look();
    },
    askOthers: () => askReports(cluster.peers),
  }));
  readiness.explainWith(() => diagnosis.sentence);

  return {
    cluster,
    members,
    balancer,
    diagnosis,
    orders: ordersOf({
      clock,
      cluster,
      members,
      group: parts.group,
      converging,
      version: VERSION,
      lookup: () => lookup,
      stop: parts.stop,
    }),
    raft,
    load,
    lookup: () => lookup,
    async listen() {
      stops.push((graceMs) => cluster.stop(graceMs));
      if (tls !== undefined) {
        const { peerTlsCertFile, peerTlsKeyFile, peerTlsCaFile } = options;
        const read = async (): Promise<LinkTls> => (await linkTls(options)) ?? tls;
        stops.push(renewOnChange(cluster.links, [peerTlsCertFile, peerTlsKeyFile, peerTlsCaFile], read, log));
      }
      await cluster.open();
      return options.clusterPortOpen ? cluster.listen(options.bindAddress) : undefined;
    },
    async start() {
      stops.push(
        () => balancer.stop(),
        () => diagnosis.stop(),
      );
      const rules = addressRules(options);
      const addresses = watchLocalAddresses({ clock, rules, refreshMs: options.addressRefreshMs }, (ips) =>
        cluster.members.feed({ type: "localAddresses", ips }),
      );
      stops.push(() => addresses.close());
      const listRead = (text: string | undefined, source: string): void => {
        cluster.members.feed({ type: "listRead", text, source });
      };
      if (options.mode === "cluster") {
        const { openLookup } = await import("./lookup/lookup.ts");
        lookup = openLookup({ ...lookupOptions(options), clock, log, directory }, { listRead });
        stops.push(() => lookup?.close());
      } else listRead(undefined, "");
      cluster.start();
      balancer.start();
      diagnosis.start(!readiness.state().ready);
    },
  };
}
