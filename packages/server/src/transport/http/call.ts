import type { IncomingHttpHeaders } from "node:http";
import { RegistryError } from "@nacre/protocol";
import { ownText } from "./own-text.ts";

/** What callers say about themselves is kept with their instances and in the journal: no more than a name takes. */
const ADDRESS_LENGTH_MAX = 128;
const NAME_LENGTH_MAX = 256;

const NO_BODY = new Uint8Array();
const NO_FILES: CallParts["files"] = new Map();

/** What a handler knows of a request besides its parameters. */
export interface Call {
  readonly method: string;
  /** Below the context path, as requested. */
  readonly path: string;
  /** With the context path if it was there, without the query: for error objects, which show it. */
  readonly uri: string;
  /** Who asks, by its own account or that of a proxy in front: `X-Forwarded-For`, `X-Real-IP`, then the socket. */
  readonly sourceIp: string;
  /** `User-Agent`, or `Client-Version` when there is none; blank when neither is. */
  readonly agent: string;
  /** `Client-AppName` or the parameter `app`; blank when unknown. */
  readonly app: string;
  /** The body as it came; empty when there is none. */
  readonly body: Uint8Array;
  /**
   * Aborted when waiting makes no sense any more: the caller has gone, or the port closes and wants its answer now.
   * Made when it is first read, so only calls that wait pay for it.
   */
  readonly cut: AbortSignal;
  /** A file of a `multipart/form-data` body by the name of its part. */
  file(name: string): Uint8Array | undefined;
  /** A header by its lower-case name; the first value where it is repeated. */
  header(name: string): string | undefined;
  /** A `:name` of the route's path. @throws Error for a name that the path does not have. */
  segment(name: string): string;
  /** The body as JSON of whatever shape. @throws RegistryError `badRequest`. */
  json(): unknown;
  /** Lets go of the body and its files: a call that waits for minutes would keep megabytes. */
  release(): void;
}

/** What the server knows of a request when its handler is called. */
export interface CallParts extends Pick<Call, "method" | "path" | "uri" | "sourceIp" | "agent" | "app" | "body"> {
  readonly headers: IncomingHttpHeaders;
  readonly segments: Readonly<Record<string, string | undefined>>;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly cut: () => AbortSignal;
}

/**
 * A class because of its getters: an object that is written with one gets a hidden class of its own, which holds on to
 * everything about the request until the next collection of the whole heap. Handlers may take single functions out of it.
 */
export class HttpCall implements Call {
  readonly method: string;
  readonly path: string;
  readonly uri: string;
  readonly sourceIp: string;
  readonly agent: string;
  readonly app: string;
  readonly file: Call["file"];
  readonly header: Call["header"];
  readonly segment: Call["segment"];
  readonly json: Call["json"];
  #body: Uint8Array;
  #files: CallParts["files"];
  readonly #makeCut: () => AbortSignal;
  #cut: AbortSignal | undefined;

  constructor({ method, path, uri, sourceIp, agent, app, body, headers, segments, files, cut }: CallParts) {
    this.method = method;
    this.path = path;
    this.uri = uri;
    this.sourceIp = sourceIp;
    this.agent = agent;
    this.app = app;
    this.#body = body;
    this.#files = files;
    this.file = (name) => this.#files.get(name);
    this.header = (name) => headerOf(headers, name);
    this.segment = (name) => {
      const value = segments[name];
      if (value === undefined) throw new Error(`the path of this route has no :${name}`);
      return value;
    };
    this.json = () => jsonOf(this.#body);
    this.#makeCut = cut;
  }

  get body(): Uint8Array {
    return this.#body;
  }

  release(): void {
    this.#body = NO_BODY;
    this.#files = NO_FILES;
  }

  get cut(): AbortSignal {
    this.#cut ??= this.#makeCut();
    return this.#cut;
  }
}

export function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

export function sourceIpOf(headers: IncomingHttpHeaders, remoteAddress: string | undefined): string {
  const forwarded = headerOf(headers, "x-forwarded-for")?.split(",")[0]?.trim();
  if (forwarded !== undefined && forwarded !== "") return ownText(forwarded, ADDRESS_LENGTH_MAX);
  const real = headerOf(headers, "x-real-ip")?.trim();
  if (real !== undefined && real !== "") return ownText(real, ADDRESS_LENGTH_MAX);
  return plainIp(remoteAddress ?? "");
}

/** An IPv4 address on a socket for both families comes with a prefix that no client knows itself by. */
function plainIp(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
}

export function agentOf(headers: IncomingHttpHeaders): string {
  const agent = headerOf(headers, "user-agent")?.trim() || headerOf(headers, "client-version")?.trim() || "";
  return ownText(agent, NAME_LENGTH_MAX);
}

export function appOf(headers: IncomingHttpHeaders, parameter: string): string {
  return ownText(headerOf(headers, "client-appname") ?? parameter, NAME_LENGTH_MAX);
}

const decoder = new TextDecoder("utf-8", { fatal: true });

export function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(body)) as unknown;
  } catch (cause) {
    throw new RegistryError("badRequest", `the body must be JSON in UTF-8 (${(cause as Error).message})`, { cause });
  }
}
