/** A gRPC server on the engine in a process of its own, which tells what it holds. Started by `engine.ts`. */
import { GrpcServer, type ServerCall, type ServerOptions } from "@nacre/grpc";

const { gc } = globalThis as { gc?: () => void };
const options = JSON.parse(process.argv[2] ?? "{}") as Partial<ServerOptions>;

const watchers = new Set<ServerCall>();
const counts = { held: 0, cancelled: 0 };

const server = new GrpcServer({
  host: "127.0.0.1",
  port: 0,
  ...options,
  methods: {
    "/t.T/Echo": { type: "unary", handle: (message) => message },
    /** As many bytes as the message says, made for each call. */
    "/t.T/Large": { type: "unary", handle: (message) => Buffer.alloc(Number(message.toString()), 1) },
    /** Never answers. */
    "/t.T/Hold": { type: "stream", open: () => held() },
    "/t.T/Chat": {
      type: "stream",
      open: (call) => ({ message: (message) => call.send(message), halfClosed: () => call.end() }),
    },
    "/t.T/Watch": {
      type: "stream",
      open(call) {
        watchers.add(call);
        return { message() {}, closed: () => watchers.delete(call) };
      },
    },
  },
});

function held() {
  counts.held++;
  return {
    message() {},
    closed(): void {
      counts.held--;
      counts.cancelled++;
    },
  };
}

let rssMax = 0;
const sample = (): void => {
  rssMax = Math.max(rssMax, process.memoryUsage.rss());
};
setInterval(sample, 20);

process.on("message", async (ask: { readonly what: "state" | "collect" | "fan-out"; readonly bytes?: number }) => {
  if (ask.what === "collect") {
    gc?.();
    // Memory outside of the heap is freed behind the collection that has found it unused.
    await new Promise((resolve) => setImmediate(resolve));
    gc?.();
  }
  if (ask.what === "fan-out") {
    const message = Buffer.alloc(ask.bytes ?? 0);
    for (const call of watchers) call.send(message);
    // To ask for memory takes longer than to send.
    process.send?.({});
    return;
  }
  sample();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send?.({
    connections: server.connections,
    ...counts,
    watchers: watchers.size,
    usedBytes: heapUsed + external,
    rssBytes: rss,
    rssMaxBytes: rssMax,
  });
  rssMax = 0;
});
process.on("disconnect", () => process.exit());
process.send?.({ port: await server.listen() });
