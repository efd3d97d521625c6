import { type Field, type InferFields, object } from "../schema.ts";

/** Who may send a request type, and where: SDKs on the client port, other members on the member port, or both. */
export type Source = "sdk" | "member" | "any";

/** One request type of the wire: its fields, and the response type that answers it. */
export interface RequestMessage<F extends Record<string, Field<unknown>>> {
  readonly module: string;
  readonly source: Source;
  readonly response: string;
  /** Fields of the response that some SDK needs even when the answer is a failure (grpc rules 9.5). */
  readonly onFailure?: (request: unknown) => Record<string, unknown>;
  readonly body: Field<InferFields<F>>;
}

export function request<F extends Record<string, Field<unknown>>>(declared: {
  module: string;
  source: Source;
  response: string;
  onFailure?: (request: unknown) => Record<string, unknown>;
  fields: F;
}): RequestMessage<F> {
  const { fields, ...rest } = declared;
  return { ...rest, body: object(fields) };
}

/** What a request of this declaration reads as. */
export type RequestOf<M> = M extends RequestMessage<infer F> ? InferFields<F> : never;

/** The envelope that every response carries. */
export function success(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { resultCode: 200, errorCode: 0, success: true, ...fields };
}

export function failure(
  errorCode: number,
  message: string,
  fields: Record<string, unknown> = {},
): Record<string, unknown> {
  return { resultCode: 500, errorCode, success: false, message, ...fields };
}
