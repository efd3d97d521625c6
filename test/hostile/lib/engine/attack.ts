import assert from "node:assert/strict";
import { Flag, Setting } from "@nacre/grpc/machine";
import { headers, lastData, message, PREFACE, request } from "../../../../packages/grpc/src/http2/wire.fixture.ts";
import type { RawOptions } from "./raw-connection.ts";

/** What a stranger does to a server, once. `answer` is what the server says to it. */
export interface Attack {
  readonly run: (server: RawOptions) => Promise<string>;
  readonly answer: RegExp | string;
  /** Where it has to differ from what all attacks may take. */
  readonly rssGrowthMaxBytes?: number;
}

/**
 * Attacks, and checks the answer. An attacker who is not given the processor for a quarter of a second loses the reason for
 * which its connection has ended, and attacks again.
 */
export async function provoke({ run, answer }: Attack, server: RawOptions): Promise<void> {
  let words = await run(server);
  for (let left = 5; left > 0 && words === "closed" && answer !== "closed"; left--) words = await run(server);
  if (typeof answer === "string") assert.equal(words, answer);
  else assert.match(words, answer);
}

export type Attacks = Readonly<Record<string, Attack>>;

export const ECHO = request({ ":path": "/t.T/Echo" });
export const HOLD = request({ ":path": "/t.T/Hold" });
export const CHAT = request({ ":path": "/t.T/Chat" });
export const LARGE = request({ ":path": "/t.T/Large" });
export const WATCH = request({ ":path": "/t.T/Watch" });

/** The ids of the next streams of a client. */
export function ids(count: number, from = 1): number[] {
  return Array.from({ length: count }, (_, at) => from + 2 * at);
}

/** As many copies as fill what one read of the server takes. */
export function many(bytes: Uint8Array, count = Math.ceil(65_536 / bytes.length)): Buffer {
  return Buffer.concat(new Array<Uint8Array>(count).fill(bytes));
}

/** A unary call that wants an answer of so many bytes. */
export function large(id: number, bytes: number): Buffer {
  return Buffer.concat([headers(id, LARGE), lastData(id, message(String(bytes)))]);
}

export const MEBIBYTE = 1024 * 1024;
export const CALM = /^GOAWAY ENHANCE_YOUR_CALM/;
export { Flag, PREFACE, Setting };
