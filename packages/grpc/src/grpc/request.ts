import type { Head } from "../http2/head.ts";
import { trailersOnly } from "./blocks.ts";
import type { Method, Methods } from "./call.ts";
import { Metadata } from "./metadata.ts";
import { Status } from "./status.ts";
import { timeoutMs } from "./timeout.ts";

/** What the head of a call says, read once for all calls that repeat it. */
export interface Request {
  readonly path: string;
  readonly method: Method | undefined;
  readonly metadata: Metadata;
  /** Infinity when the client set none. */
  readonly timeoutMs: number;
  /** The encoding of its compressed messages. */
  readonly encoding: string;
  readonly acceptsGzip: boolean;
  /** Why it is no gRPC call: the HTTP status and a sentence. */
  readonly refused: readonly [status: 405 | 415, text: string] | undefined;
  /** The answer of a call that cannot be served. Encoded once: thousands of calls may come in one read and repeat it. */
  readonly refusal: Buffer | undefined;
  /** About what it takes in memory: HTTP/2 counts fields much as they weigh. */
  readonly bytes: number;
  /** Open calls that share it. */
  calls: number;
}

/** Fields that are gRPC's own and no metadata. */
const OWN = new Set([
  "content-type",
  "te",
  "grpc-timeout",
  "grpc-encoding",
  "grpc-accept-encoding",
  "grpc-message-type",
]);

/** One pass over the list, whatever it holds: thousands of blanks come as one octet that refers to a table. */
const ACCEPTS_GZIP = /(?:^|[\s,])gzip(?:[\s,]|$)/;

/** Of what a client sent, so much is sent back: a head of a few octets may refer to thousands of characters. */
const SHOWN_CHARS_MAX = 100;

export function requestOf(head: Head, methods: Methods, gzip: boolean): Request {
  const metadata = new Metadata();
  const own = new Map<string, string>();
  for (let at = 0; at < head.fields.length; at += 2) {
    const name = head.fields[at] as string;
    const value = head.fields[at + 1] as string;
    if (OWN.has(name)) own.set(name, value);
    else metadata.received(name, value);
  }
  const timeout = own.get("grpc-timeout");
  const ms = timeout === undefined ? Number.POSITIVE_INFINITY : timeoutMs(timeout);
  const method = Object.hasOwn(methods, head.path) ? methods[head.path] : undefined;
  const wrong =
    ms === undefined ? badTimeout(timeout as string) : method === undefined ? noMethod(head.path) : undefined;
  return {
    path: head.path,
    method,
    metadata,
    timeoutMs: ms ?? Number.POSITIVE_INFINITY,
    encoding: own.get("grpc-encoding") ?? "identity",
    acceptsGzip: ACCEPTS_GZIP.test(own.get("grpc-accept-encoding") ?? ""),
    refused: httpRefusal(head.method, own.get("content-type")),
    refusal: wrong === undefined ? undefined : trailersOnly(...wrong, undefined, gzip),
    bytes: head.listBytes,
    calls: 0,
  };
}

type Fault = readonly [status: Status, text: string];

function badTimeout(text: string): Fault {
  return [Status.INTERNAL, `grpc-timeout '${shown(text)}' is not up to eight digits and one of H, M, S, m, u, n`];
}

function noMethod(path: string): Fault {
  return [Status.UNIMPLEMENTED, `there is no method ${shown(path)}`];
}

function shown(text: string): string {
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}...`;
}

function httpRefusal(method: string, contentType: string | undefined): Request["refused"] {
  if (method !== "POST") return [405, "This port serves gRPC, which calls methods by POST.\n"];
  // `application/grpc` alone, with a message format behind a plus, or with parameters.
  if (contentType !== undefined && /^application\/grpc($|[+;])/.test(contentType)) return undefined;
  return [415, "This port serves gRPC; the content type of a call is application/grpc.\n"];
}
