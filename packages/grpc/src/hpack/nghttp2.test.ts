import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { describe, type TestContext, test } from "node:test";
import { HpackDecoder } from "./decoder.ts";
import { encodeFields, TABLE_SIZE_ZERO } from "./encoder.ts";
import { decoded, type Field, ReferenceEncoder, tableBytes, tableOf } from "./encoding.fixture.ts";
import { STATIC_TABLE } from "./static-table.ts";

/** HPACK as nghttp2 has it, which Node carries: an implementation that shares nothing with ours. */

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS = 1;
const SETTINGS = 4;
const END_STREAM_AND_HEADERS = 5;
const PRIORITY = 0x20;
const HEADER_TABLE_SIZE = 1;

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function tableSizeSetting(bytes: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(HEADER_TABLE_SIZE, 0);
  payload.writeUInt32BE(bytes, 2);
  return frame(SETTINGS, 0, 0, payload);
}

/** The frames of what a client sends, its preface left out. */
async function* framesFrom(socket: net.Socket) {
  let held = Buffer.alloc(0);
  let skip = PREFACE.length;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    held = Buffer.concat([held, chunk]);
    if (held.length < skip) continue;
    held = held.subarray(skip);
    skip = 0;
    while (held.length >= 9 && held.length >= 9 + held.readUIntBE(0, 3)) {
      const end = 9 + held.readUIntBE(0, 3);
      yield { type: held.readUInt8(3), flags: held.readUInt8(4), payload: held.subarray(9, end) };
      held = held.subarray(end);
    }
  }
}

async function listening(t: TestContext, server: net.Server | http2.Http2Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

/** What a gRPC client may send as its n-th request: some fields stay, some change, some come once. */
function requestFields(nth: number): Field[] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", nth % 3 === 0 ? "/Request/request" : "/BiRequestStream/requestBiStream"],
    [":authority", "127.0.0.1:9848"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ["user-agent", "grpc-java-netty/1.63.0"],
    ["grpc-timeout", `${nth}m`],
    ["authorization", "Bearer secret"],
    [`own-${nth}`, "\u00e9\u00ff ~^{}|\\#$".repeat(nth % 9)],
  ];
}

describe("blocks that nghttp2 writes", () => {
  test("are read, with the table size that it was told", async (t) => {
    // Each size is in force for some requests: nghttp2 then writes size updates, and evicts.
    const sizes = [4096, 256, 0, 1000];
    const server = net.createServer();
    const port = await listening(t, server);
    const accepted = once(server, "connection") as Promise<[net.Socket]>;
    const client = http2.connect(`http://127.0.0.1:${port}`);
    t.after(() => client.destroy());
    client.on("error", () => {});
    const [socket] = await accepted;
    t.after(() => socket.destroy());
    const frames = framesFrom(socket);
    const decoder = new HpackDecoder();
    let nth = 0;

    for (const bytes of sizes) {
      const told = once(client, "remoteSettings");
      socket.write(tableSizeSetting(bytes));
      await told;
      for (let request = 0; request < 20; request += 1) {
        const fields = requestFields(nth);
        nth += 1;
        client.request(Object.fromEntries(fields)).on("error", () => {});
        assert.deepEqual(sorted(decoded(decoder, await nextBlock(frames))), sorted(fields));
      }
      const held = tableBytes(tableOf(decoder));
      assert.ok(held <= bytes && (held > 0 || bytes < 100), `${held} of ${bytes} bytes are in use`);
    }
  });

  async function nextBlock(frames: ReturnType<typeof framesFrom>): Promise<Uint8Array> {
    for (;;) {
      const { value, done } = await frames.next();
      assert.ok(!done, "the client closed the connection");
      if (value.type === HEADERS) return value.payload.subarray((value.flags & PRIORITY) !== 0 ? 5 : 0);
    }
  }
});

describe("blocks that nghttp2 reads", () => {
  test("are the encoder's, after TABLE_SIZE_ZERO too", async (t) => {
    const { ask } = await serverOfNode(t);
    for (let nth = 0; nth < 20; nth += 1) {
      const fields = requestFields(nth);
      const block = encodeFields(fields);
      assert.deepEqual(await ask(nth % 5 === 0 ? Buffer.concat([TABLE_SIZE_ZERO, block]) : block), sorted(fields));
    }
  });

  test("name what the static table names (RFC 7541, Appendix A)", async (t) => {
    const { ask } = await serverOfNode(t);
    const values: Record<string, string> = { host: "127.0.0.1", "content-length": "0" };
    const regular = STATIC_TABLE.filter(([name]) => !name.startsWith(":") && name !== "transfer-encoding");
    assert.equal(regular.length, 46);
    for (const [name, value] of regular) {
      const fields: Field[] = [...requestFields(1).slice(0, 4), [name, values[name] ?? value]];
      assert.deepEqual(await ask(encodeFields(fields)), sorted(fields));
    }
  });

  test("are the fixture's, in every representation", async (t) => {
    const { ask } = await serverOfNode(t);
    const encoder = new ReferenceEncoder();
    const representations = ["indexed", "incremental", "without", "never"] as const;
    for (let nth = 0; nth < 60; nth += 1) {
      const fields = requestFields(nth);
      const block = nth % 10 === 9 ? [...encoder.resize(0), ...encoder.resize(nth * 60)] : [];
      for (const [place, field] of fields.entries()) {
        const representation = representations[((nth >> 2) + place) % 4] ?? "indexed";
        const options = { representation, huffman: nth % 2 === 0, nameByIndex: nth % 3 > 0 };
        block.push(...encoder.field(field, options));
      }
      assert.deepEqual(await ask(Buffer.from(block)), sorted(fields));
    }
  });

  /** A server of Node, and a client that sends it blocks as they are. */
  async function serverOfNode(t: TestContext) {
    const server = http2.createServer();
    const port = await listening(t, server);
    const socket = net.connect(port, "127.0.0.1");
    t.after(() => socket.destroy());
    socket.resume();
    socket.write(Buffer.concat([Buffer.from(PREFACE), frame(SETTINGS, 0, 0, Buffer.alloc(0))]));
    const refused = once(socket, "close").then(() => assert.fail("nghttp2 closed the connection"));
    refused.catch(() => {});
    let stream = 1;
    const ask = async (block: Uint8Array): Promise<Field[]> => {
      const got = once(server, "stream") as Promise<unknown[]>;
      socket.write(frame(HEADERS, END_STREAM_AND_HEADERS, stream, block));
      stream += 2;
      const [own, , , raw] = (await Promise.race([got, refused])) as [
        http2.ServerHttp2Stream,
        unknown,
        unknown,
        string[],
      ];
      own.on("error", () => {});
      own.respond({}, { endStream: true });
      const fields: Field[] = [];
      for (let at = 0; at < raw.length; at += 2) fields.push([raw[at] ?? "", raw[at + 1] ?? ""]);
      return sorted(fields);
    };
    return { ask };
  }
});

/** Node puts pseudo-header fields in an order of its own. */
function sorted(fields: readonly Field[]): Field[] {
  return fields.toSorted(([a], [b]) => (a < b ? -1 : 1));
}
