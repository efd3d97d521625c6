import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { newHealth } from "@nacre/core/health";
import type { Command } from "@nacre/core/naming";
import type { Logger } from "pino";
import { type Clock, systemClock } from "./clock.ts";
import { Connections } from "./connections/connections.ts";
import { openLog } from "./log.ts";
import { startHealthChecks } from "./naming/checkers/runner.ts";
import { openCmdbFile } from "./naming/cmdb-file.ts";
import { Naming } from "./naming/naming.ts";
import { namingFeature } from "./naming/rpc.ts";
import { openUdpPush } from "./naming/udp.ts";
import { type Options, optionsOf } from "./options.ts";
import { Readiness } from "./readiness.ts";
import type { RunningServer } from "./running.ts";
import { openDurableLog } from "./storage/durable-log.ts";
import { openMemoryLog } from "./storage/memory-log.ts";
import type { DurableLog } from "./storage/port.ts";
import { GrpcJsTransport } from "./transport/grpc/grpc-js.ts";
import type { TlsOptions } from "./transport/grpc/transport.ts";

/** The data folder that is none: nothing outlives the process. For tests and for programs that embed a server. */
export const IN_MEMORY = ":memory:";

/** What has been started, to be stopped in reverse. */
type Stop = (graceMs: number) => Promise<void> | void;

/**
 * Starts a server in this process: storage, then cores, then transports, then the ports. What goes wrong on the way is
 * undone before the error is thrown.
 *
 * @param given options that differ from their defaults; `dataDir: IN_MEMORY` and ports 0 suit tests and embedding.
 * @throws see `StartServer`.
 */
export async function startServer(given: Partial<Options> = {}): Promise<RunningServer> {
  const options = optionsOf(given);
  const clock = systemClock;
  const log = openLog(options);
  const stops: Stop[] = [];
  try {
    return await compose(options, clock, log, stops);
  } catch (thrown) {
    for (const stop of stops.reverse()) await stop(0);
    throw thrown;
  }
}

async function compose(options: Options, clock: Clock, log: Logger, stops: Stop[]): Promise<RunningServer> {
  const readiness = new Readiness();
  const ip = options.ip ?? ownAddress();

  const connections = new Connections({
    clock,
    log,
    abilities: {
      supportPersistentInstanceByGrpc: options.abilityPersistentInstance,
      fuzzyWatch: options.abilityFuzzyWatch,
    },
    address: { ip, port: options.port },
    queuedBytesMax: options.queuedBytesMax,
    options: {
      idleMs: options.connectionIdleMs,
      probeMs: options.connectionDetectionMs,
      blockedMs: options.slowReaderMs,
      connectionsMax: options.connectionsMax,
      connectionsPerIpMax: options.connectionsPerIpMax,
    },
  });
  const naming = new Naming({
    clock,
    log,
    connections,
    pushTimeoutMs: options.pushTimeoutMs,
    incarnation: Math.floor(clock.wall() / 1000),
    options: {
      servicesMax: options.servicesMax,
      instancesMax: options.instancesMax,
      subscriptionsPerClientMax: options.subscriptionsPerClientMax,
      metadataLengthMax: options.metadataLengthMax,
      journalMax: options.journalMax,
      fuzzyPatternsMax: options.fuzzyPatternsMax,
      fuzzyMatchesMax: options.fuzzyMatchesMax,
      checkParams: options.paramCheck,
      expireInstances: options.expireInstance,
      emptyServiceMs: options.emptyServiceExpiredMs,
      expiredMetadataMs: options.expiredMetadataAgeMs,
      udpSubscriberMs: options.clientExpiredMs,
      pushRetryMs: options.pushRetryMs,
      pushPauseMaxMs: options.pushDelayMs,
      zeroThresholdProtects: options.protectionZeroFires,
    },
  });
  connections.serve(namingFeature(naming));
  stops.push(() => naming.stop());

  // Storage before any port: what clients are told must be what was durable before the last stop.
  const durable = await openLogOf(options, naming, log, clock);
  stops.push(() => durable.close());
  if (naming.state.clusterId === "")
    await durable.propose({ type: "bootstrap", clusterId: randomUUID(), memberId: randomUUID() });

  const udp = options.udpPushEnabled ? await openUdpPush({ clock }) : undefined;
  if (udp !== undefined) stops.push(() => udp.close());
  const health = startHealthChecks({
    clock,
    health: newHealth(),
    setHealth: ({ target, healthy, reason }) => naming.setHealth(target, healthy, reason),
  });
  stops.push(() => health.close());
  naming.attach({ durable, health, ...(udp === undefined ? {} : { udp }) });
  if (options.cmdbLabelsFile !== undefined) {
    const labels = await openCmdbFile(options.cmdbLabelsFile, {
      onLoaded: (byIp) => naming.submit({ type: "labels", byIp }),
      onProblem: (problem) => log.warn(problem, "the file of address labels has a problem"),
    });
    stops.push(() => labels.close());
  }

  connections.start();
  stops.push(() => connections.stop());
  const grpc = new GrpcJsTransport(
    {
      host: options.bindAddress,
      port: options.grpcPort ?? (options.port === 0 ? 0 : options.port + 1000),
      messageBytesMax: options.grpcMessageBytesMax,
      queuedBytesMax: options.queuedBytesMax,
      connectionsMax: options.connectionsMax,
      ...(options.tlsEnabled ? { tls: await tlsOf(options) } : {}),
    },
    connections.port("sdk"),
    clock,
  );
  const grpcPort = await grpc.listen();
  stops.push((graceMs) => grpc.close(graceMs));

  connections.ready();
  readiness.up();
  log.info({ grpcPort, memberId: naming.state.self.memberId, clusterId: naming.state.clusterId }, "ready");

  let stopping: Promise<void> | undefined;
  const stop = async (graceMs: number): Promise<void> => {
    readiness.stopping();
    for (const end of stops.reverse()) await end(graceMs);
    log.flush();
  };
  return {
    httpPort: 0,
    grpcPort,
    url: "",
    ready: () => readiness.ready(),
    stop(graceMs = options.stopGraceMs) {
      stopping ??= stop(graceMs);
      return stopping;
    },
  };
}

async function openLogOf(
  options: Options,
  naming: Naming,
  log: Logger,
  clock: Clock,
): Promise<DurableLog<Command, undefined>> {
  const common = { machine: naming.machine, wallClock: () => clock.wall() };
  if (options.dataDir === IN_MEMORY) return openMemoryLog(common);
  return openDurableLog({ ...common, directory: options.dataDir, logger: log });
}

async function tlsOf(options: Options): Promise<TlsOptions> {
  const [cert, key, ca] = await Promise.all(
    [options.tlsCertFile, options.tlsKeyFile, options.tlsCaFile].map((path) =>
      path === undefined ? "" : readFile(path, "utf8"),
    ),
  );
  return {
    cert: cert ?? "",
    key: key ?? "",
    ...(ca === undefined || ca === "" ? {} : { ca }),
    mutual: options.tlsMutual,
    plaintext: options.tlsPlaintext,
  };
}

/** The first address of an interface that is up and not the loopback; the loopback on a machine without one. */
function ownAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((held) => held ?? []);
  return addresses.find(({ internal, family }) => !internal && family === "IPv4")?.address ?? "127.0.0.1";
}
