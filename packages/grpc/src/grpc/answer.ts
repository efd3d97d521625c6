import type { Head } from "../http2/head.ts";
import { ErrorCode } from "../http2/protocol.ts";
import { percentDecoded } from "./blocks.ts";
import { Metadata } from "./metadata.ts";
import { Status } from "./status.ts";

/** How a call ended, as its server says it. */
export interface Ending {
  readonly status: Status;
  readonly message: string;
  readonly trailers: Metadata;
}

/** What the head of an answer says, read once for all answers that repeat it. */
export interface Answer {
  readonly metadata: Metadata;
  /** The encoding of its compressed messages. */
  readonly encoding: string;
  /** The status, when it came without any message before it. */
  readonly ending: Ending | undefined;
  /** What a head that is not gRPC's means. */
  readonly wrong: readonly [status: Status, text: string] | undefined;
}

/** Fields that are gRPC's own and no metadata. */
const OWN = new Set([
  "content-type",
  "grpc-status",
  "grpc-message",
  "grpc-encoding",
  "grpc-accept-encoding",
  "grpc-message-type",
]);

/** Source: grpc/doc/http-grpc-status-mapping.md. Only for answers without grpc-status; all others are UNKNOWN. */
const STATUS_OF_HTTP: Readonly<Record<number, Status>> = {
  400: Status.INTERNAL,
  401: Status.UNAUTHENTICATED,
  403: Status.PERMISSION_DENIED,
  404: Status.UNIMPLEMENTED,
  429: Status.UNAVAILABLE,
  431: Status.INTERNAL,
  502: Status.UNAVAILABLE,
  503: Status.UNAVAILABLE,
  504: Status.UNAVAILABLE,
};

/** Source: grpc/doc/PROTOCOL-HTTP2.md, Errors; all others are UNKNOWN. */
const STATUS_OF_RESET: Readonly<Record<number, Status>> = {
  [ErrorCode.NO_ERROR]: Status.INTERNAL,
  [ErrorCode.PROTOCOL_ERROR]: Status.INTERNAL,
  [ErrorCode.INTERNAL_ERROR]: Status.INTERNAL,
  [ErrorCode.FLOW_CONTROL_ERROR]: Status.INTERNAL,
  [ErrorCode.SETTINGS_TIMEOUT]: Status.INTERNAL,
  [ErrorCode.FRAME_SIZE_ERROR]: Status.INTERNAL,
  [ErrorCode.REFUSED_STREAM]: Status.UNAVAILABLE,
  [ErrorCode.CANCEL]: Status.CANCELLED,
  [ErrorCode.COMPRESSION_ERROR]: Status.INTERNAL,
  [ErrorCode.CONNECT_ERROR]: Status.INTERNAL,
  [ErrorCode.ENHANCE_YOUR_CALM]: Status.RESOURCE_EXHAUSTED,
  [ErrorCode.INADEQUATE_SECURITY]: Status.PERMISSION_DENIED,
};

const CODE_NAMES = new Map<number, string>(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

export function answerOf(head: Head): Answer {
  const { own, metadata } = split(head);
  const ending = endingIn(own, metadata);
  return {
    metadata: ending === undefined ? metadata : new Metadata(),
    encoding: own.get("grpc-encoding") ?? "identity",
    ending,
    // A status is believed whatever HTTP says.
    wrong: ending === undefined ? fault(head.status, own.get("content-type")) : undefined,
  };
}

/** @returns undefined when there is no grpc-status among the trailers. */
export function endingOf(head: Head): Ending | undefined {
  const { own, metadata } = split(head);
  return endingIn(own, metadata);
}

/** What a reset by the peer means. */
export function statusOfReset(code: number): readonly [status: Status, text: string] {
  const status = STATUS_OF_RESET[code] ?? Status.UNKNOWN;
  if (code === ErrorCode.REFUSED_STREAM) return [status, "the peer refused the call before it processed any of it"];
  if (code === ErrorCode.ENHANCE_YOUR_CALM) {
    return [status, "the peer reset the call with ENHANCE_YOUR_CALM: it is asked for more than it takes"];
  }
  return [status, `the peer reset the call with ${codeName(code)}`];
}

export function codeName(code: number): string {
  return CODE_NAMES.get(code) ?? `code ${code}`;
}

function split(head: Head): { own: Map<string, string>; metadata: Metadata } {
  const own = new Map<string, string>();
  const metadata = new Metadata();
  for (let at = 0; at < head.fields.length; at += 2) {
    const name = head.fields[at] as string;
    const value = head.fields[at + 1] as string;
    if (OWN.has(name)) own.set(name, value);
    else metadata.received(name, value);
  }
  return { own, metadata };
}

function endingIn(own: Map<string, string>, trailers: Metadata): Ending | undefined {
  const text = own.get("grpc-status");
  if (text === undefined) return undefined;
  const message = percentDecoded(own.get("grpc-message") ?? "");
  const known = /^[0-9]{1,2}$/.test(text) && Number(text) <= Status.UNAUTHENTICATED;
  if (known) return { status: Number(text) as Status, message, trailers };
  return { status: Status.UNKNOWN, message: message || `the peer answered with the unknown status ${text}`, trailers };
}

function fault(status: number, contentType: string | undefined): Answer["wrong"] {
  if (status !== 200) {
    return [STATUS_OF_HTTP[status] ?? Status.UNKNOWN, `the peer answered with HTTP status ${status}, not with gRPC`];
  }
  if (contentType !== undefined && /^application\/grpc($|[+;])/.test(contentType)) return undefined;
  return [Status.UNKNOWN, `the peer answered with the content type ${contentType ?? "(none)"}, not with gRPC`];
}
