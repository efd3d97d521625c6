const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

const EIGHT_DIGITS = 99_999_999;

/** Reads `grpc-timeout`: at most eight digits and a unit. @returns milliseconds, or undefined when it is none. */
export function timeoutMs(text: string): number | undefined {
  const match = /^([0-9]{1,8})([HMSmun])$/.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * (UNIT_MS[match[2] as string] as number);
}

/** Writes milliseconds in the finest unit that eight digits hold, rounded up: a deadline never comes early. */
export function timeoutText(ms: number): string {
  if (ms * 1000 <= EIGHT_DIGITS) return `${Math.max(Math.ceil(ms * 1000), 1)}u`;
  if (ms <= EIGHT_DIGITS) return `${Math.ceil(ms)}m`;
  return `${Math.min(Math.ceil(ms / 1000), EIGHT_DIGITS)}S`;
}
