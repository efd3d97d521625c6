/** Frames that cost their sender next to nothing, in numbers. */
import { FrameType } from "@nacre/grpc/machine";
import {
  continuation,
  data,
  frame,
  goaway,
  headers,
  lastData,
  lastHeaders,
  message,
  paddedData,
  ping,
  priority,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
  words,
} from "../../../../packages/grpc/src/http2/wire.fixture.ts";
import { type Attack, type Attacks, CALM, CHAT, ECHO, Flag, HOLD, ids, many, Setting } from "./attack.ts";
import { RawConnection, type RawOptions } from "./raw-connection.ts";

const TIMES = 700;
const MAX_31 = 0x7fffffff;

/** Sends the same again and again on a connection that has one open stream, number 1. */
function flood(unit: Uint8Array, answer: Attack["answer"] = CALM): Attack {
  return {
    answer,
    async run(server) {
      const connection = await RawConnection.open(server, { more: [headers(1, HOLD)] });
      await connection.flood(many(unit), TIMES);
      return connection.ending();
    },
  };
}

/** Opens streams one after the other, and does the same to each. */
function perStream(unit: (id: number) => Uint8Array, answer: Attack["answer"] = CALM): Attack {
  return {
    answer,
    async run(server) {
      const connection = await RawConnection.open(server);
      for (let at = 0; at < 40 && !connection.closed; at++) {
        await connection.send(Buffer.concat(ids(500, 1 + at * 1000).map(unit)));
      }
      return connection.ending();
    },
  };
}

const both = (...parts: Uint8Array[]): Buffer => Buffer.concat(parts);

export const RESETS: Attacks = {
  "that resets each stream that it opens (CVE-2023-44487)": perStream((id) => both(headers(id, HOLD), rstStream(id))),
  "that resets unary calls before they are complete": perStream((id) => both(headers(id, ECHO), rstStream(id))),
  "that makes us reset by a window update of nothing (CVE-2025-8671)": perStream((id) =>
    both(lastHeaders(id, HOLD), windowUpdate(id, 0)),
  ),
  "that makes us reset by windows that overflow": perStream((id) =>
    both(lastHeaders(id, HOLD), windowUpdate(id, MAX_31)),
  ),
  "that makes us reset by content after the end": perStream((id) => both(lastHeaders(id, HOLD), data(id, "more"))),
  "that makes us reset by a head after the end": perStream((id) => both(lastHeaders(id, HOLD), headers(id, HOLD))),
  "that makes us reset by trailers that do not end": perStream((id) =>
    both(headers(id, HOLD), headers(id, Buffer.of())),
  ),
  "that makes us reset by malformed heads": perStream((id) => headers(id, Buffer.of(0x82, 0x82))),
  "that depends on itself": perStream((id) => both(lastHeaders(id, HOLD), priority(id, id)), /^GOAWAY PROTOCOL_ERROR/),
  "that resets what was never opened": flood(rstStream(MAX_31), /^GOAWAY PROTOCOL_ERROR/),
  "that resets what was reset": {
    answer: CALM,
    async run(server) {
      const connection = await RawConnection.open(server, { more: [headers(1, HOLD)] });
      await connection.flood(many(rstStream(1)), TIMES);
      return connection.ending();
    },
  },
};

const manySettings = settings(...Array.from({ length: 2730 }, (_, at) => [Setting.INITIAL_WINDOW_SIZE, at] as const));

export const IDLE: Attacks = {
  "of pings": flood(ping()),
  "of answers to pings that were never sent": flood(ping("12345678", Flag.ACK)),
  "of settings": flood(settings([Setting.INITIAL_WINDOW_SIZE, 1])),
  "of settings, thousands in a frame": flood(manySettings),
  "of answers to settings": flood(settingsAck()),
  "of window updates for the connection": flood(windowUpdate(0, 1)),
  "of window updates for a stream": flood(windowUpdate(1, 1)),
  "of empty content": flood(data(1, "")),
  "of content that is all padding": flood(paddedData(1, Buffer.of(), 255)),
  "of priorities": flood(priority(3)),
  "of frames of an unknown type": flood(frame(0xbe, 0xff, 1)),
  "of large frames of an unknown type": flood(frame(0xbe, 0xff, 1, Buffer.alloc(16_384))),
  "of GOAWAY": flood(goaway(0)),
  "of content in single bytes that never make a message": {
    answer: /^open/,
    async run(server) {
      const connection = await RawConnection.open(server, { more: [headers(1, CHAT)] });
      await connection.send(data(1, Buffer.concat([Buffer.of(0), words(1024 * 1024)])));
      await connection.flood(many(data(1, "x"), 6500), 100);
      const still = connection.closed ? "closed" : "open";
      connection.destroy();
      return still;
    },
  },
  "of calls that nobody asked to hurry": {
    answer: "answered",
    async run(server) {
      const connection = await RawConnection.open(server, { more: [windowUpdate(0, 1 << 30)] });
      for (let at = 0; at < 100 && !connection.closed; at++) {
        const calls = ids(400, 1 + at * 800);
        await connection.send(Buffer.concat(calls.map((id) => both(headers(id, ECHO), lastData(id, message("x"))))));
        await connection.until(() => connection.answered.size >= calls.length * (at + 1));
      }
      const words = connection.goaway ?? "answered";
      connection.destroy();
      return words;
    },
  },
  "of pings, answers unread": {
    // Whoever does not read in time does not read the reason either.
    answer: "closed",
    async run(server) {
      const connection = await RawConnection.open(server);
      connection.socket.pause();
      await connection.flood(many(ping()), 100);
      connection.socket.resume();
      return connection.ending();
    },
  },
  "of pings within what is allowed, on many connections, answers unread": {
    answer: "open",
    async run(server) {
      const all = await Promise.all(ids(200).map(() => RawConnection.open(server)));
      for (const { socket } of all) socket.pause();
      await Promise.all(all.map((connection) => connection.send(many(ping(), 1500))));
      for (const connection of all) connection.destroy();
      return "open";
    },
  },
  "of settings that move the windows of ten thousand streams": {
    answer: CALM,
    async run(server) {
      const connection = await RawConnection.open(server);
      await connection.send(Buffer.concat(ids(10_000).map((id) => headers(id, HOLD))));
      const changes = Array.from({ length: 4000 }, (_, at) => settings([Setting.INITIAL_WINDOW_SIZE, 1 + (at % 2)]));
      await connection.flood(Buffer.concat(changes), 10);
      return connection.ending();
    },
  },
  "of settings that let ten thousand answers out byte by byte": {
    answer: CALM,
    async run(server) {
      const connection = await RawConnection.open(server, { initialWindow: 0, more: [windowUpdate(0, 1 << 30)] });
      await connection.send(
        Buffer.concat(ids(9999).map((id) => both(headers(id, ECHO), lastData(id, message("x".repeat(2000)))))),
      );
      for (let window = 1; window < 1500 && !connection.closed; window++) {
        await connection.send(settings([Setting.INITIAL_WINDOW_SIZE, window]));
      }
      return connection.ending();
    },
  },
};

async function blockFlood(server: RawOptions, first: Buffer, part: Buffer): Promise<string> {
  const connection = await RawConnection.open(server);
  await connection.send(frame(FrameType.HEADERS, 0, 1, first));
  await connection.flood(many(part), TIMES);
  return connection.ending();
}

/** A field without indexing of so many octets in all. */
const filler = Buffer.concat([Buffer.of(0, 1, 0x61, 0x7f, 0x80, 0x7f), Buffer.alloc(16_255, "x")]);

export const CONTINUATIONS: Attacks = {
  "without end (CVE-2024-27316)": { answer: CALM, run: (server) => blockFlood(server, ECHO, continuation(1, filler)) },
  "of nothing, without end": { answer: CALM, run: (server) => blockFlood(server, ECHO, continuation(1, Buffer.of())) },
  "of single bytes": { answer: CALM, run: (server) => blockFlood(server, ECHO, continuation(1, Buffer.of(0x82))) },
  "larger than a frame may be": {
    answer: /^GOAWAY FRAME_SIZE_ERROR/,
    run: (server) => blockFlood(server, ECHO, continuation(1, Buffer.alloc(16_385))),
  },
  "without a head before": {
    answer: /^GOAWAY PROTOCOL_ERROR/,
    run: async (server) =>
      (await RawConnection.open(server, { more: [continuation(1, ECHO, Flag.END_HEADERS)] })).ending(),
  },
  "with another frame among them": {
    answer: /^GOAWAY PROTOCOL_ERROR/,
    run: async (server) =>
      (await RawConnection.open(server, { more: [frame(FrameType.HEADERS, 0, 1, ECHO), ping()] })).ending(),
  },
  "that leave the block open": {
    answer: CALM,
    run: async (server) =>
      (await RawConnection.open(server, { more: [frame(FrameType.HEADERS, 0, 1, ECHO)] })).ending(),
  },
};

/** A frame of every type, each of a length that its type does not allow, and the answer. */
export const WRONG_LENGTHS: readonly (readonly [what: string, frame: Buffer, answer: RegExp])[] = [
  ["DATA, padded, without a length of padding", frame(FrameType.DATA, Flag.PADDED, 1), /FRAME_SIZE_ERROR/],
  ["DATA, padding longer than the frame", frame(FrameType.DATA, Flag.PADDED, 1, Buffer.of(9, 0)), /PROTOCOL_ERROR/],
  ["HEADERS, padded, without a length of padding", frame(FrameType.HEADERS, Flag.PADDED, 3), /FRAME_SIZE_ERROR/],
  [
    "HEADERS, padding longer than the frame",
    frame(FrameType.HEADERS, Flag.PADDED, 3, Buffer.of(9, 0)),
    /PROTOCOL_ERROR/,
  ],
  ["HEADERS, priority cut off", frame(FrameType.HEADERS, Flag.PRIORITY, 3, Buffer.alloc(4)), /FRAME_SIZE_ERROR/],
  ["PRIORITY", frame(FrameType.PRIORITY, 0, 1, Buffer.alloc(4)), /FRAME_SIZE_ERROR/],
  ["RST_STREAM", frame(FrameType.RST_STREAM, 0, 1, Buffer.alloc(3)), /FRAME_SIZE_ERROR/],
  ["SETTINGS", frame(FrameType.SETTINGS, 0, 0, Buffer.alloc(5)), /FRAME_SIZE_ERROR/],
  ["SETTINGS, an answer with content", frame(FrameType.SETTINGS, Flag.ACK, 0, Buffer.alloc(6)), /FRAME_SIZE_ERROR/],
  ["PUSH_PROMISE", frame(FrameType.PUSH_PROMISE, Flag.END_HEADERS, 1, Buffer.alloc(5)), /PROTOCOL_ERROR/],
  ["PING", frame(FrameType.PING, 0, 0, Buffer.alloc(7)), /FRAME_SIZE_ERROR/],
  ["GOAWAY", frame(FrameType.GOAWAY, 0, 0, Buffer.alloc(7)), /FRAME_SIZE_ERROR/],
  ["WINDOW_UPDATE", frame(FrameType.WINDOW_UPDATE, 0, 0, Buffer.alloc(5)), /FRAME_SIZE_ERROR/],
  ...Object.entries(FrameType).map(
    ([name, type]) =>
      [
        `${name} of 16 MiB`,
        Buffer.concat([Buffer.of(0xff, 0xff, 0xff, type, 0, 0, 0, 0, 1)]),
        /FRAME_SIZE_ERROR/,
      ] as const,
  ),
];

export async function wrongLength(server: RawOptions, wrong: Buffer): Promise<string> {
  return (await RawConnection.open(server, { more: [headers(1, HOLD), wrong] })).ending();
}
