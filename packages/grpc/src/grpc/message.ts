import { Metadata } from "./metadata.ts";

/**
 * Of anything else the length would be taken for what it is not, and one such message is enough to lose count of all
 * that the connection has queued.
 *
 * @throws TypeError when it is no bytes.
 */
export function checkMessage(message: unknown): asserts message is Uint8Array {
  if (message instanceof Uint8Array) return;
  const what = message === null ? "null" : typeof message;
  throw new TypeError(`a message is bytes, a Uint8Array or a Buffer, not ${what}; encode it first`);
}

const STATUS_MAX = 16;

/** @throws TypeError when a call cannot end with these. */
export function checkEnd(status: unknown, message: unknown, trailers: unknown): void {
  if (!Number.isInteger(status) || (status as number) < 0 || (status as number) > STATUS_MAX) {
    throw new TypeError(`a status is one of Status, 0 to ${STATUS_MAX}, not ${String(status)}`);
  }
  if (typeof message !== "string") throw new TypeError(`the message of a status is text, not ${typeof message}`);
  checkMetadata(trailers, "trailers");
}

/** @throws TypeError when it is neither Metadata nor left out. */
export function checkMetadata(metadata: unknown, what: string): void {
  if (metadata !== undefined && !(metadata instanceof Metadata)) {
    throw new TypeError(`${what}: build them with new Metadata().add(name, value)`);
  }
}

/** @throws TypeError when a streaming method returned what cannot listen. */
export function checkListener(listener: unknown): void {
  if (typeof (listener as { message?: unknown } | undefined)?.message === "function") return;
  throw new TypeError(
    "a streaming method returns at once an object with a function 'message', not a promise or nothing",
  );
}
