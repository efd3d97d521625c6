export type {
  CallEnd,
  CallListener,
  CallOptions,
  ClientCall,
  ClientListener,
  Method,
  Methods,
  Peer,
  ServerCall,
} from "./grpc/call.ts";
export { GRPC_LIMITS, type GrpcLimits } from "./grpc/limits.ts";
export { Metadata } from "./grpc/metadata.ts";
export { Status, StatusError } from "./grpc/status.ts";
export { type ConnectOptions, connectGrpc, type GrpcConnection } from "./shell/client.ts";
export { GrpcServer, type ServerOptions } from "./shell/server.ts";
export type { ClientTls, ServerTls } from "./shell/tls.ts";
