/** Load generator: connections with one open stream each, which then only listen. */
import { answer } from "../../lib/remote.ts";
import { headerBlock, RawConnection } from "../lib/raw-connection.ts";

/** Below the 511 connections that Node lets wait for `accept`. */
const AT_ONCE = 200;
const HELLO = Buffer.from("hello");
const BLOCK = headerBlock("/bench.Echo/Stream");
const PREFIX_BYTES = 5;

let opened = 0;
/** What each stream has received of the message that it waits for. */
const received: number[] = [];
let awaited: { readonly bytes: number; left: number; resolve(): void; reject(error: Error): void } | undefined;
let failure: Error | undefined;

answer({
  open: async ({ port, count, addresses }: { port: number; count: number; addresses: (string | undefined)[] }) => {
    let next = opened;
    const line = async (): Promise<void> => {
      while (next < count) await open(port, addresses[next++ % addresses.length]);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, line));
  },
  /** Resolves when every stream has received a message of this size. */
  message: (bytes: number) =>
    new Promise<void>((resolve, reject) => {
      if (failure !== undefined) return reject(failure);
      received.fill(0);
      awaited = { bytes: bytes + PREFIX_BYTES, left: opened, resolve, reject };
    }),
});

function open(port: number, localAddress: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let hello = HELLO.length + PREFIX_BYTES;
    let own = -1;
    const connection = new RawConnection(
      { port, localAddress },
      {
        data: (_stream, bytes) => {
          if (own >= 0) return count(own, bytes);
          hello -= bytes;
          if (hello > 0) return;
          own = opened++;
          received[own] = 0;
          resolve();
        },
        lost: (reason) => {
          failure = new Error(`a connection was lost: ${reason}`);
          awaited?.reject(failure);
          reject(failure);
        },
      },
    );
    connection.call(BLOCK, HELLO, false);
  });
}

function count(own: number, bytes: number): void {
  const now = (received[own] as number) + bytes;
  received[own] = now;
  if (awaited === undefined || now !== awaited.bytes) return;
  awaited.left--;
  if (awaited.left === 0) awaited.resolve();
}
