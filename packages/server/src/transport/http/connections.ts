import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import { STATUS_CODES } from "../../node-http.ts";
import type { Answer } from "./answers.ts";

/** Closes connections of an address beyond `max` as soon as they are accepted. */
export function limitPerIp(server: Server, max: number): void {
  const counts = new Map<string, number>();
  server.on("connection", (socket) => {
    const ip = socket.remoteAddress ?? "";
    const count = (counts.get(ip) ?? 0) + 1;
    if (count > max) {
      socket.destroy();
      return;
    }
    counts.set(ip, count);
    socket.once("close", () => {
      const left = (counts.get(ip) ?? 1) - 1;
      if (left === 0) counts.delete(ip);
      else counts.set(ip, left);
    });
  });
}

const MALFORMED: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, "the request took too long to arrive"],
  HPE_HEADER_OVERFLOW: [431, "the request line and the headers are larger than this server takes"],
};

/** Answers what is no request, is larger than one may be, or never becomes one, and ends its connection. */
export function refuseMalformed(server: Server, answer: (status: number, message: string) => Answer): void {
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === "ECONNRESET" || socket.destroyed) return;
    const [status, message] = MALFORMED[error.code ?? ""] ?? [400, "this is no HTTP request"];
    const { type, body } = answer(status, message);
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      `content-type: ${type}`,
      `content-length: ${Buffer.byteLength(String(body))}`,
      "connection: close",
    ];
    if (socket.writable) socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
    socket.destroy(error);
  });
}
