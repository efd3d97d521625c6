import { setTimeout as wait } from "node:timers/promises";
import type { Reading } from "../servers/harness.ts";
import type { EchoServer } from "./echo-server.ts";

/** A stretch of time in which load ran all the time, between two readings of the server. */
export interface Steady {
  readonly from: Reading;
  readonly to: Reading;
  readonly callsPerSecond: number;
  readonly callsPerCpuSecond: number;
}

/** Waits until the load has settled, then reads the server at both ends of the window. */
export async function steady(server: EchoServer, settleMs: number, windowMs: number): Promise<Steady> {
  await wait(settleMs);
  const from = await server.read();
  await wait(windowMs);
  const to = await server.read();
  const calls = to.calls - from.calls;
  return {
    from,
    to,
    callsPerSecond: calls / ((to.atUs - from.atUs) / 1e6),
    callsPerCpuSecond: calls / ((to.cpuMs - from.cpuMs) / 1000),
  };
}
