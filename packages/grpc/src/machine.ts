/** The engine without its shell, for those who bring sockets of their own: fuzzers, simulators, other runtimes. */

export { ClientSession, type ClientSessionOptions, type ClientShell } from "./grpc/client-session.ts";
export { PartialBytes } from "./grpc/message-reader.ts";
export { ServerSession, type SessionOptions, type SessionShell } from "./grpc/server-session.ts";
export { Connection, type ConnectionListener, type ConnectionOptions } from "./http2/connection.ts";
export { LIMITS, type Limits } from "./http2/limits.ts";
export { ConnectionFailure, ErrorCode, Flag, FrameType, PREFACE, Setting } from "./http2/protocol.ts";
export { SharedHeads } from "./http2/shared-heads.ts";
