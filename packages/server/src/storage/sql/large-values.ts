/**
 * Texts of megabytes cross the border to SQLite as bytes: its driver makes text of bytes, and bytes of text, character by
 * character, which takes 20 to 40 ms for 10 MiB that are not ASCII, where `Buffer` takes 3 to 8.
 */
export const LARGE_BYTES_MIN = 64 * 1024;

/** A text as the value of a `textParam`. */
export function crossing(text: string): string | Buffer {
  return text.length < LARGE_BYTES_MIN ? text : Buffer.from(text);
}

/** What a `textColumn` came back as. */
export function text(value: string | Buffer): string {
  return typeof value === "string" ? value : value.toString();
}
