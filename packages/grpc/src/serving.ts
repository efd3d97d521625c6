/** The half of a server alone, for processes that may never call anybody. */

export type { CallEnd, CallListener, Method, Methods, Peer, ServerCall } from "./grpc/call.ts";
export { GRPC_LIMITS, type GrpcLimits } from "./grpc/limits.ts";
export { Metadata } from "./grpc/metadata.ts";
export { Status, StatusError } from "./grpc/status.ts";
export { GrpcServer, type ServerOptions } from "./shell/server.ts";
export type { ServerTls } from "./shell/tls.ts";
