import { encodePayload, encodeUtf8, FAILURES, failure, type RegistryError, success } from "@nacre/protocol";
import type { Answer, AnyMessage } from "./handlers.ts";

/** An answer ready to leave, with what is counted about it. `errorCode` 0 is a success. */
export interface Reply {
  readonly payload: Uint8Array;
  readonly errorCode: number;
}

export function reply(response: string, body: Record<string, unknown>): Reply {
  const payload = encodePayload({ type: response, body: encodeUtf8(JSON.stringify(body)) });
  return { payload, errorCode: typeof body.errorCode === "number" ? body.errorCode : 0 };
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
