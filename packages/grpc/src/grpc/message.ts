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
