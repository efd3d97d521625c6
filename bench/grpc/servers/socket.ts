/**
 * No server: a socket of `node:net` that looks at nothing and answers with constant bytes, as many as a call and its
 * answer take on the wire. What no server on Node can do better.
 */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { BARE_ANSWER, BARE_CALL_BYTES, bareCall, serve } from "./harness.ts";

serve(async () => {
  const server = createServer({ noDelay: true }, (socket) => {
    let left = BARE_CALL_BYTES;
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      for (left -= bytes.length; left <= 0; left += BARE_CALL_BYTES) {
        bareCall();
        socket.write(BARE_ANSWER);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, openStreams: () => 0, sendToAll: () => {} };
});
