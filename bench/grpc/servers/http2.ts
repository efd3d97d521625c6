/** gRPC by hand on `node:http2`: the least that is right on the wire. What a library on top of it adds is the rest. */
import { once } from "node:events";
import { createSecureServer, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { type Running, STREAM, serve, UNARY } from "./harness.ts";

const PREFIX_BYTES = 5;
const HEAD = { ":status": 200, "content-type": "application/grpc" };
// As grpc-js has it: the limit is for servers whose answers nobody bounds.
const OPTIONS = { maxSessionMemory: Number.MAX_SAFE_INTEGER };

serve(async (certificate): Promise<Running> => {
  const streams = new Set<ServerHttp2Stream>();
  const server = certificate === undefined ? createServer(OPTIONS) : createSecureServer({ ...OPTIONS, ...certificate });
  server.on("sessionError", () => {});
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on("error", () => {});
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    const path = headers[":path"] ?? "";
    const answer = UNARY[path];
    if (answer !== undefined) {
      unary(stream, answer);
    } else if (path === STREAM) {
      streams.add(stream);
      stream.on("close", () => streams.delete(stream));
      stream.respond(HEAD, { waitForTrailers: true });
      onMessages(stream, (message) => stream.write(framed(message)));
      stream.on("end", () => stream.end());
    } else {
      stream.respond({ ...HEAD, "grpc-status": "12" }, { endStream: true });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    openStreams: () => streams.size,
    sendToAll: (message) => {
      const frame = framed(message);
      for (const stream of streams) stream.write(frame);
    },
  };
});

function unary(stream: ServerHttp2Stream, answer: (message: Buffer) => Buffer): void {
  let request: Buffer | undefined;
  onMessages(stream, (message) => {
    request = message;
  });
  stream.on("end", () => {
    if (stream.destroyed) return;
    if (request === undefined) {
      stream.respond({ ...HEAD, "grpc-status": "13" }, { endStream: true });
      return;
    }
    stream.respond(HEAD, { waitForTrailers: true });
    stream.end(framed(answer(request)));
  });
}

/** Puts messages together from chunks, which know nothing of them. */
function onMessages(stream: ServerHttp2Stream, hear: (message: Buffer) => void): void {
  let parts: Buffer[] = [];
  let have = 0;
  let want = PREFIX_BYTES;
  stream.on("data", (chunk: Buffer) => {
    parts.push(chunk);
    have += chunk.length;
    while (have >= want) {
      const all = parts.length === 1 ? chunk : Buffer.concat(parts);
      const end = PREFIX_BYTES + all.readUInt32BE(1);
      if (have < end) {
        parts = [all];
        want = end;
        return;
      }
      hear(all.subarray(PREFIX_BYTES, end));
      have -= end;
      want = PREFIX_BYTES;
      parts = have === 0 ? [] : [all.subarray(end)];
      chunk = all.subarray(end);
    }
  });
}

function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, PREFIX_BYTES);
  return frame;
}
