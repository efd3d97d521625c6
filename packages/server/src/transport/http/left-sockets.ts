import type { Server } from "node:http";
import type { Socket } from "node:net";
import { turn } from "../../storage/turn.ts";

/** Connections that are let go of in one turn of the event loop: some milliseconds, with the calls that wait on them. */
const AT_ONCE = 100;

/**
 * Lets go of connections whose clients have ended them, a few per turn of the event loop: when a proxy or a rack goes
 * away, thousands of long polls end in the same moment, and each costs up to 0.05 ms.
 *
 * Node would do it in the event that tells of the end, unless the server allows its clients to half-close. It does not
 * here either: a client that has ended its half is answered nothing more.
 */
export function letGoInTurns(server: Server, pause: () => Promise<void> = turn): void {
  // Older than its documentation, and therefore not among the types.
  (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
  const left: Socket[] = [];
  let running = false;

  async function run(): Promise<void> {
    running = true;
    while (left.length > 0) {
      await pause();
      for (const socket of left.splice(0, AT_ONCE)) socket.end();
    }
    running = false;
  }

  function ended(this: Socket): void {
    left.push(this);
    if (!running) void run();
  }

  server.on("connection", (socket) => socket.on("end", ended));
}
