import { LIMITS, type Limits } from "../http2/limits.ts";

const MEBIBYTE = 1024 * 1024;

/** What one peer may make this side hold or do: the limits of HTTP/2, and those of messages. */
export interface GrpcLimits extends Limits {
  /** A longer message ends its call with RESOURCE_EXHAUSTED. Bytes, after decompression. */
  readonly messageBytesMax: number;
  /** Messages of which a part has come, over all calls of one connection. Bytes. */
  readonly partialBytesMax: number;
  /**
   * What all connections of one server may make it hold: open calls with their metadata, parts of messages, what waits
   * to be sent. Above it those end that hold the most. Bytes.
   */
  readonly heldBytesMaxOfAll: number;
  /** A message of which no further byte comes for this long ends its call. Milliseconds. */
  readonly partialMs: number;
}

export const GRPC_LIMITS: GrpcLimits = {
  ...LIMITS,
  // What gRPC libraries accept by default.
  messageBytesMax: 4 * MEBIBYTE,
  partialBytesMax: 32 * MEBIBYTE,
  // A call without much metadata counts for a kilobyte, so this is half a million of them.
  heldBytesMaxOfAll: 512 * MEBIBYTE,
  partialMs: 60_000,
};
