import { connect, createServer, type Socket } from "node:net";
import type { TestServer } from "./server.ts";

const PREFACE_BYTES = 24;
const HEAD_BYTES = 9;
const PING = 0x6;
const ACK = 0x1;

/**
 * A proxy in front of a server without TLS that counts the PING frames of clients: libraries send them on a timer of
 * their own and tell nobody.
 */
export class PingCounter implements TestServer {
  readonly port: number;
  readonly close: () => Promise<void>;
  #pings: () => number;

  private constructor(port: number, close: () => Promise<void>, pings: () => number) {
    this.port = port;
    this.close = close;
    this.#pings = pings;
  }

  static async start(behind: number): Promise<PingCounter> {
    let pings = 0;
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true }, (client) => {
      const upstream = connect({ port: behind, host: "127.0.0.1", noDelay: true });
      const count = frameReader((type, flags) => {
        if (type === PING && (flags & ACK) === 0) pings++;
      });
      client.on("data", count);
      client.pipe(upstream).pipe(client);
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => {
          sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
    await promise;
    const close = async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    };
    return new PingCounter((server.address() as { port: number }).port, close, () => pings);
  }

  get pings(): number {
    return this.#pings();
  }
}

/** Tells of each frame that a client sends, after its connection preface. */
function frameReader(seen: (type: number, flags: number) => void): (chunk: Buffer) => void {
  const head = Buffer.alloc(HEAD_BYTES);
  let headBytes = 0;
  let skip = PREFACE_BYTES;
  return (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      if (skip > 0) {
        const skipped = Math.min(skip, chunk.length - at);
        skip -= skipped;
        at += skipped;
        continue;
      }
      const taken = chunk.copy(head, headBytes, at, Math.min(chunk.length, at + HEAD_BYTES - headBytes));
      headBytes += taken;
      at += taken;
      if (headBytes < HEAD_BYTES) return;
      seen(head.readUInt8(3), head.readUInt8(4));
      skip = head.readUIntBE(0, 3);
      headBytes = 0;
    }
  };
}
