/** Peers that make the server hold what they do not take, or do not finish. */
import { FrameType, Setting } from "@nacre/grpc/machine";
import {
  data,
  frame,
  headers,
  settings,
  windowUpdate,
  words,
} from "../../../../packages/grpc/src/http2/wire.fixture.ts";
import { type Attacks, CALM, CHAT, ECHO, ids, large, MEBIBYTE } from "./attack.ts";
import { RawConnection, type RawOptions } from "./raw-connection.ts";

const WINDOW_MAX = 2 ** 31 - 1;
const FRAME_BYTES_MAX = 16_384;

async function connections(server: RawOptions, count: number, initialWindow: number): Promise<RawConnection[]> {
  const more = initialWindow === 0 ? [] : [windowUpdate(0, 1 << 30)];
  return Promise.all(ids(count).map(() => RawConnection.open(server, { initialWindow, more })));
}

/** How the connections ended, each answer once, all ended. */
export function ends(all: readonly RawConnection[]): string {
  const words = all.map((connection) => {
    const end = connection.goaway ?? (connection.closed ? "closed" : "open");
    connection.destroy();
    return end;
  });
  return [...new Set(words)].sort().join("; ");
}

/** Waits until the server has read all that was sent before, or has ended the connection. */
async function read(connection: RawConnection): Promise<void> {
  const { pongs } = connection;
  await connection.send(frame(FrameType.PING, 0, 0, Buffer.alloc(8)));
  await connection.until(() => connection.pongs > pongs);
}

/** Asks on each connection for so many answers, and makes no room for them. */
export async function hoard(server: RawOptions, count: number, answers: number, bytes: number): Promise<string> {
  const all = await connections(server, count, 0);
  await Promise.all(
    all.map((connection) => connection.send(Buffer.concat(ids(answers).map((id) => large(id, bytes))))),
  );
  await Promise.all(all.map(read));
  return ends(all);
}

/** The same with room in HTTP/2 and none in TCP. */
export async function unread(server: RawOptions, count: number, answers: number, bytes: number): Promise<string> {
  const all = await connections(server, count, WINDOW_MAX);
  for (const { socket } of all) socket.pause();
  await Promise.all(
    all.map((connection) => connection.send(Buffer.concat(ids(answers).map((id) => large(id, bytes))))),
  );
  // Others have been served for a while when a new connection of ours is.
  for (let round = 0; round < 20; round++) {
    const probe = await RawConnection.open(server);
    await read(probe);
    probe.destroy();
  }
  // Whoever does not read does not see the end either.
  for (const { socket } of all) socket.resume();
  await Promise.all(all.map(read));
  return ends(all);
}

/** Begins messages of 4 MiB, as many on each connection, and sends no more of them than that. */
export async function begin(
  server: RawOptions,
  count: number,
  messages: number,
  sent: Uint8Array = Buffer.alloc(MEBIBYTE - 20_000),
): Promise<RawConnection[]> {
  const all = await connections(server, count, WINDOW_MAX);
  const most = Buffer.concat([Buffer.of(0), words(4 * MEBIBYTE), sent]);
  const pieces: Buffer[] = [];
  for (let at = 0; at < most.length; at += FRAME_BYTES_MAX) pieces.push(most.subarray(at, at + FRAME_BYTES_MAX));
  for (const id of ids(messages)) {
    await Promise.all(
      all.map(async (connection) => {
        await connection.send(headers(id, ECHO), ...pieces.map((piece) => data(id, piece)));
        await read(connection);
      }),
    );
  }
  return all;
}

export const STALLS: Attacks = {
  "that asks for large answers and opens no window": {
    answer: CALM,
    run: (server) => hoard(server, 1, 1000, MEBIBYTE),
  },
  "that reads a large answer byte by byte (CVE-2019-9511)": {
    answer: CALM,
    async run(server) {
      const connection = await RawConnection.open(server, { initialWindow: 1, more: [large(1, MEBIBYTE)] });
      for (let at = 0; at < 5000 && !connection.closed; at++) await connection.send(windowUpdate(1, 1));
      return connection.ending();
    },
  },
  "that opens windows of single bytes for a thousand large answers": {
    answer: CALM,
    async run(server) {
      const connection = await RawConnection.open(server, { initialWindow: 0 });
      await connection.send(Buffer.concat(ids(1000).map((id) => large(id, 10_000))));
      for (let at = 0; at < 5 && !connection.closed; at++) {
        await connection.send(Buffer.concat(ids(1000).map((id) => windowUpdate(id, 1))));
      }
      return connection.ending();
    },
  },
  "that closes the windows of streams that were promised more": {
    answer: "open",
    async run(server) {
      const connection = await RawConnection.open(server, { initialWindow: 1000 });
      await connection.send(
        Buffer.concat(ids(500).map((id) => large(id, 10_000))),
        settings([Setting.INITIAL_WINDOW_SIZE, 0]),
      );
      await read(connection);
      return ends([connection]);
    },
  },
  "that overflows the window of the connection": {
    answer: /^GOAWAY FLOW_CONTROL_ERROR/,
    run: async (server) => (await RawConnection.open(server, { more: [windowUpdate(0, WINDOW_MAX)] })).ending(),
  },
  "that overflows the windows of streams by a setting": {
    answer: /^GOAWAY FLOW_CONTROL_ERROR/,
    run: async (server) =>
      (
        await RawConnection.open(server, {
          more: [
            headers(1, CHAT),
            windowUpdate(1, WINDOW_MAX - 65_535),
            settings([Setting.INITIAL_WINDOW_SIZE, 65_536]),
          ],
        })
      ).ending(),
  },
  "that sets a window of 2^31": {
    answer: /^GOAWAY FLOW_CONTROL_ERROR/,
    run: async (server) => (await RawConnection.open(server, { initialWindow: 2 ** 31 })).ending(),
  },
};
