/** Load generator: one connection with one call at a time, the next when the one before it is answered. */
import { connect } from "node:net";
import { answer } from "../../lib/remote.ts";
import { headerBlock, RawConnection } from "../lib/raw-connection.ts";
import { BARE_ANSWER, BARE_CALL_BYTES } from "../servers/harness.ts";

const BLOCK = headerBlock("/bench.Echo/Unary");
const MESSAGE = Buffer.alloc(400, 0x61);
const BARE_CALL = Buffer.alloc(BARE_CALL_BYTES);

let close = (): void => {};

answer({
  calls: (port: number) => {
    const connection = new RawConnection(
      { port },
      {
        ended: (_stream, ok) => {
          if (!ok) throw new Error("a call failed");
          connection.call(BLOCK, MESSAGE, true);
        },
        lost: (reason) => {
          throw new Error(reason);
        },
      },
    );
    close = () => connection.close();
    connection.call(BLOCK, MESSAGE, true);
  },
  /** Of the bare socket, which no client of HTTP/2 could talk to. */
  bareCalls: (port: number) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    let left = BARE_ANSWER.length;
    socket.on("data", (bytes) => {
      left -= bytes.length;
      if (left > 0) return;
      left += BARE_ANSWER.length;
      socket.write(BARE_CALL);
    });
    close = () => socket.destroy();
    socket.write(BARE_CALL);
  },
  close: () => close(),
});
