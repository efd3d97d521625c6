import { ConnectionFailure, ErrorCode, FrameType, MAX_31 } from "./protocol.ts";

interface Rule {
  readonly name: string;
  /** Whether it belongs to a stream, to the connection, or to either. */
  readonly on: "stream" | "connection" | "either";
  /** Its length, or the least it must have. Bytes. */
  readonly size?: number;
  readonly sizeMin?: number;
}

/** What the frames of RFC 9113, section 6, have to look like. DATA, and what depends on flags, is checked elsewhere. */
const RULES: Readonly<Record<number, Rule>> = {
  [FrameType.HEADERS]: { name: "HEADERS", on: "stream" },
  [FrameType.PRIORITY]: { name: "PRIORITY", on: "stream", size: 5 },
  [FrameType.RST_STREAM]: { name: "RST_STREAM", on: "stream", size: 4 },
  [FrameType.SETTINGS]: { name: "SETTINGS", on: "connection" },
  [FrameType.PING]: { name: "PING", on: "connection", size: 8 },
  [FrameType.GOAWAY]: { name: "GOAWAY", on: "connection", sizeMin: 8 },
  [FrameType.WINDOW_UPDATE]: { name: "WINDOW_UPDATE", on: "either", size: 4 },
  [FrameType.CONTINUATION]: { name: "CONTINUATION", on: "stream" },
};

/** @throws ConnectionFailure when a frame stands where its type may not, or has a length that its type does not have. */
export function checkShape(type: number, streamId: number, size: number): void {
  const rule = RULES[type];
  if (rule === undefined) return;
  if (rule.on === "stream" && streamId === 0) {
    throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, `${rule.name} on stream 0`);
  }
  if (rule.on === "connection" && streamId !== 0) {
    throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, `${rule.name} on stream ${streamId}`);
  }
  if (size === (rule.size ?? size) && size >= (rule.sizeMin ?? 0)) return;
  throw new ConnectionFailure(ErrorCode.FRAME_SIZE_ERROR, `a ${rule.name} frame of ${size} bytes`);
}

/** A stream error in RFC 7540, section 5.3.1. RFC 9113 has dropped priorities; nobody who is well sends such a frame. */
export function checkParent(id: number, parent: number): void {
  if ((parent & MAX_31) === id) {
    throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, `stream ${id} depends on itself`);
  }
}
