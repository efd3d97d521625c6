import { readWord } from "./frames.ts";
import type { Limits } from "./limits.ts";
import { ConnectionFailure, ErrorCode, FRAME_BYTES_MAX, MAX_31, Setting } from "./protocol.ts";

export const SETTING_BYTES = 6;
const FRAME_SIZE_MAX = 0xffffff;

/** The payload of our SETTINGS frame. Values that are the default of HTTP/2 are left out. */
export function encodeSettings(isServer: boolean, limits: Limits): Buffer {
  const rows: (readonly [id: number, value: number])[] = [
    [Setting.INITIAL_WINDOW_SIZE, limits.streamWindowBytes],
    [Setting.MAX_HEADER_LIST_SIZE, limits.headerListBytesMax],
    isServer ? [Setting.MAX_CONCURRENT_STREAMS, limits.streamsMax] : [Setting.ENABLE_PUSH, 0],
  ];
  const payload = Buffer.alloc(rows.length * SETTING_BYTES);
  for (const [index, [id, value]] of rows.entries()) {
    payload.writeUInt16BE(id, index * SETTING_BYTES);
    payload.writeUInt32BE(value, index * SETTING_BYTES + 2);
  }
  return payload;
}

/** Reads a SETTINGS payload (RFC 9113, section 6.5). @throws ConnectionFailure. */
export function readSettings(payload: Buffer, fromServer: boolean, apply: (id: number, value: number) => void): void {
  if (payload.length % SETTING_BYTES !== 0) {
    throw new ConnectionFailure(ErrorCode.FRAME_SIZE_ERROR, "a SETTINGS frame of no multiple of 6 bytes");
  }
  for (let at = 0; at < payload.length; at += SETTING_BYTES) {
    const id = ((payload[at] as number) << 8) | (payload[at + 1] as number);
    const value = readWord(payload, at + 2);
    check(id, value, fromServer);
    apply(id, value);
  }
}

function check(id: number, value: number, fromServer: boolean): void {
  if (id === Setting.ENABLE_PUSH && value > (fromServer ? 0 : 1)) {
    throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, `SETTINGS_ENABLE_PUSH is ${value}`);
  }
  if (id === Setting.INITIAL_WINDOW_SIZE && value > MAX_31) {
    throw new ConnectionFailure(ErrorCode.FLOW_CONTROL_ERROR, `SETTINGS_INITIAL_WINDOW_SIZE is ${value}`);
  }
  if (id === Setting.MAX_FRAME_SIZE && (value < FRAME_BYTES_MAX || value > FRAME_SIZE_MAX)) {
    throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, `SETTINGS_MAX_FRAME_SIZE is ${value}`);
  }
}
