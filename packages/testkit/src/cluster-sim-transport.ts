import type { TransportConnection, TransportHandlers } from "@nacre/server/transport";
import type { Half, HalfListener } from "./cluster-sim-net.ts";
import type { SimProcess } from "./cluster-sim-process.ts";

/** What goes over a connection of an SDK: calls with their answers by number, and what either side writes to the stream. */
export type SdkMessage =
  | { readonly type: "call" | "answer"; readonly number: number; readonly payload: Uint8Array }
  | { readonly type: "stream"; readonly payload: Uint8Array };

/** Connections of SDKs over the simulated network, for the shell of connections. */
export class SimTransport {
  readonly #process: SimProcess;
  readonly #handlers: TransportHandlers;
  readonly #open = new Set<Half>();
  #nextPort = 40_000;

  constructor(process: SimProcess, handlers: TransportHandlers) {
    this.#process = process;
    this.#handlers = handlers;
  }

  accept(half: Half): HalfListener {
    const connection = this.#connectionOf(half);
    if (!this.#handlers.opened(connection)) {
      half.destroy();
      return { received: () => {}, ended: () => {} };
    }
    this.#open.add(half);
    let isStreaming = false;
    Object.defineProperty(connection, "streaming", { get: () => isStreaming && !half.isClosed });
    return {
      received: (data) => {
        const message = data as SdkMessage;
        if (message.type === "call") return this.#answer(half, connection, message.number, message.payload);
        if (!isStreaming) this.#handlers.streamOpened(connection);
        isStreaming = true;
        this.#handlers.streamMessage(connection, message.payload);
      },
      ended: (reason) => {
        this.#open.delete(half);
        this.#handlers.closed(connection, reason);
      },
    };
  }

  close(): void {
    for (const half of this.#open) half.end();
  }

  #connectionOf(half: Half): TransportConnection {
    const process = this.#process;
    const remotePort = this.#nextPort++;
    return {
      id: `${Math.floor(process.wall())}_${half.remoteIp}_${remotePort}`,
      remoteIp: half.remoteIp,
      remotePort,
      localPort: 9848,
      tls: false,
      streaming: false,
      get queuedBytes() {
        return half.queuedBytes;
      },
      send: (payload) => {
        const message: SdkMessage = { type: "stream", payload };
        half.send(message, payload.length);
        return !half.isClosed;
      },
      close: (graceMs) => {
        half.end();
        process.schedule(graceMs, () => half.destroy());
      },
    };
  }

  #answer(half: Half, connection: TransportConnection, number: number, payload: Uint8Array): void {
    const send = (answer: Uint8Array): void => {
      const message: SdkMessage = { type: "answer", number, payload: answer };
      half.send(message, answer.length);
    };
    const answer = this.#handlers.unary(connection, payload);
    if (answer instanceof Promise) void answer.then(send);
    else send(answer);
  }
}
