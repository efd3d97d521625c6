import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import type { DistroOptions } from "@nacre/core/distro";
import type { MembershipOptions } from "@nacre/core/membership";
import { nodeCrypto } from "../node-crypto.ts";
import { OPTIONS, type Options } from "../options.ts";
import { StartError } from "../running.ts";
import type { LinkTls } from "./links/types.ts";
import type { AddressRules } from "./lookup/local-addresses.ts";
import type { LookupSetup } from "./lookup/types.ts";

/** The options of a member in the words of the cluster's parts. */

/** How long what was not taken over stays after the grace: with the 15 s of the default, 41 s after the loss was found. */
const EXPIRY_AFTER_GRACE_MS = 26_000;
const PROBE_MAX_MS = 5000;
const TOMBSTONE_MIN_MS = 360_000;

export function membershipOptions({ downMs, forgetMs }: Options): Partial<MembershipOptions> {
  return { downMs, forgetMs };
}

export function distroOptions(options: Options): Partial<DistroOptions> {
  const { distroBatchMs, distroDigestMs, distroLoadMaxMs, distroGraceMs, clientExpiredMs } = options;
  const expiryMs = distroGraceMs + EXPIRY_AFTER_GRACE_MS;
  return {
    batchMs: distroBatchMs,
    digestMs: distroDigestMs,
    loadMaxMs: distroLoadMaxMs,
    graceMs: distroGraceMs,
    probeMs: Math.min(PROBE_MAX_MS, Math.floor(distroGraceMs / 3)),
    expiryMs,
    // Twice the longest time for which anything of a client may still be on its way.
    tombstoneMs: Math.max(TOMBSTONE_MIN_MS, 2 * clientExpiredMs, 2 * expiryMs),
  };
}

/** Where the list of members comes from; only for a member of a cluster. */
export function lookupOptions(options: Options): Pick<LookupSetup, "type" | "file" | "memberList" | "addressServer"> {
  const { lookupType, clusterFile, memberList, addressServerDomain, addressServerPort, addressServerPath } = options;
  return {
    type: lookupType,
    file: clusterFile,
    memberList,
    addressServer:
      addressServerDomain === undefined
        ? undefined
        : {
            host: addressServerDomain,
            port: addressServerPort,
            path: addressServerPath ?? `${options.contextPath}/serverlist`,
            tries: options.addressServerTries,
          },
  };
}

export function addressRules(options: Options): AddressRules {
  const { bindAddress, preferredNetworks, ignoredInterfaces, siteLocalOnly } = options;
  return { bindAddress, preferredNetworks, ignoredInterfaces, siteLocalOnly };
}

/** What an operator says this member's host is; undefined leaves it to the list and the machine's addresses. */
export function ownHost({ ip, preferHostname }: Options): string | undefined {
  return ip ?? (preferHostname ? hostname().toLowerCase() : undefined);
}

/** What members show each other of the secret that they share: equal for equal secrets, and no way back to them. */
export function fingerprintOf({ identityKey, identityValue }: Options): string {
  // JSON keeps key and value apart: ("ab", "c") is another secret than ("a", "bc").
  return nodeCrypto()
    .createHash("sha256")
    .update(JSON.stringify([identityKey, identityValue]))
    .digest("hex");
}

/**
 * Reads the certificates for links; undefined without TLS between members.
 *
 * @throws StartError for certificates that cannot be used, the system's error for files that cannot be read.
 */
export async function linkTls(options: Options): Promise<LinkTls | undefined> {
  const { peerTlsEnabled, peerTlsCertFile, peerTlsKeyFile, peerTlsCaFile, peerTlsMutual, peerTlsPlaintext } = options;
  if (!peerTlsEnabled) return undefined;
  const read = (path: string | undefined) => (path === undefined ? undefined : readFile(path, "utf8"));
  const [cert = "", key = "", caText] = await Promise.all([
    read(peerTlsCertFile),
    read(peerTlsKeyFile),
    read(peerTlsCaFile),
  ]);
  const ca = caText === undefined ? {} : { ca: caText };
  try {
    process.getBuiltinModule("node:tls").createSecureContext({ cert, key, ...ca });
  } catch (cause) {
    const files = [peerTlsCertFile, peerTlsKeyFile, peerTlsCaFile].filter((path) => path !== undefined).join(", ");
    const names = `${OPTIONS.peerTlsCertFile.name} and ${OPTIONS.peerTlsKeyFile.name}`;
    const text = `TLS between members cannot use ${files}: ${(cause as Error).message}; correct ${names}, whose files belong together.`;
    throw new StartError(text, { cause });
  }
  const clientCertificates = peerTlsMutual ? "required" : "none";
  return {
    server: { cert, key, ...ca, clientCertificates, plaintext: peerTlsPlaintext },
    client: { cert, key, ...ca },
  };
}
