import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

export interface Certificate {
  /** PEM text. */
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  /** A certificate for `localhost` and 127.0.0.1, for either side of a connection. */
  issue(name: string): Certificate;
}

const OID = {
  commonName: "0603550403",
  ecdsaWithSha256: "06082a8648ce3d040302",
  basicConstraints: "0603551d13",
  subjectAltName: "0603551d11",
} as const;

/** A certificate authority made on the spot, so that no key lies in the repository and none expires. */
export function newAuthority(): Authority {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const authority = "Test authority";
  const asCa = der(0x30, hex(OID.basicConstraints), hex("0101ff"), der(0x04, der(0x30, hex("0101ff"))));
  return {
    ...certificate(authority, privateKey, authority, privateKey, asCa),
    issue(name) {
      const own = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
      const names = der(0x30, der(0x82, Buffer.from("localhost")), der(0x87, Buffer.from([127, 0, 0, 1])));
      const extension = der(0x30, hex(OID.subjectAltName), der(0x04, names));
      return certificate(name, own, authority, privateKey, extension);
    },
  };
}

function certificate(name: string, own: KeyObject, issuer: string, by: KeyObject, extension: Buffer): Certificate {
  const algorithm = der(0x30, hex(OID.ecdsaWithSha256));
  const day = 86_400_000;
  const body = der(
    0x30,
    der(0xa0, hex("020102")),
    der(0x02, Buffer.concat([Buffer.from([0x01]), randomBytes(8)])),
    algorithm,
    distinguished(issuer),
    der(0x30, time(Date.now() - day), time(Date.now() + day)),
    distinguished(name),
    createPublicKey(own).export({ type: "spki", format: "der" }),
    der(0xa3, der(0x30, extension)),
  );
  const signature = der(0x03, Buffer.from([0]), sign("sha256", body, by));
  return {
    cert: pem("CERTIFICATE", der(0x30, body, algorithm, signature)),
    key: own.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function distinguished(name: string): Buffer {
  return der(0x30, der(0x31, der(0x30, hex(OID.commonName), der(0x0c, Buffer.from(name)))));
}

function time(at: number): Buffer {
  return der(0x17, Buffer.from(`${new Date(at).toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`));
}

function hex(text: string): Buffer {
  return Buffer.from(text, "hex");
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
