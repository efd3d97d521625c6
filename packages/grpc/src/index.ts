export type { CallOptions, ClientCall, ClientListener } from "./grpc/call.ts";
export * from "./serving.ts";
export { type ConnectOptions, connectGrpc, type GrpcConnection } from "./shell/client.ts";
export type { ClientTls } from "./shell/tls.ts";
