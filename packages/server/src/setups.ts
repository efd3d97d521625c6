import { readFile } from "node:fs/promises";
import type { ConfigOptions } from "@nacre/core/config";
import type { ConnectionOptions } from "@nacre/core/connections";
import type { NamingOptions } from "@nacre/core/naming";
import { localAddresses } from "./cluster/lookup/local-addresses.ts";
import { addressRules, ownHost } from "./cluster/setups.ts";
import { OPTIONS, type Options } from "./options.ts";
import { StartError } from "./running.ts";
import type { TlsOptions, TransportOptions } from "./transport/grpc/transport.ts";
import type { HttpServerSetup } from "./transport/http/http-server.ts";

/** The options of the server in the words of its parts. */

export function connectionOptions(options: Options): Partial<ConnectionOptions> {
  return {
    idleMs: options.connectionIdleMs,
    probeMs: options.connectionDetectionMs,
    blockedMs: options.slowReaderMs,
    connectionsMax: options.connectionsMax,
    connectionsPerIpMax: options.connectionsPerIpMax,
  };
}

export function namingOptions(options: Options): Partial<NamingOptions> {
  return {
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
    udpSubscriptionsMax: options.udpSubscriptionsMax,
    pushRetryMs: options.pushRetryMs,
    pushPauseMaxMs: options.pushDelayMs,
    zeroThresholdProtects: options.protectionZeroFires,
  };
}

export function configOptions(options: Options): Partial<ConfigOptions> {
  return {
    configsMax: options.configsMax,
    contentBytesMax: options.contentBytesMax,
    grayVersionsMax: options.grayVersionsMax,
    namespacesMax: options.namespacesMax,
    listenersPerClientMax: options.listenersPerClientMax,
    listenersMax: options.listenersMax,
    pollsMax: options.pollsMax,
    pollLinesMax: options.pollLinesMax,
    notifyAttemptsMax: options.notifyAttemptsMax,
    fuzzyPatternsMax: options.configFuzzyPatternsMax,
    fuzzyMatchesMax: options.configFuzzyMatchesMax,
    checkParams: options.paramCheck,
    enforceCapacity: options.capacityManaged && options.capacityEnforced,
    namespaceQuota: options.namespaceQuota,
    groupQuota: options.groupQuota,
    clusterQuota: options.clusterQuota,
    capacityBytesMax: options.capacityBytesMax,
  };
}

export async function grpcOptions(options: Options, port: number): Promise<TransportOptions> {
  return {
    host: options.bindAddress,
    port,
    messageBytesMax: options.grpcMessageBytesMax,
    queuedBytesMax: options.queuedBytesMax,
    connectionsMax: options.connectionsMax,
    keepAlive: { timeMs: options.grpcKeepAliveMs, timeoutMs: options.grpcKeepAliveTimeoutMs },
    ...(options.tlsEnabled ? { tls: await tlsOptions(options) } : {}),
  };
}

/** Reads the files of the certificate. */
export async function tlsOptions({
  tlsCertFile,
  tlsKeyFile,
  tlsCaFile,
  tlsMutual,
  tlsPlaintext,
}: Options): Promise<TlsOptions> {
  const read = (path: string | undefined) => (path === undefined ? undefined : readFile(path, "utf8"));
  const [cert = "", key = "", ca] = await Promise.all([read(tlsCertFile), read(tlsKeyFile), read(tlsCaFile)]);
  try {
    process.getBuiltinModule("node:tls").createSecureContext({ cert, key, ...(ca !== undefined && { ca }) });
  } catch (cause) {
    const files = [tlsCertFile, tlsKeyFile, tlsCaFile].filter((path) => path !== undefined).join(", ");
    const names = `${OPTIONS.tlsCertFile.name} and ${OPTIONS.tlsKeyFile.name}`;
    const text = `TLS cannot use ${files}: ${(cause as Error).message}; correct ${names}, whose files belong together.`;
    throw new StartError(text, { cause });
  }
  return { cert, key, ...(ca === undefined ? {} : { ca }), mutual: tlsMutual, plaintext: tlsPlaintext };
}

type HttpOptions = Omit<HttpServerSetup, "clock" | "log" | "routes" | "readiness" | "switches">;

export function httpOptions(options: Options): HttpOptions {
  return {
    contextPath: options.contextPath,
    headerBytesMax: options.httpHeaderBytesMax,
    bodyBytesMax: options.httpBodyBytesMax,
    keepAliveMs: options.httpKeepAliveMs,
    connectionsMax: options.connectionsMax,
    connectionsPerIpMax: options.connectionsPerIpMax,
    gates: {
      open: options.compatibilityClient,
      admin: options.compatibilityAdmin,
      console: options.compatibilityConsole,
    },
    checkParams: options.paramCheck,
    metadataLengthMax: options.metadataLengthMax,
  };
}

/** The address of this member while nothing else is known: as given, or the preferred one of this machine. */
export function memberIp(options: Options): string {
  return ownHost(options) ?? localAddresses(addressRules(options))[0] ?? "127.0.0.1";
}

/** What programs on this machine reach the server under: a bound address, or the loopback when it listens on all. */
export function localHost({ bindAddress }: Options): string {
  if (bindAddress === "0.0.0.0" || bindAddress === "::") return "127.0.0.1";
  return bindAddress.includes(":") ? `[${bindAddress}]` : bindAddress;
}
