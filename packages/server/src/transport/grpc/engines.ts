import type { Clock } from "../../clock.ts";
import { NativeTransport } from "./native.ts";
import type { GrpcTransport, TransportHandlers, TransportOptions } from "./transport.ts";

/** Makes the transport that an option names. The library is loaded only by those who ask for it. */
export async function createGrpcTransport(
  engine: "native" | "grpc-js",
  options: TransportOptions,
  handlers: TransportHandlers,
  clock: Clock,
): Promise<GrpcTransport> {
  if (engine === "native") return new NativeTransport(options, handlers, clock);
  const { grpcJsTransport } = await import("./grpc-js.ts");
  return grpcJsTransport(options, handlers, clock);
}
