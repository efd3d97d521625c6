/**
 * What applications give a server, a connection or a call, checked before anything is made of it: a wrong value found
 * later would be a socket's error without a name, or a limit that does not limit.
 */
import { isIPv6 } from "node:net";
import type { CallOptions, ClientListener, Method, Methods } from "../grpc/call.ts";
import { GRPC_LIMITS, type GrpcLimits } from "../grpc/limits.ts";
import { Metadata } from "../grpc/metadata.ts";
import type { ConnectOptions } from "./client.ts";
import type { ServerOptions } from "./server.ts";
import type { ClientTls, ServerTls } from "./tls.ts";

const PORT_MAX = 65_535;
/** Node's timers overflow above it, and windows and stream ids of HTTP/2 end there too. */
const INT32_MAX = 2 ** 31 - 1;
/** What peers may use of a window before they have read what is allowed (RFC 9113, 6.9.2). */
const WINDOW_MIN = 65_535;

/** Looks at one value. @throws TypeError that begins with its name. */
type Check = (name: string, value: unknown) => void;
/** One rule for each field, so that a new field cannot be forgotten. */
type Checks<T> = Readonly<Record<keyof T, Check>>;

const text: Check = (name, value) => {
  if (typeof value !== "string" || value === "") refuse(name, value, "must be a text that is not empty");
};
const host: Check = (name, value) => {
  text(name, value);
  if (/[\s/]/.test(value as string)) refuse(name, value, "must be a name or an address, without scheme and path");
  const hasPort = (value as string).includes(":") && !isIPv6(value as string);
  if (hasPort)
    refuse(name, value, "must be a name or an address; its port is another option, and IPv6 has no brackets");
};
const flag: Check = (name, value) => {
  if (typeof value !== "boolean") refuse(name, value, "must be true or false");
};
const callback: Check = (name, value) => {
  if (typeof value !== "function") refuse(name, value, "must be a function");
};
const windowBytes = whole(WINDOW_MIN, INT32_MAX);
const count = whole(1, INT32_MAX);
const bytes = whole(1, Number.MAX_SAFE_INTEGER);
const timeMs: Check = (name, value) => {
  if (typeof value === "number" && value >= 1 && value <= INT32_MAX) return;
  refuse(name, value, `must be milliseconds from 1 to ${INT32_MAX}`);
};
// These two never show the value: it is a secret, or may be one.
const pem: Check = (name, value) => {
  const given = typeof value === "string" || value instanceof Uint8Array;
  if (given && Buffer.from(value as string).includes("-----BEGIN")) return;
  throw new TypeError(`${name} must be the content of a PEM file, which has a line that starts with -----BEGIN`);
};
const secret: Check = (name, value) => {
  if (typeof value !== "string") throw new TypeError(`${name} must be a text`);
};

const allowance = fields<GrpcLimits["resets"]>({ burst: count, perSecond: whole(0, INT32_MAX) }, [
  "burst",
  "perSecond",
]);

const LIMIT_CHECKS: Checks<GrpcLimits> = {
  streamsMax: count,
  headerListBytesMax: count,
  headerBlockBytesMax: bytes,
  continuationsMax: whole(0, INT32_MAX),
  headerBlockMs: timeMs,
  streamWindowBytes: windowBytes,
  connectionWindowBytes: windowBytes,
  queuedBytesMax: bytes,
  streamQueuedBytes: bytes,
  stalledMs: timeMs,
  resets: allowance,
  idleFrames: allowance,
  costlyBytes: allowance,
  messageBytesMax: count,
  partialBytesMax: bytes,
  heldBytesMaxOfAll: bytes,
  partialMs: timeMs,
};

const limits = fields<GrpcLimits>(LIMIT_CHECKS, []);
const keepAlive = fields<NonNullable<ServerOptions["keepAlive"]>>({ idleMs: timeMs, timeoutMs: timeMs }, [
  "idleMs",
  "timeoutMs",
]);

const serverTls = fields<ServerTls>(
  {
    cert: pem,
    key: pem,
    passphrase: secret,
    ca: pem,
    clientCertificates: oneOf("none", "optional", "required"),
    plaintext: flag,
  },
  ["cert", "key"],
);

const clientTls = fields<ClientTls>({ ca: pem, cert: pem, key: pem, passphrase: secret, serverName: text }, []);

const SERVER = fields<ServerOptions>(
  {
    host,
    port: whole(0, PORT_MAX),
    methods,
    limits,
    connectionsMax: count,
    firstCallMs: timeMs,
    keepAlive,
    gzip: flag,
    tls: checkServerTls,
    accepts: callback,
    closed: callback,
    onError: callback,
  },
  ["port", "methods"],
);

const CONNECT = fields<ConnectOptions>(
  {
    host,
    port: whole(1, PORT_MAX),
    tls(name, value) {
      clientTls(name, value);
      const { cert, key } = value as ClientTls;
      if ((cert === undefined) !== (key === undefined)) {
        throw new TypeError(
          `${name} has ${cert === undefined ? "a key without a cert" : "a cert without a key"}; give both`,
        );
      }
    },
    limits,
    keepAlive,
    connectTimeoutMs: timeMs,
    gzip: flag,
    waitingCallsMax: whole(0, INT32_MAX),
    draining: callback,
    onError: callback,
  },
  ["host", "port"],
);

/** @throws TypeError that names the option and its rule. */
export function checkServerOptions(options: ServerOptions): void {
  SERVER("options", options);
}

/** @throws TypeError that names the option and its rule. */
export function checkConnectOptions(options: ConnectOptions): void {
  CONNECT("options", options);
}

/** Written out, because it runs for each call. @throws TypeError that names the option and its rule. */
export function checkCallOptions(options: CallOptions | undefined): void {
  if (options === undefined) return;
  const { metadata, deadlineMs } = object("options", options);
  if (metadata !== undefined && !(metadata instanceof Metadata))
    refuse("options.metadata", metadata, "must be a Metadata");
  // Zero and less are a deadline that has passed: what is left of a longer one is computed so.
  if (deadlineMs !== undefined && (typeof deadlineMs !== "number" || Number.isNaN(deadlineMs))) {
    refuse("options.deadlineMs", deadlineMs, "must be a number of milliseconds");
  }
  for (const field in options) {
    if (field === "metadata" || field === "deadlineMs") continue;
    throw new TypeError(`options.${field} does not exist; there is metadata, deadlineMs`);
  }
}

/** @throws TypeError that names the callback and its rule. */
export function checkClientListener(listener: ClientListener): void {
  const given = object("listener", listener);
  for (const name of ["message", "closed"]) callback(`listener.${name}`, given[name]);
}

/** @throws TypeError that names the field and its rule. */
export function checkServerTls(name: string, tls: unknown): void {
  serverTls(name, tls);
  const { ca, clientCertificates } = tls as ServerTls;
  if (clientCertificates === "required" && ca === undefined) {
    throw new TypeError(`${name}.ca is missing; certificates that clients show are checked against its authorities`);
  }
}

/** @throws TypeError when it is no time. */
export function checkGraceMs(graceMs: number): void {
  if (typeof graceMs !== "number" || !(graceMs >= 0)) refuse("graceMs", graceMs, "must be milliseconds from 0 upwards");
}

/** The defaults with what differs from them; an option that is there but undefined is as if it were not. */
export function limitsOf(given: Partial<GrpcLimits> = {}): GrpcLimits {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  const all: GrpcLimits = { ...GRPC_LIMITS, ...Object.fromEntries(set) };
  for (const whole of ["partialBytesMax", "heldBytesMaxOfAll"] as const) {
    if (all[whole] >= all.messageBytesMax) continue;
    const sizes = `${all[whole]} bytes, but messageBytesMax is ${all.messageBytesMax}`;
    throw new TypeError(`options.limits.${whole} is ${sizes}: the largest message could never arrive; raise it`);
  }
  return all;
}

function methods(name: string, value: unknown): void {
  for (const [path, method] of Object.entries(object(name, value) as Methods)) {
    if (!/^\/[\x21-\x7e]+$/.test(path)) {
      throw new TypeError(`${name} has '${path}', which is no path of a method; it is /package.Service/Method`);
    }
    checkMethod(`${name}['${path}']`, method);
  }
}

function checkMethod(name: string, method: Method): void {
  const { type, handle, open } = object(name, method);
  oneOf("unary", "stream")(`${name}.type`, type);
  if (type === "unary") callback(`${name}.handle`, handle);
  else callback(`${name}.open`, open);
}

/** An object with these fields alone, those needed among them. */
function fields<T>(checks: Checks<T>, needed: readonly (keyof T & string)[]): Check {
  const known = Object.keys(checks);
  return (name, value) => {
    const given = object(name, value);
    for (const field of needed) if (given[field] === undefined) throw new TypeError(`${name}.${field} is missing`);
    for (const [field, own] of Object.entries(given)) {
      // A misspelt limit would leave the default in force, and nobody would know.
      if (!known.includes(field)) throw new TypeError(`${name}.${field} does not exist; there is ${known.join(", ")}`);
      if (own !== undefined) checks[field as keyof T](`${name}.${field}`, own);
    }
  };
}

function object(name: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) refuse(name, value, "must be an object");
  return value as Readonly<Record<string, unknown>>;
}

function whole(min: number, max: number): Check {
  return (name, value) => {
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return;
    refuse(name, value, `must be a whole number from ${min} to ${max}`);
  };
}

function oneOf(...values: readonly string[]): Check {
  return (name, value) => {
    if (!values.includes(value as string)) refuse(name, value, `must be one of '${values.join("', '")}'`);
  };
}

function refuse(name: string, value: unknown, rule: string): never {
  throw new TypeError(`${name} is ${shown(value)} but ${rule}`);
}

function shown(value: unknown): string {
  if (typeof value === "string") return `'${value.slice(0, 100)}'`;
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}
