/** What the measured servers share: the answers they give, and how the bench talks to their process. */
import { answer } from "../../lib/remote.ts";
import { cpuMs, vitals } from "../../lib/vitals.ts";

export interface Certificate {
  /** PEM text. */
  readonly cert: string;
  readonly key: string;
}

/** A server that listens. */
export interface Running {
  readonly port: number;
  /** Calls of `STREAM` that are open. */
  openStreams(): number;
  /** Sends the same buffer on each of them. */
  sendToAll(message: Buffer): void;
}

/** One reading of a server, so that rates are made of differences on its own clock. */
export interface Reading {
  /** Microseconds since the epoch, as h2load writes them. */
  readonly atUs: number;
  readonly cpuMs: number;
  /** Unary calls that were answered. */
  readonly calls: number;
  readonly openStreams: number;
}

export const STREAM = "/bench.Echo/Stream";

/** What a call and its answer with 400 bytes take on the wire, for the socket that speaks no HTTP/2. */
export const BARE_CALL_BYTES = 505;
export const BARE_ANSWER = Buffer.alloc(480);

let calls = 0;
const large = Buffer.alloc(1_000_000, 0x61);
const small = Buffer.from("done");

/** Every unary method, by its path: bytes in, bytes out. */
export const UNARY: Readonly<Record<string, (message: Buffer) => Buffer>> = {
  "/bench.Echo/Unary": echo,
  /** The same, for clients that do not ask the same thing twice in a row. */
  "/bench.Echo/Other": echo,
  /** Takes a large message and gives a small answer. */
  "/bench.Echo/Sink": () => {
    calls++;
    return small;
  },
  /** Gives a megabyte for a small question. */
  "/bench.Echo/Source": () => {
    calls++;
    return large;
  },
};

/** Counts a call of the socket that speaks no HTTP/2. */
export function bareCall(): void {
  calls++;
}

function echo(message: Buffer): Buffer {
  calls++;
  return message;
}

export function serve(start: (certificate: Certificate | undefined) => Promise<Running>): void {
  let running: Running | undefined;
  answer({
    ...vitals,
    listen: async (certificate?: Certificate) => {
      running = await start(certificate);
      return running.port;
    },
    read: (): Reading => ({
      atUs: Math.round((performance.timeOrigin + performance.now()) * 1000),
      cpuMs: cpuMs(),
      calls,
      openStreams: running?.openStreams() ?? 0,
    }),
    fanOut: (bytes: number) => running?.sendToAll(Buffer.alloc(bytes, 0x61)),
  });
}
