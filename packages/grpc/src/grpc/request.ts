import type { Head } from "../http2/head.ts";
import type { Method, Methods } from "./call.ts";
import { Metadata } from "./metadata.ts";
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
  /** A field of gRPC that breaks its rule. */
  readonly wrong: string | undefined;
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

export function requestOf(head: Head, methods: Methods): Request {
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
  return {
    path: head.path,
    method: Object.hasOwn(methods, head.path) ? methods[head.path] : undefined,
    metadata,
    timeoutMs: ms ?? Number.POSITIVE_INFINITY,
    encoding: own.get("grpc-encoding") ?? "identity",
    acceptsGzip: ACCEPTS_GZIP.test(own.get("grpc-accept-encoding") ?? ""),
    refused: refusal(head.method, own.get("content-type")),
    wrong:
      ms === undefined ? `grpc-timeout '${timeout}' is not up to eight digits and one of H, M, S, m, u, n` : undefined,
    bytes: head.listBytes,
    calls: 0,
  };
}

function refusal(method: string, contentType: string | undefined): Request["refused"] {
  if (method !== "POST") return [405, "This port serves gRPC, which calls methods by POST.\n"];
  // `application/grpc` alone, with a message format behind a plus, or with parameters.
  if (contentType !== undefined && /^application\/grpc($|[+;])/.test(contentType)) return undefined;
  return [415, "This port serves gRPC; the content type of a call is application/grpc.\n"];
}
