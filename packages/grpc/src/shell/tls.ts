import type { ConnectionOptions, TlsOptions } from "node:tls";

/** Node's TLS, for those who use it: its 27 modules are some 5 MiB of memory that plaintext does without. */
export function nodeTls(): typeof import("node:tls") {
  return process.getBuiltinModule("node:tls");
}

export interface ServerTls {
  /** PEM text. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly passphrase?: string;
  /** PEM text of the authorities that sign client certificates. */
  readonly ca?: string | Buffer;
  /** Whether clients are asked for a certificate of `ca`, and whether one without it is let in. Default: none. */
  readonly clientCertificates?: "none" | "optional" | "required";
  /** Also accept HTTP/2 without TLS on the same port; a connection is told by its first byte. Default: false. */
  readonly plaintext?: boolean;
}

export const TLS_DEFAULTS = { clientCertificates: "none", plaintext: false } as const;

/** What Node needs. RFC 9113, section 9.2: TLS 1.2 or later, with ALPN `h2`. */
export function secureOptions(tls: ServerTls): TlsOptions {
  return {
    cert: tls.cert,
    key: tls.key,
    ...(tls.passphrase !== undefined && { passphrase: tls.passphrase }),
    ...(tls.ca !== undefined && { ca: tls.ca }),
    requestCert: (tls.clientCertificates ?? TLS_DEFAULTS.clientCertificates) !== "none",
    rejectUnauthorized: tls.clientCertificates === "required",
    ALPNProtocols: ["h2"],
    minVersion: "TLSv1.2",
  };
}

export interface ClientTls {
  /** PEM text of the authorities that may have signed the server's certificate. Default: those of the system. */
  readonly ca?: string | Buffer;
  /** PEM text: the certificate that is shown to a server that asks for one. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly passphrase?: string;
  /** The name that the server's certificate must be for. Default: the host. */
  readonly serverName?: string;
}

/** What Node needs; the server's certificate is always checked. */
export function secureClientOptions(tls: ClientTls): ConnectionOptions {
  return {
    ...(tls.ca !== undefined && { ca: tls.ca }),
    ...(tls.cert !== undefined && { cert: tls.cert }),
    ...(tls.key !== undefined && { key: tls.key }),
    ...(tls.passphrase !== undefined && { passphrase: tls.passphrase }),
    ...(tls.serverName !== undefined && { servername: tls.serverName }),
    rejectUnauthorized: true,
    ALPNProtocols: ["h2"],
    minVersion: "TLSv1.2",
  };
}
