/** Load generator: connections that come all at once, each with its first call. */
import { answer } from "../../lib/remote.ts";
import { cpuMs } from "../../lib/vitals.ts";
import { headerBlock, RawConnection } from "../lib/raw-connection.ts";

const BLOCK = headerBlock("/bench.Echo/Unary");
const MESSAGE = Buffer.alloc(400, 0x61);
const ANSWER_BYTES = MESSAGE.length + 5;

export interface StormOrder {
  readonly port: number;
  readonly count: number;
  /** So many are on their way at any time. */
  readonly atOnce: number;
  /** Where they come from, in turn. */
  readonly addresses: readonly (string | undefined)[];
}

export interface Storm {
  readonly tookMs: number;
  /** Of this generator. */
  readonly cpuMs: number;
}

const connections: RawConnection[] = [];

answer({
  /** The connections stay open. */
  storm: async ({ port, count, atOnce, addresses }: StormOrder): Promise<Storm> => {
    const startedAt = performance.now();
    const cpuBefore = cpuMs();
    let next = 0;
    const line = async (): Promise<void> => {
      while (next < count) await first(port, addresses[next++ % addresses.length]);
    };
    await Promise.all(Array.from({ length: atOnce }, line));
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
