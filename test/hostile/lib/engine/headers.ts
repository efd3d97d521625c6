/** Header blocks that are small on the wire and large in memory, or slow to read. */

import { FrameType } from "@nacre/grpc/machine";
import { encodeFields } from "../../../../packages/grpc/src/hpack/encoder.ts";
import {
  continuation,
  type Fields,
  frame,
  headers,
  REQUEST,
} from "../../../../packages/grpc/src/http2/wire.fixture.ts";
import { type Attacks, CALM, Flag, HOLD, ids } from "./attack.ts";
import { RawConnection, type RawOptions } from "./raw-connection.ts";

const FRAME_BYTES_MAX = 16_384;
/** The newest entry of the dynamic table. */
const NEWEST = 0xc0 - 2;

/** A literal that is added to the table. */
export function indexed(name: string, value: string): Buffer {
  const literal = encodeFields([[name, value]]);
  return Buffer.concat([Buffer.of(0x40), literal.subarray(1)]);
}

/** A block in as many frames as it needs. */
export function block(id: number, bytes: Buffer, flags = 0): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += FRAME_BYTES_MAX) {
    const part = bytes.subarray(at, at + FRAME_BYTES_MAX);
    const last = at + FRAME_BYTES_MAX >= bytes.length ? Flag.END_HEADERS : 0;
    parts.push(at === 0 ? frame(FrameType.HEADERS, last | flags, id, part) : continuation(id, part, last));
  }
  return Buffer.concat(parts);
}

const path = (to: string): Fields => REQUEST.map(([name, value]) => (name === ":path" ? [name, to] : [name, value]));
const ECHO = encodeFields(path("/t.T/Echo"));

/** What the status of the last answer is, of those that came as status alone. */
function status(connection: RawConnection): string {
  const text = connection.block.toString("latin1");
  const at = text.indexOf("grpc-status");
  return at === -1 ? "no status" : `status ${text.slice(at + 12, at + 12 + (connection.block[at + 11] as number))}`;
}

async function answers(connection: RawConnection, count: number): Promise<string> {
  await connection.until(() => connection.answered.size >= count);
  const words = connection.goaway ?? (connection.closed ? "closed" : status(connection));
  connection.destroy();
  return words;
}

/** Puts one field into the table, then calls with heads that name it, each different from the one before. */
async function refer(server: RawOptions, name: string, value: string, calls: number, times = 1): Promise<string> {
  const connection = await RawConnection.open(server);
  await connection.send(headers(1, Buffer.concat([ECHO, indexed(name, value)]), Flag.END_STREAM));
  const blocks = [0, 1].map((at) =>
    Buffer.concat([ECHO, Buffer.alloc(times, NEWEST), encodeFields([["a", String(at)]])]),
  );
  await connection.send(
    Buffer.concat(ids(calls, 3).map((id, at) => headers(id, blocks[at % 2] as Buffer, Flag.END_STREAM))),
  );
  return answers(connection, calls + 1);
}

export const HEADS: Attacks = {
  "that names one large entry of the table sixteen thousand times": {
    answer: "GOAWAY ENHANCE_YOUR_CALM: too many costly HEADERS frames",
    run: (server) => refer(server, "bomb", "x".repeat(4000), 500, 16_000),
  },
  "that changes the size of the table and all that is in it with each block": {
    answer: "GOAWAY ENHANCE_YOUR_CALM: too many costly HEADERS frames",
    async run(server) {
      const connection = await RawConnection.open(server);
      const thrash = Buffer.concat([
        Buffer.of(0x20, 0x3f, 0xe1, 0x1f),
        ECHO,
        ...Array.from({ length: 120 }, (_, at) => indexed(`n${at}`, "")),
      ]);
      const calls = ids(5000);
      for (let at = 0; at < calls.length && !connection.closed; at += 100) {
        await connection.send(
          Buffer.concat(calls.slice(at, at + 100).map((id) => headers(id, thrash, Flag.END_STREAM))),
        );
      }
      return answers(connection, calls.length);
    },
  },
  "over the limit of fields": {
    answer: "status 8",
    async run(server) {
      const large = Buffer.concat([ECHO, encodeFields([["large", "x".repeat(20_000)]])]);
      const connection = await RawConnection.open(server, { more: [block(1, large, Flag.END_STREAM)] });
      return answers(connection, 1);
    },
  },
  "over the limit of a block": {
    answer: CALM,
    async run(server) {
      const large = Buffer.concat([ECHO, encodeFields([["large", "x".repeat(70_000)]])]);
      return (await RawConnection.open(server, { more: [block(1, large)] })).ending();
    },
  },
  "whose string says it has a quarter of a gigabyte": {
    answer: /^GOAWAY COMPRESSION_ERROR/,
    run: async (server) =>
      (
        await RawConnection.open(server, { more: [headers(1, Buffer.of(0, 1, 0x61, 0x7f, 0x81, 0xff, 0xff, 0x7f))] })
      ).ending(),
  },
  "whose integer has no end": {
    answer: /^GOAWAY COMPRESSION_ERROR/,
    run: async (server) =>
      (
        await RawConnection.open(server, {
          more: [headers(1, Buffer.concat([Buffer.of(0x7f), Buffer.alloc(999, 0xff)]))],
        })
      ).ending(),
  },
  "whose accepted encodings are blanks between two letters": {
    answer: "status 3",
    run: (server) => refer(server, "grpc-accept-encoding", `a${" ".repeat(4000)}a`, 700),
  },
  "whose binary values are commas": {
    answer: "status 3",
    run: (server) => refer(server, "comma-bin", ",".repeat(4000), 700, 3),
  },
  "whose text is blanks": {
    answer: "status 3",
    run: (server) => refer(server, "blank", `a${" ".repeat(4000)}a`, 700, 3),
  },
};

/** So many open calls on each connection, each with as many fields as are taken, of one byte each. */
export async function openHeads(server: RawOptions, connections: number, calls: number): Promise<string> {
  const fields = Buffer.alloc(330, 0x8f);
  const blocks = [0, 1].map((at) => Buffer.concat([HOLD, encodeFields([["a", String(at)]]), fields]));
  const all = await Promise.all(ids(connections).map(() => RawConnection.open(server)));
  await Promise.all(
    all.map(async (connection) => {
      const opening = ids(calls).map((id, at) => headers(id, blocks[at % 2] as Buffer));
      for (let at = 0; at < opening.length; at += 100)
        await connection.send(Buffer.concat(opening.slice(at, at + 100)));
    }),
  );
  await Promise.all(
    all.map(async (connection) => {
      // What is answered to this was read after all that was sent before.
      await connection.send(frame(FrameType.PING, 0, 0, Buffer.alloc(8)));
      await connection.until(() => connection.pongs > 0);
    }),
  );
  const endings = all.map((connection) => connection.goaway ?? [...connection.resets.values()][0] ?? "open");
  for (const connection of all) connection.destroy();
  return [...new Set(endings)].join(", ");
}
