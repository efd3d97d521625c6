import { parseMemberList } from "@nacre/core/membership";
import { OptionError, type Value } from "./option.ts";
import { MAIN_PORT_MAX } from "./rows/process.ts";
import { OPTIONS, type OptionKey, type Options, ROWS } from "./table.ts";
import { readValue, textOf } from "./value.ts";

export const defaultOptions: Options = checkedTogether({});

/**
 * Complete options from some of them, for programs that embed a server and for tests.
 *
 * @throws OptionError for a value that its option does not allow.
 */
export function optionsOf(some: Partial<Options> = {}): Options {
  const given: Partial<Record<OptionKey, Value>> = {};
  for (const [key, value] of Object.entries(some)) {
    if (!Object.hasOwn(OPTIONS, key)) throw new OptionError(`${key} is no option; the names are those of OPTIONS.`);
    const option = OPTIONS[key as OptionKey];
    if (value !== undefined) given[key as OptionKey] = readValue(option, textOf(option, value), "given to startServer");
  }
  return checkedTogether(given);
}

/** Adds the defaults and checks what only several values together can get wrong. */
export function checkedTogether(given: Partial<Record<OptionKey, Value>>): Options {
  const options = Object.freeze(
    Object.fromEntries(ROWS.map(([key, option]) => [key, given[key] ?? option.default])),
  ) as Options;
  if (options.grpcPort === undefined && options.port > MAIN_PORT_MAX) {
    throw new OptionError(
      `${OPTIONS.port.name} is ${options.port}, but SDKs look for gRPC at this plus 1000, ` +
        `so it must be at most ${MAIN_PORT_MAX}.`,
    );
  }
  for (const key of ["preferredNetworks", "ignoredInterfaces"] as const) checkPatterns(key, options[key]);
  if (options.clusterPortOpen) checkClusterPort(options);
  if (options.mode === "cluster") checkCluster(options);
  if (options.tlsEnabled && (options.tlsCertFile === undefined || options.tlsKeyFile === undefined)) {
    throw new OptionError(
      `${OPTIONS.tlsEnabled.name} is true, but TLS also needs ${OPTIONS.tlsCertFile.name} and ${OPTIONS.tlsKeyFile.name}.`,
    );
  }
  if (options.tlsEnabled && options.tlsMutual && options.tlsCaFile === undefined) {
    throw new OptionError(
      `${OPTIONS.tlsMutual.name} is true, but checking client certificates also needs ${OPTIONS.tlsCaFile.name}.`,
    );
  }
  return options;
}

function checkPatterns(key: "preferredNetworks" | "ignoredInterfaces", patterns: readonly string[]): void {
  for (const pattern of patterns) {
    try {
      new RegExp(`^(?:${pattern})$`);
    } catch {
      throw new OptionError(
        `${OPTIONS[key].name} names ${JSON.stringify(pattern)}, which is no regular expression; correct it.`,
      );
    }
  }
}

function checkClusterPort(options: Options): void {
  const { port, grpcPort, clusterPortOffset: offset } = options;
  if (port !== 0 && port + offset > 65_535)
    throw new OptionError(
      `${OPTIONS.port.name} is ${port}, but members connect to it plus ${offset} (${OPTIONS.clusterPortOffset.name}), ` +
        `so it must be at most ${65_535 - offset}.`,
    );
  if (offset === (grpcPort === undefined ? 1000 : grpcPort - port))
    throw new OptionError(
      `${OPTIONS.clusterPortOffset.name} is ${offset}, but that is the gRPC port of SDKs; choose another one, such as 1001.`,
    );
}

function checkCluster(options: Options): void {
  checkMemberList(options);
  if (options.lookupType === "address-server" && options.addressServerDomain === undefined)
    throw new OptionError(
      `${OPTIONS.lookupType.name} is address-server, but which one is not said; set ${OPTIONS.addressServerDomain.name}.`,
    );
  if (options.peerTlsEnabled && (options.peerTlsCertFile === undefined || options.peerTlsKeyFile === undefined))
    throw new OptionError(
      `${OPTIONS.peerTlsEnabled.name} is true, but TLS between members also needs ${OPTIONS.peerTlsCertFile.name} and ` +
        `${OPTIONS.peerTlsKeyFile.name}.`,
    );
  if (options.peerTlsEnabled && options.peerTlsMutual && options.peerTlsCaFile === undefined)
    throw new OptionError(
      `${OPTIONS.peerTlsMutual.name} is true, but checking members' certificates also needs ` +
        `${OPTIONS.peerTlsCaFile.name}.`,
    );
}

/** One entry among others costs nothing but itself. A list that names nobody would start a cluster of one that is ready. */
function checkMemberList({ memberList, port }: Options): void {
  const { entries, badLines } = parseMemberList(memberList.join("\n"), port);
  const [bad] = badLines;
  if (entries.length === 0 && bad !== undefined)
    throw new OptionError(`${OPTIONS.memberList.name} names no member: ${JSON.stringify(bad.text)}: ${bad.rule}.`);
}
