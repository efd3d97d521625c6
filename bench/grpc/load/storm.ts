/** Load generator: connections that come all at once, each with its first call. */
import { answer } from "../../lib/remote.ts";
import { cpuMs } from "../../lib/vitals.ts";
import { headerBlock, RawConnection } from "../lib/raw-connection.ts";

/** Below the 511 connections that Node lets wait for `accept`; what comes on top would be tried again after a second. */
const AT_ONCE = 400;
const BLOCK = headerBlock("/bench.Echo/Unary");
const MESSAGE = Buffer.alloc(400, 0x61);
const ANSWER_BYTES = MESSAGE.length + 5;

export interface Storm {
  readonly tookMs: number;
  /** Of this generator. */
  readonly cpuMs: number;
}

const connections: RawConnection[] = [];

answer({
  /** The connections stay open. */
  storm: async (asked: { port: number; count: number; addresses: (string | undefined)[] }): Promise<Storm> => {
    const { port, count, addresses } = asked;
    const startedAt = performance.now();
    const cpuBefore = cpuMs();
    let next = 0;
    const line = async (): Promise<void> => {
      while (next < count) await first(port, addresses[next++ % addresses.length]);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, line));
    return { tookMs: performance.now() - startedAt, cpuMs: cpuMs() - cpuBefore };
  },
});

function first(port: number, localAddress: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = ANSWER_BYTES;
    const connection = new RawConnection(
      { port, localAddress },
      {
        data: (_stream, bytes) => {
          left -= bytes;
        },
        ended: (_stream, ok) => {
          if (ok && left === 0) resolve();
          else reject(new Error("a first call has failed"));
        },
        lost: (reason) => reject(new Error(`a connection was lost: ${reason}`)),
      },
    );
    connections.push(connection);
    connection.call(BLOCK, MESSAGE, true);
  });
}
