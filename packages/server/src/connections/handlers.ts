import type { Connection } from "@nacre/core/connections";
import type { Field, RequestMessage } from "@nacre/protocol";

/** Request declarations by message type, as `@nacre/protocol` exports them (`namingMessages` and its like). */
export type Messages = Readonly<Record<string, AnyMessage>>;
// The declared fields differ from message to message; `RequestIn` finds them again.
export type AnyMessage = Omit<RequestMessage<Record<string, Field<unknown>>>, "body"> & {
  readonly body: Field<unknown>;
};

/** What the body of a declared message reads as. */
export type RequestIn<M extends AnyMessage> = M["body"] extends Field<infer B> ? B : never;

/** What a handler knows about a call besides its body. */
export interface RequestContext {
  /** The registered connection that the call arrived on, as it is now; do not keep it past the call. */
  readonly connection: Connection;
  /** `metadata.type` of the call. */
  readonly type: string;
  /** A header by name in any case: from the metadata of the payload, else from `headers` in the body. */
  header(name: string): string | undefined;
}

/**
 * What a handler answers: the fields of the declared response, to which the success envelope is added; or the whole
 * body already encoded, envelope included, when `body` holds bytes, and the message around it too when `payload` does.
 */
export type Answer =
  | Readonly<Record<string, unknown>>
  | { readonly body: Uint8Array }
  | { readonly payload: Uint8Array };

/** Answers one request type. A thrown `RegistryError` becomes the typed failure; anything else is logged, not sent. */
export interface Handler<M extends AnyMessage> {
  handle(request: RequestIn<M>, context: RequestContext): Answer | Promise<Answer>;
}

/** A handler for each declared message: `{ … } satisfies Handlers<typeof namingMessages>`. */
export type Handlers<M extends Messages> = { readonly [T in keyof M]: Handler<M[T]> };

/** Declarations with their handlers, after the types of the single messages have been checked. */
export interface Feature {
  readonly messages: Messages;
  readonly handlers: Readonly<
    Record<string, { handle(request: never, context: RequestContext): Answer | Promise<Answer> }>
  >;
}

export function feature<M extends Messages>(messages: M, handlers: Handlers<M>): Feature {
  return { messages, handlers };
}

/**
 * Runs before a handler, after the connection was found registered. Throws a `RegistryError` to refuse the call with
 * the typed response: flow control, permissions, parameter rules.
 */
export type Filter = (request: unknown, context: RequestContext) => void | Promise<void>;
