import {
  encodePayload,
  encodeUtf8,
  FAILURES,
  failure,
  payloadHead,
  type RegistryError,
  success,
} from "@nacre/protocol";
import type { Answer, AnyMessage } from "./handlers.ts";

/** An answer ready to leave, with what is counted about it. `errorCode` 0 is a success. */
export interface Reply {
  readonly payload: Uint8Array;
  readonly errorCode: number;
}

export function reply(response: string, body: Record<string, unknown>): Reply {
  const payload = textPayload(response, JSON.stringify(body));
  return { payload, errorCode: typeof body.errorCode === "number" ? body.errorCode : 0 };
}

/** The message around the text of a body, written in one go: a second copy of a list costs as much as the first. */
export function textPayload(type: string, body: string): Uint8Array {
  const size = Buffer.byteLength(body);
  const head = payloadHead(type, size);
  // Of its own: in a part of a larger buffer, whoever keeps it would keep all of that.
  const payload = Buffer.allocUnsafeSlow(head.length + size);
  payload.set(head);
  payload.write(body, head.length, "utf8");
  return payload;
}

export function replyTo(message: AnyMessage, answer: Answer): Reply {
  if ("payload" in answer && answer.payload instanceof Uint8Array) return { payload: answer.payload, errorCode: 0 };
  if ("body" in answer && answer.body instanceof Uint8Array)
    return { payload: encodePayload({ type: message.response, body: answer.body }), errorCode: 0 };
  return reply(message.response, success(answer as Record<string, unknown>));
}

/**
 * The untyped failure. SDKs take it for a fault of the connection, try again and finally reconnect: it is for calls
 * that no handler saw, and for faults of this server.
 */
export function errorReply(error: RegistryError): Reply {
  return reply("ErrorResponse", failure(FAILURES[error.failure].rpc, error.message));
}

/** The failure as the declared response, which SDKs hand to their caller while the connection stays. */
export function failureReply(message: AnyMessage, error: RegistryError, body: unknown): Reply {
  const errorCode = FAILURES[error.failure].rpc;
  const { payload } = reply(message.response, failure(errorCode, error.message, message.onFailure?.(body)));
  // As it is counted: a message may have to say 0 on the wire.
  return { payload, errorCode };
}

/** The body of a request that this server pushes: `headers` and `requestId` are required by the Rust SDK. */
export function pushBody(
  requestId: string | undefined,
  module: string,
  fields: Record<string, unknown> = {},
): Uint8Array {
  return encodeUtf8(JSON.stringify({ headers: {}, requestId, module, ...fields }));
}
