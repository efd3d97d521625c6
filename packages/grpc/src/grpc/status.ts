import type { Metadata } from "./metadata.ts";

/** The status codes of gRPC. Source: grpc/doc/statuscodes.md. */
export const Status = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

/** What a method throws to end its call with a status of its choice, and what a client's call fails with. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly status: Status;
  /** Metadata that goes, or came, with the status. */
  readonly trailers: Metadata | undefined;

  constructor(status: Status, message: string, options?: ErrorOptions & { readonly trailers?: Metadata }) {
    super(message, options);
    this.status = status;
    this.trailers = options?.trailers;
  }
}
