/** Load generator: long polls that are held, and when each was answered. */
import { connect, type Socket } from "node:net";
import { answer } from "../lib/remote.ts";

export interface Park {
  readonly port: number;
  readonly count: number;
  /** The configuration that all of them name, next to two of their own. */
  readonly hot: string;
}

/** Long enough that no poll ends by itself while the others are still being made. */
const HOLD_MS = 300_000;

let sockets: Socket[] = [];
let arrived: number[] = [];
let wanted = Number.POSITIVE_INFINITY;
let reached: (() => void) | undefined;

answer({
  park,
  untilAnswered: (count: number) =>
    new Promise<void>((resolve) => {
      wanted = count;
      reached = resolve;
      check();
    }),
  arrivals: () => Float64Array.from(arrived),
  close: () => {
    for (const socket of sockets) socket.destroy();
    sockets = [];
    arrived = [];
    wanted = Number.POSITIVE_INFINITY;
  },
});

function check(): void {
  if (arrived.length < wanted) return;
  reached?.();
  reached = undefined;
}

async function park({ port, count, hot }: Park): Promise<void> {
  async function one(n: number): Promise<void> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    sockets.push(socket);
    socket.once("data", (chunk) => {
      if (!chunk.toString("latin1", 0, 12).startsWith("HTTP/1.1 200")) throw new Error("a poll was refused");
      arrived.push(performance.timeOrigin + performance.now());
      check();
    });
    const lines = [hot, `own-${n}-a`, `own-${n}-b`].map((dataId) => `${dataId}\u0002DEFAULT_GROUP\u0002\u0001`);
    const body = `Listening-Configs=${encodeURIComponent(lines.join(""))}`;
    const head = [
      "POST /nacos/v1/cs/configs/listener HTTP/1.1",
      "Host: 127.0.0.1",
      `Long-Pulling-Timeout: ${HOLD_MS}`,
      "Content-Type: application/x-www-form-urlencoded",
      `Content-Length: ${body.length}`,
    ];
    socket.write(`${head.join("\r\n")}\r\n\r\n${body}`, "latin1");
  }
  for (let from = 0; from < count; from += 100)
    await Promise.all(Array.from({ length: Math.min(100, count - from) }, (_, n) => one(from + n)));
}
