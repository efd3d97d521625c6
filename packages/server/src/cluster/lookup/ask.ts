import type { Clock } from "../../clock.ts";
import { request } from "../../node-http.ts";
import { VERSION } from "../../version.ts";
import type { AddressServer } from "./types.ts";

const ANSWER_MAX_MS = 3000;
const BODY_BYTES_MAX = 1024 * 1024;

/**
 * The body of one GET of an address server, within 3 s.
 *
 * @throws Error with a phrase of what went wrong, which is part of a sentence: "it answered 502".
 */
export function askAddressServer(clock: Clock, server: AddressServer, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const asking = request({
    host: server.host.replace(/^\[|\]$/g, ""),
    port: server.port,
    path: server.path,
    headers: { accept: "text/plain, */*", "user-agent": `Nacre/${VERSION}` },
    // Once in 5 s: no connection is worth being kept.
    agent: false,
    signal,
  });
  /** The first reason counts: what the end of the connection then makes of it says less. */
  const giveUp = (phrase: string): void => {
    reject(new Error(phrase));
    asking.destroy();
  };
  const fail = (error: NodeJS.ErrnoException): void => giveUp(phraseOf(error));
  const timer = clock.schedule(ANSWER_MAX_MS, () => giveUp(`no answer within ${ANSWER_MAX_MS / 1000} s`));
  asking
    .on("error", fail)
    .on("response", (answer) => {
      answer.on("error", fail);
      if (answer.statusCode !== 200) return giveUp(`it answered ${answer.statusCode}`);
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer
        .on("data", (chunk: Buffer) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes > BODY_BYTES_MAX) giveUp(`its answer is longer than ${BODY_BYTES_MAX} bytes`);
        })
        .on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    })
    .end();
  return promise.finally(() => timer.cancel());
}

function phraseOf(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return "nobody listens there, ECONNREFUSED";
    case "ENOTFOUND":
      return "its name does not resolve, ENOTFOUND";
    case "ECONNRESET":
      return "it broke off its answer, ECONNRESET";
    default:
      return error.code ?? error.message;
  }
}
