import { connect, type Socket } from "node:net";

const END_OF_HEAD = Buffer.from("\r\n\r\n");

/** A keep-alive HTTP/1.1 client for generating load: one request at a time, answers with a `Content-Length` only. */
export class HttpConnection {
  readonly #socket: Socket;
  #rest: Buffer | undefined;
  #done: ((ok: boolean, body: Buffer) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => {});
    socket.on("close", () => this.#finish(false, Buffer.alloc(0)));
  }

  static async open(port: number, host = "127.0.0.1"): Promise<HttpConnection> {
    const socket = connect({ port, host, noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new HttpConnection(socket);
  }

  /** `target` is path and query. */
  call(method: string, target: string, done: (ok: boolean, body: Buffer) => void): void {
    this.#done = done;
    this.#socket.write(
      `${method} ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Nacos-Java-Client:v1.4.7\r\nContent-Length: 0\r\n\r\n`,
      "latin1",
    );
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = bytes;
    const head = bytes.indexOf(END_OF_HEAD);
    if (head === -1) return;
    const text = bytes.toString("latin1", 0, head);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
    if (bytes.length < head + 4 + length) return;
    this.#rest = undefined;
    this.#finish(text.startsWith("HTTP/1.1 200"), bytes.subarray(head + 4));
  }

  #finish(ok: boolean, body: Buffer): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(ok, body);
  }
}
