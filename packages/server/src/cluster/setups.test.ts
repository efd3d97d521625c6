import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { DEFAULT_DISTRO_OPTIONS } from "@nacre/core/distro";
import { MEMBERSHIP_DEFAULTS } from "@nacre/core/membership";
import { newAuthority } from "@nacre/testkit/certificates";
import { defaultOptions, optionsOf } from "../options.ts";
import { memberIp } from "../setups.ts";
import { distroOptions, fingerprintOf, linkTls, lookupOptions, membershipOptions, ownHost } from "./setups.ts";

describe("the options of a cluster", () => {
  test("say by default what the cores say", () => {
    assert.deepEqual({ ...DEFAULT_DISTRO_OPTIONS, ...distroOptions(defaultOptions) }, DEFAULT_DISTRO_OPTIONS);
    assert.deepEqual({ ...MEMBERSHIP_DEFAULTS, ...membershipOptions(defaultOptions) }, MEMBERSHIP_DEFAULTS);
  });

  test("move the times that follow from the grace with it", () => {
    const long = distroOptions(optionsOf({ distroGraceMs: 600_000 }));
    assert.deepEqual([long.probeMs, long.expiryMs, long.tombstoneMs], [5000, 626_000, 1_252_000]);
    const short = distroOptions(optionsOf({ distroGraceMs: 1000 }));
    assert.deepEqual([short.probeMs, short.expiryMs, short.tombstoneMs], [333, 27_000, 360_000]);
    const patient = distroOptions(optionsOf({ clientExpiredMs: 3_600_000 }));
    assert.equal(patient.tombstoneMs, 7_200_000, "twice the longest expiry");
  });

  test("look for the address server where Nacos does, under the context path", () => {
    assert.equal(lookupOptions(defaultOptions).addressServer, undefined);
    assert.deepEqual(lookupOptions(optionsOf({ addressServerDomain: "lists", contextPath: "/reg" })).addressServer, {
      host: "lists",
      port: 8080,
      path: "/reg/serverlist",
      tries: 5,
    });
    assert.equal(
      lookupOptions(optionsOf({ addressServerDomain: "lists", addressServerPath: "/m" })).addressServer?.path,
      "/m",
    );
  });

  test("know a member by what the operator says, else by the machine's name if that is preferred", () => {
    assert.equal(ownHost(defaultOptions), undefined);
    assert.equal(ownHost(optionsOf({ preferHostname: true })), hostname().toLowerCase());
    assert.equal(ownHost(optionsOf({ preferHostname: true, ip: "10.0.0.1" })), "10.0.0.1");
    assert.equal(memberIp(optionsOf({ bindAddress: "127.0.0.1" })), "127.0.0.1");
  });
});

describe("the fingerprint of the secret that members share", () => {
  const of = (identityKey: string, identityValue: string) => fingerprintOf(optionsOf({ identityKey, identityValue }));

  test("is equal for equal secrets only", () => {
    assert.equal(of("a", "b"), of("a", "b"));
    const all = [of("", ""), of("a", ""), of("", "a"), of("ab", "c"), of("a", "bc")];
    assert.equal(new Set(all).size, all.length);
  });

  test("does not hold the secret", () => {
    assert.match(of("key", "secret"), /^[0-9a-f]{64}$/);
  });
});

describe("TLS between members", () => {
  test("is off unless it is switched on", async () => {
    assert.equal(await linkTls(defaultOptions), undefined);
  });

  test("shows and checks what the files hold", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "nacre-peer-tls-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const authority = newAuthority();
    const { cert, key } = authority.issue("member");
    const [peerTlsCertFile, peerTlsKeyFile, peerTlsCaFile] = ["cert", "key", "ca"].map((name) => join(folder, name));
    for (const [path = "", text] of [
      [peerTlsCertFile, cert],
      [peerTlsKeyFile, key],
      [peerTlsCaFile, authority.cert],
    ] as const)
      await writeFile(path, text);
    const given = { peerTlsEnabled: true, peerTlsCertFile, peerTlsKeyFile, peerTlsCaFile };
    const tls = { cert, key, ca: authority.cert };
    assert.deepEqual(await linkTls(optionsOf(given)), {
      server: { ...tls, clientCertificates: "none", plaintext: true },
      client: tls,
    });
    const strict = await linkTls(optionsOf({ ...given, peerTlsMutual: true, peerTlsPlaintext: false }));
    assert.deepEqual(strict?.server, { ...tls, clientCertificates: "required", plaintext: false });
  });

  test("with files that hold no certificate ends the start with a sentence that names them", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "nacre-peer-tls-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const peerTlsCertFile = join(folder, "cert.pem");
    const peerTlsKeyFile = join(folder, "key.pem");
    await Promise.all([peerTlsCertFile, peerTlsKeyFile].map((path) => writeFile(path, "none")));
    await assert.rejects(linkTls(optionsOf({ peerTlsEnabled: true, peerTlsCertFile, peerTlsKeyFile })), {
      name: "StartError",
      message: /^TLS between members cannot use .*cert\.pem, .*key\.pem: .*; correct nacos\.remote\.peer\.rpc\.tls/,
    });
  });
});
