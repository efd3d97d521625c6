import { Latency } from "../metrics/latency.ts";

/** How long pushes take, from the first change they carry. Times in milliseconds. */
export class PushTimes {
  /** Until the message of a fan-out is handed to the transport: one observation for all its subscribers. */
  readonly sentLatency = new Latency();
  /** Until one subscriber has acknowledged. */
  readonly ackedLatency = new Latency();
  ackedCount = 0;
  ackedMsSum = 0;
  ackedMsMax = 0;

  sent(tookMs: number): void {
    this.sentLatency.observe(tookMs / 1000);
  }

  acked(tookMs: number): void {
    this.ackedLatency.observe(tookMs / 1000);
    this.ackedCount++;
    this.ackedMsSum += tookMs;
    this.ackedMsMax = Math.max(this.ackedMsMax, tookMs);
  }
}
