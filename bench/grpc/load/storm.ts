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
  /** Connections that ended before their first answer, and were tried again. */
  readonly lost: number;
}

const connections: RawConnection[] = [];

answer({
  /** The connections stay open. */
  storm: async ({ port, count, atOnce, addresses }: StormOrder): Promise<Storm> => {
    const startedAt = performance.now();
    const cpuBefore = cpuMs();
    let next = 0;
    let lost = 0;
    const line = async (): Promise<void> => {
      while (next < count) {
        const localAddress = addresses[next++ % addresses.length];
        for (;;) {
          const failure = await first(port, localAddress);
          if (failure === undefined) break;
          lost++;
          // Trying on for ever would measure a server that takes nobody in.
          if (lost > count) throw new Error(`more connections were lost than wanted, the last one by: ${failure}`);
        }
      }
    };
    await Promise.all(Array.from({ length: atOnce }, line));
    return { tookMs: performance.now() - startedAt, cpuMs: cpuMs() - cpuBefore, lost };
  },
});

/** @returns why there was no answer, if there was none. */
function first(port: number, localAddress: string | undefined): Promise<string | undefined> {
  return new Promise((resolve) => {
    let left = ANSWER_BYTES;
    const connection = new RawConnection(
      { port, localAddress },
      {
        data: (_stream, bytes) => {
          left -= bytes;
        },
        ended: (_stream, ok) => resolve(ok && left === 0 ? undefined : "its first call failed"),
        lost: resolve,
      },
    );
    connections.push(connection);
    connection.call(BLOCK, MESSAGE, true);
  });
}
