import type { ServerResponse } from "node:http";
import { RegistryError } from "@nacre/protocol";

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
