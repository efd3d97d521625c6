import { newHealth } from "@nacre/core/health";
import type { Logger } from "pino";
import { systemClock } from "./clock.ts";
import { GroupLinks } from "./cluster/group/group-links.ts";
import { GroupLog } from "./cluster/group/group-log.ts";
import { leaveGroup } from "./cluster/group/leaving-group.ts";
import { openIdentity } from "./cluster/identity.ts";
import { leave } from "./cluster/leaving.ts";
import { openMember } from "./cluster/member.ts";
import { onlyAlone } from "./cluster/only-alone.ts";
import { Checks } from "./config/checks/checks.ts";
import { loadCiphers } from "./config/cipher/load-ciphers.ts";
import { Configs } from "./config/configs.ts";
import { listenersAt } from "./config/http-common/listeners.ts";
import { configFeature } from "./config/rpc.ts";
import { Connections } from "./connections/connections.ts";
import { consolePortOf, openConsolePort } from "./console-port.ts";
import { freeMainPort, GRPC_OFFSET, onFreePorts } from "./free-ports.ts";
import { lazy } from "./lazy.ts";
import { openLog } from "./log.ts";
import { watchLoad } from "./metrics/load.ts";
import { watchProcess } from "./metrics/process.ts";
import { namespaceFilter, unknownNamespace } from "./namespaces/validation.ts";
import { startHealthChecks } from "./naming/checkers/runner.ts";
import { openCmdbFile } from "./naming/cmdb-file.ts";
import { countPersistent, countServices, removeServices } from "./naming/in-namespace.ts";
import { Naming } from "./naming/naming.ts";
import { namingFeature } from "./naming/rpc.ts";
import { openUdpPush } from "./naming/udp.ts";
import { takeLeftBehind } from "./offline/left-behind.ts";
import { finishOfflineOrder } from "./offline/order.ts";
import { levelSetter } from "./ops/log-level.ts";
import { type Options, optionsOf } from "./options.ts";
import { Readiness } from "./readiness.ts";
import { ALWAYS_RESPONSIBLE, LeadersResponsibility } from "./responsibility.ts";
import type { RunningServer, Stop } from "./running.ts";
import {
  configOptions,
  connectionOptions,
  grpcOptions,
  httpOptions,
  localHost,
  memberIp,
  namingOptions,
  tlsOptions,
} from "./setups.ts";
import { stateRoutes } from "./state/http.ts";
import { stateMachine } from "./state-machine.ts";
import { nodeFiles } from "./storage/files.ts";
import { takeFolder } from "./storage/lock.ts";
import { openMemoryLog } from "./storage/memory-log.ts";
import { renewOnChange } from "./transport/grpc/certificates.ts";
import { createGrpcTransport } from "./transport/grpc/engines.ts";
import { statusOf } from "./transport/http/filters.ts";
import { createHttpServer, type HttpServerSetup } from "./transport/http/http-server.ts";
import { VERSION } from "./version.ts";

/** The data folder that is none: nothing outlives the process. For tests and for programs that embed a server. */
export const IN_MEMORY = ":memory:";
/** Of the time of a stop, what is kept for closing files and ports. */
const LAST_MS = 3_000;
/** For calls over HTTP that are under way when clients have moved: those that take longer are answered 503. */
const RETIRE_MS = 500;
/** From the beginning of a stop for so long: clients of HTTP that beat each 5 s have been told by then to connect elsewhere. */
const IDLE_MS = 5_500;
/** Between an order to stop over HTTP and the stop. */
const ORDER_MS = 50;

/**
 * Starts a server in this process. What goes wrong on the way is undone before the error is thrown.
 *
 * @param given options that differ from their defaults; `dataDir: IN_MEMORY` and port 0 suit tests and embedding.
 * @throws see `StartServer`.
 */
export async function startServer(given: Partial<Options> = {}): Promise<RunningServer> {
  const options = optionsOf(given);
  const log = openLog(options);
  const open = async (): Promise<RunningServer> => {
    const stops: Stop[] = [];
    try {
      return await start(options, log, stops);
    } catch (thrown) {
      await endAll(stops, () => 0);
      throw thrown;
    }
  };
  return options.port === 0 ? onFreePorts(open, [options.grpcPort, options.consolePort]) : open();
}

/** In start order: cores, storage, what acts on the network, then the ports. `stops` is run in reverse. */
async function start(options: Options, log: Logger, stops: Stop[]): Promise<RunningServer> {
  const clock = systemClock;
  const startedAt = clock.now();
  const readiness = new Readiness();
  const ordered = Promise.withResolvers<string>();
  const ip = memberIp(options);
  const directory = options.dataDir === IN_MEMORY ? undefined : options.dataDir;
  // First of all: of two starts on one folder only one may count itself.
  const lock = directory === undefined ? undefined : await takeFolder(directory);
  stops.push(() => lock?.release());
  // What an operator ordered while this member was stopped, should that have been interrupted.
  if (directory !== undefined) await finishOfflineOrder(nodeFiles, directory);
  const leftBehind = directory === undefined ? undefined : await takeLeftBehind(nodeFiles, directory, clock.wall());
  if (leftBehind !== undefined)
    log.warn(
      { directory },
      `this data folder was left behind by a member (${leftBehind}): it is served in a cluster of its own`,
    );
  const identity = await openIdentity(directory);
  const derived = [options.clusterPortOffset, ...(options.grpcPort === undefined ? [GRPC_OFFSET] : [])];
  const port = options.port === 0 ? await freeMainPort(options.bindAddress, derived) : options.port;
  const address = { ip, port };

  const namespaceRefused = options.namespaceValidation
    ? (namespace: string) => unknownNamespace(configs.state, namespace)
    : undefined;
  const load = watchLoad(clock);
  const connections = new Connections({
    clock,
    log,
    load,
    abilities: {
      supportPersistentInstanceByGrpc: options.abilityPersistentInstance,
      fuzzyWatch: options.abilityFuzzyWatch,
    },
    address,
    queuedBytesMax: options.queuedBytesMax,
    options: connectionOptions(options),
    filters: namespaceRefused === undefined ? [] : [namespaceFilter(namespaceRefused)],
  });
  const leads = new LeadersResponsibility();
  const responsibility = directory === undefined ? ALWAYS_RESPONSIBLE : leads;
  const naming = new Naming({
    clock,
    log,
    connections,
    options: namingOptions(options),
    pushTimeoutMs: options.pushTimeoutMs,
    self: identity.identity,
  });
  connections.serve(namingFeature(naming));
  const { ciphers, warnings } = await loadCiphers({ keyFile: options.cipherKeyFile, modules: options.cipherModules });
  for (const warning of warnings) log.warn(warning);
  const checks = new Checks({ clock });
  stops.push(() => checks.close());
  const configs = new Configs({
    clock,
    log,
    connections,
    options: configOptions(options),
    contentCacheBytes: options.contentCacheBytes,
    retentionDays: options.retentionDays,
    memberId: identity.identity.memberId,
    responsibility,
    ciphers,
    checkContent: (type, text, schema) => checks.checkContent(type, text, schema),
    services: {
      count: (namespace) => countServices(naming, namespace),
      remove: (namespace) => removeServices(naming, namespace),
    },
  });
  connections.serve(configFeature(configs));

  // Storage before any port: what clients are told must be what was durable before the last stop.
  const machine = stateMachine(naming, configs);
  const groupLinks = new GroupLinks(clock, (id) => identity.identity.peers[id]);
  const group =
    directory === undefined || lock === undefined
      ? undefined
      : await GroupLog.open({
          clock,
          log,
          directory,
          lock,
          machine,
          identity,
          peers: groupLinks,
          responsibility: leads,
          holds: () => ({
            configs: configs.state.counts.items,
            namespaces: configs.state.namespaces.size,
            persistentInstances: countPersistent(naming),
          }),
          isAlone: options.mode !== "cluster" && identity.identity.joined.length === 0,
        });
  const durable = group ?? openMemoryLog({ machine });
  stops.push(() => durable.close());

  const udp = options.udpPushEnabled ? await openUdpPush({ clock }) : undefined;
  if (udp !== undefined) stops.push(() => udp.close());
  const health = newHealth();
  const healthChecks = startHealthChecks({
    clock,
    health,
    responsibility,
    setHealth: ({ target, healthy, reason }) => naming.setHealth(target, healthy, reason),
  });
  stops.push(() => healthChecks.close());
  const member = await openMember(
    {
      clock,
      startedAt,
      log,
      options,
      directory,
      identity,
      naming,
      connections,
      durable,
      group: group && { log: group, links: groupLinks },
      readiness,
      listeners: listenersAt({ configs, connections }),
      held: () => ({ configs: configs.state.counts.items, namespaces: configs.state.namespaces.size }),
      load,
      address,
      stop: order,
    },
    stops,
  );
  const { cluster } = member;
  const writes =
    group ??
    onlyAlone(durable, {
      others: () => cluster.others,
      held: () => cluster.members.feed({ type: "dataHeld" }),
    });
  configs.attach({ durable: writes, store: durable.configs });
  naming.attach({
    durable: writes,
    health: healthChecks,
    responsibility,
    forward: (event) => cluster.forward(event),
    ...(udp === undefined ? {} : { udp }),
  });
  if (options.cmdbLabelsFile !== undefined) {
    const labels = await openCmdbFile(options.cmdbLabelsFile, {
      onLoaded: (byIp) => naming.submit({ type: "labels", byIp }),
      onProblem: (problem) => log.warn(problem, "the file of address labels has a problem"),
    });
    stops.push(() => labels.close());
  }

  const watch = watchProcess(clock);
  stops.push(() => watch.close());
  const switches = () => naming.state.switches;
  const stateOf = { readiness, switches };
  const httpSetup: HttpServerSetup = {
    ...httpOptions(options),
    ...stateOf,
    clock,
    log,
    namespaceRefused,
    // What probes ask is there at once; the rest is read by the first call, of which many servers get none.
    routes: stateRoutes({
      ...stateOf,
      facts: () => ({ version: VERSION, port, mode: options.mode }),
      exposed: options.actuatorExposure,
    }),
    furtherRoutes: lazy(async () => {
      const { httpApi } = await import("./http-api.ts");
      return httpApi({
        clock,
        identity,
        naming,
        configs,
        connections,
        durable,
        group,
        member,
        health,
        udp,
        process: watch,
        requests: () => http.requests,
        leads: () => responsibility.isResponsible(),
        ...stateOf,
        status: () => statusOf(stateOf),
        load,
        setLogLevel: levelSetter(log),
        exposed: options.actuatorExposure,
        discovery: options.prometheusSd,
        readYaml: (text) => checks.readYaml(text),
        contentBytesMax: options.contentBytesMax,
      });
    }),
  };
  const http = createHttpServer(httpSetup);
  // The ports open before this member is ready: probes are to read the reason instead of meeting a refused connection.
  await http.listen({ port, host: options.bindAddress });
  stops.push((graceMs) => http.close(graceMs));
  const clusterPort = await member.listen();
  connections.start();
  stops.push(() => connections.stop());
  const grpc = await createGrpcTransport(
    options.grpcEngine,
    await grpcOptions(options, options.grpcPort ?? port + GRPC_OFFSET),
    connections.port("sdk"),
    clock,
  );
  const grpcPort = await grpc.listen();
  if (options.tlsEnabled) {
    const { tlsCertFile, tlsKeyFile, tlsCaFile } = options;
    stops.push(renewOnChange(grpc, [tlsCertFile, tlsKeyFile, tlsCaFile], () => tlsOptions(options), log));
  }
  stops.push((graceMs) => grpc.close(graceMs));
  const consolePort = await openConsolePort(
    { port: consolePortOf(options), host: options.bindAddress },
    httpSetup,
    log,
  );
  if (consolePort !== undefined) stops.push((graceMs) => consolePort.close(graceMs));

  await member.start();
  const { memberId, clusterId } = identity.identity;
  log.info({ httpPort: port, grpcPort, clusterPort, memberId, clusterId }, "started");

  let stopping: Promise<void> | undefined;
  async function stop(graceMs: number, forever = false): Promise<void> {
    const until = clock.now() + graceMs;
    const inGroup = group && { clock, log, group, self: memberId };
    readiness.leaving();
    http.leave();
    consolePort?.leave();
    const idleUntil = clock.now() + (cluster.hasOthersUp ? IDLE_MS : 0);
    await leave(
      { clock, cluster, connections, naming, group: inGroup, forever },
      Math.min(until - LAST_MS, clock.now() + options.drainMs),
    );
    // What is under way is answered as before; whoever comes now is refused, and goes to another member.
    const idleMs = Math.max(0, Math.min(idleUntil, until - LAST_MS) - clock.now());
    await http.retire(idleMs, idleMs + Math.min(RETIRE_MS, Math.max(0, until - clock.now())));
    if (forever && inGroup !== undefined) await leaveGroup(inGroup, until - LAST_MS);
    readiness.stopping();
    // Before any connection ends: the clients of this member are not to see the lists shrink with them.
    naming.stop();
    configs.stop();
    cluster.freeze();
    const failures = await endAll(stops, () => Math.max(0, until - clock.now()));
    for (const err of failures) log.error({ err }, "a part of the server could not be closed in order");
    log.flush();
    if (failures.length > 0) throw failures[0];
  }
  /** The answer to the order leaves first. */
  function order(forever: boolean): void {
    const what = forever ? "to leave the cluster" : "to stop";
    log.info({ forever }, `an operator ordered this member ${what}`);
    clock.schedule(ORDER_MS, () => {
      stopping ??= stop(options.stopGraceMs, forever);
      stopping.catch((err: unknown) => log.error({ err }, "the stop that was ordered failed"));
      ordered.resolve(`an operator ordered it ${what}`);
    });
  }

  return {
    httpPort: port,
    grpcPort,
    consolePort: consolePort?.port,
    url: `http://${localHost(options)}:${port}${options.contextPath}`,
    ready: () => readiness.ready(),
    stopOrdered: ordered.promise,
    stop(graceMs = options.stopGraceMs) {
      stopping ??= stop(graceMs);
      return stopping;
    },
  };
}

/** Ends all parts, the last one first. What fails keeps nothing else from ending. @returns what failed. */
export async function endAll(stops: readonly Stop[], graceMs: () => number): Promise<unknown[]> {
  const failures: unknown[] = [];
  for (const stop of stops.toReversed())
    try {
      await stop(graceMs());
    } catch (thrown) {
      failures.push(thrown);
    }
  return failures;
}
