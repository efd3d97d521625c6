/** Load generator: sockets that are open, and write when they are told. */
import { connect, type Socket } from "node:net";
import { answer } from "../lib/remote.ts";

/** About what an acknowledgement takes on the wire. */
const WRITTEN = Buffer.alloc(150);
const sockets: Socket[] = [];

answer({
  open: async ({ port, count }: { port: number; count: number }) => {
    const one = () =>
      new Promise<void>((resolve, reject) => {
        const socket = connect(port, "127.0.0.1", resolve).once("error", reject);
        sockets.push(socket);
      });
    for (let from = 0; from < count; from += 100)
      await Promise.all(Array.from({ length: Math.min(100, count - from) }, one));
  },
  write: () => {
    for (const socket of sockets) socket.write(WRITTEN);
  },
});
