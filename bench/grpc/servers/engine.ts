/** The engine of this repository, as it is without options. */
import { GrpcServer, type Methods, type ServerCall } from "@nacre/grpc";
import { type Running, STREAM, serve, UNARY } from "./harness.ts";

serve(async (certificate): Promise<Running> => {
  const streams = new Set<ServerCall>();
  const unary = Object.entries(UNARY).map(([path, handle]) => [path, { type: "unary", handle }] as const);
  const methods: Methods = {
    ...Object.fromEntries(unary),
    [STREAM]: {
      type: "stream",
      open: (call) => {
        streams.add(call);
        return {
          message: (message) => call.send(message),
          halfClosed: () => call.end(),
          closed: () => streams.delete(call),
        };
      },
    },
  };
  const tls = certificate === undefined ? {} : { tls: certificate };
  const server = new GrpcServer({ host: "127.0.0.1", port: 0, methods, ...tls });
  const port = await server.listen();
  return {
    port,
    openStreams: () => streams.size,
    sendToAll: (message) => {
      for (const call of streams) call.send(message);
    },
  };
});
