/** Load generator: connections that register and then only answer. */
import { GrpcConnection } from "../lib/grpc-connection.ts";
import { answer } from "../lib/remote.ts";

const connections: GrpcConnection[] = [];

answer({
  open: async ({ port, count }: { port: number; count: number }) => {
    while (count > connections.length) {
      const next = Math.min(50, count - connections.length);
      connections.push(...(await Promise.all(Array.from({ length: next }, () => GrpcConnection.open(port)))));
    }
  },
});
