import type { ClientListener } from "./call.ts";
import type { Metadata } from "./metadata.ts";
import { Status, StatusError } from "./status.ts";

/** Waits for the one message of a unary call. */
export class UnaryAnswer implements ClientListener {
  readonly promise: Promise<Buffer>;
  #settle: { resolve: (message: Buffer) => void; reject: (error: StatusError) => void } | undefined;
  #message: Buffer | undefined;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  message(message: Buffer): void {
    // Source: grpc/doc/statuscodes.md, "response cardinality violation".
    if (this.#message !== undefined) {
      throw new StatusError(Status.UNIMPLEMENTED, "the answer of a unary call carries more than one message");
    }
    this.#message = message;
  }

  closed(status: Status, message: string, trailers: Metadata): void {
    if (status !== Status.OK) this.#settle?.reject(new StatusError(status, message, { trailers }));
    else if (this.#message !== undefined) this.#settle?.resolve(this.#message);
    else this.#settle?.reject(new StatusError(Status.UNIMPLEMENTED, "the answer of a unary call carries no message"));
  }
}
