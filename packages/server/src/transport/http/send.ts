import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Answer } from "./answers.ts";

/**
 * Writes an answer. One that is made while it is sent waits for its reader, and ends early when that goes away.
 *
 * @param last  whether the connection is to end with it.
 * @throws what the body throws, and the system's error for headers that cannot be written. When the head is out by
 * then, the connection has ended: nobody is to take a part for the whole.
 */
export async function send(response: ServerResponse, answer: Answer, last: boolean): Promise<void> {
  const { status, body } = answer;
  if (response.destroyed) return;
  if (typeof body === "string" || body instanceof Uint8Array) {
    response.writeHead(status, headersOf(answer, last, Buffer.byteLength(body)));
    response.end(body);
    return;
  }
  try {
    await pieces(response, answer, body, last);
  } catch (thrown) {
    if (response.headersSent) response.destroy();
    throw thrown;
  }
}

async function pieces(
  response: ServerResponse,
  answer: Answer,
  body: AsyncIterable<Uint8Array>,
  last: boolean,
): Promise<void> {
  const begin = (): void => {
    // Not before there is a first piece: what fails until then can still be answered as a failure.
    if (!response.headersSent) response.writeHead(answer.status, headersOf(answer, last));
  };
  for await (const piece of body) {
    if (response.destroyed) return;
    begin();
    if (response.req.method === "HEAD") break;
    if (!response.write(piece)) await drained(response);
  }
  if (response.destroyed) return;
  begin();
  response.end();
}

/** @param bytes  absent while nobody knows. */
function headersOf({ status, type, headers }: Answer, last: boolean, bytes?: number): OutgoingHttpHeaders {
  const all: OutgoingHttpHeaders = {};
  for (const name in headers) all[name.toLowerCase()] = headers[name];
  // An answer without content says nothing about it.
  if (status !== 204 && status >= 200) {
    all["content-type"] = type;
    if (bytes !== undefined) all["content-length"] = bytes;
  }
  if (last) all.connection = "close";
  return all;
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off("drain", go).off("close", go);
      resolve();
    };
    response.on("drain", go).on("close", go);
  });
}
