import type { ServerResponse } from "node:http";
import { type Readable, Transform } from "node:stream";
import { RegistryError } from "@nacre/protocol";
import type { RequestPayload } from "fastify";

/** Eight archives, or some twenty contents of the largest size. */
const BYTES_MAX = 512 * 1024 * 1024;

/** What the large bodies that are on their way take together: each is held as a whole until it is answered. */
export class LargeBodies {
  readonly #from: number;
  readonly #most: number;
  #bytes = 0;

  /** @param from  a body of so many bytes is not large yet. */
  constructor(from: number, most = BYTES_MAX) {
    this.#from = from;
    this.#most = most;
  }

  /** Takes room until the response is over. @returns why there is none, or undefined. */
  take(bytes: number, response: ServerResponse): RegistryError | undefined {
    if (bytes <= this.#from) return undefined;
    if (this.#bytes + bytes > this.#most)
      return new RegistryError(
        "overThreshold",
        `this member is taking in ${this.#bytes} bytes of large bodies already, of ${this.#most}: try again later`,
      );
    this.#bytes += bytes;
    response.once("close", () => {
      this.#bytes -= bytes;
    });
    return undefined;
  }
}

/** A body that does not say its size, up to a limit: no room can be taken for it in advance. */
export function limited(body: Readable, most: number): RequestPayload {
  const counted: RequestPayload = body.pipe(
    new Transform({
      transform(chunk: Uint8Array, _encoding, done) {
        counted.receivedEncodedLength = (counted.receivedEncodedLength ?? 0) + chunk.length;
        if (counted.receivedEncodedLength <= most) return done(null, chunk);
        const text = `a body of more than ${most} bytes must say its size in Content-Length`;
        done(Object.assign(new Error(text), { statusCode: 413 }));
      },
    }),
  );
  return counted;
}
