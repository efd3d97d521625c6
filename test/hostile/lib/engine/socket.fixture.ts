/** No server: a socket of Node that gives back what it reads, in a process of its own. Started by `engine.ts`. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

const server = createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => {});
  socket.on("data", (bytes) => socket.write(bytes));
});
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 });
await once(server, "listening");

let rssMax = 0;
const sample = (): void => {
  rssMax = Math.max(rssMax, process.memoryUsage.rss());
};
setInterval(sample, 20);

process.on("message", () => {
  sample();
  process.send?.({ rssBytes: process.memoryUsage.rss(), rssMaxBytes: rssMax });
  rssMax = 0;
});
process.on("disconnect", () => process.exit());
process.send?.({ port: (server.address() as AddressInfo).port });
