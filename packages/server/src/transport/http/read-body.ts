import type { IncomingMessage, ServerResponse } from "node:http";
import { RegistryError } from "@nacre/protocol";
import type { LargeBodies } from "./large-bodies.ts";

const NO_BODY = Buffer.alloc(0);

export interface BodyLimits {
  /** Bodies of the route that is asked. */
  readonly most: number;
  /** Bodies that do not say their size: no room can be taken for them in advance. */
  readonly mostUndeclared: number;
  /** What the large ones take together. */
  readonly large: LargeBodies;
}

/**
 * Reads the body of a request. What is left of one that is refused has to be read all the same: closing while the
 * client still sends would reset the connection, and the answer with it.
 *
 * @returns undefined when the caller has gone before its end.
 * @throws RegistryError `bodyTooLarge`, `overThreshold`.
 */
export function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  limits: BodyLimits,
): Promise<Buffer | undefined> | Buffer {
  const { method, headers } = request;
  const declared = headers["content-length"];
  if (method === "GET" || method === "HEAD" || declared === "0") return NO_BODY;
  if (declared === undefined) {
    if (headers["transfer-encoding"] === undefined) return NO_BODY;
    return collected(request, Math.min(limits.most, limits.mostUndeclared), () => undeclared(limits));
  }
  const bytes = Number(declared);
  if (bytes > limits.most) throw bodyTooLarge(limits.most);
  const refusal = limits.large.take(bytes, response);
  if (refusal !== undefined) throw refusal;
  return collected(request, limits.most, () => bodyTooLarge(limits.most));
}

export function bodyTooLarge(most: number): RegistryError {
  return new RegistryError("bodyTooLarge", `the body of this call may have ${most} bytes at most`);
}

function undeclared({ most, mostUndeclared }: BodyLimits): RegistryError {
  if (most <= mostUndeclared) return bodyTooLarge(most);
  const text = `a body of more than ${mostUndeclared} bytes must say its size in Content-Length`;
  return new RegistryError("bodyTooLarge", text);
}

function collected(request: IncomingMessage, most: number, tooLarge: () => RegistryError): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    const take = (chunk: Buffer): void => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= most) return;
      leave();
      // The rest flows to nobody.
      request.resume();
      reject(tooLarge());
    };
    const end = (): void => {
      const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, bytes);
      leave();
      resolve(body);
    };
    const gone = (): void => {
      leave();
      resolve(undefined);
    };
    // A request lives as long as its call, which may wait for minutes: nothing of it may hold the body by then.
    const leave = (): void => {
      chunks = [];
      request.off("data", take).off("end", end).off("error", gone).off("close", gone);
    };
    request.on("data", take).on("end", end).on("error", gone).on("close", gone);
  });
}
