/** A server under attack: a process of its own, whose memory can be asked for. Started by `target.ts`. */
import { IN_MEMORY, startServer } from "../../../packages/server/src/index.ts";

const { gc } = globalThis as { gc?: () => void };

const server = await startServer({
  port: 0,
  dataDir: IN_MEMORY,
  bindAddress: "127.0.0.1",
  ...JSON.parse(process.argv[2] ?? "{}"),
});
process.on("message", () => {
  gc?.();
  process.send?.({ heapBytes: process.memoryUsage().heapUsed + process.memoryUsage().external });
});
process.on("disconnect", () => process.exit());
process.send?.({ httpPort: server.httpPort, grpcPort: server.grpcPort });
