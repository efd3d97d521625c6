import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Bytes that one direction of one connection holds back before its sender is no longer read. */
const HELD_MAX_BYTES = 1024 * 1024;

/** One direction of a link. What is ordered holds for connections that stand and for those to come. */
export class Way {
  delayMs = 0;
  /** Infinity: as fast as it goes. */
  bytesPerSecond = Number.POSITIVE_INFINITY;
  isStalled = false;
  isSilent = false;
  /** What `silence` has swallowed so far. */
  lostBytes = 0;
  /** Sees all bytes as they come, with an object that stands for their connection. */
  tap: ((bytes: Buffer, connection: object) => void) | undefined;
  readonly #pumps = new Set<Pump>();

  /** Each byte arrives so much later. */
  delay(delayMs: number): void {
    this.delayMs = delayMs;
    this.#wake();
  }

  throttle(bytesPerSecond: number): void {
    this.bytesPerSecond = bytesPerSecond;
    this.#wake();
  }

  /** Holds everything back, ends of connections too, as a cut cable does with TCP that keeps trying; `mend` delivers it. */
  stall(): void {
    this.isStalled = true;
  }

  /** Swallows everything. A connection that lost bytes to it is reset by `mend`, for its stream has a hole. */
  silence(): void {
    this.isSilent = true;
    this.#wake();
  }

  /** Ends `stall` and `silence`; delay and throttle stay. */
  mend(): void {
    this.isStalled = false;
    this.isSilent = false;
    this.#wake();
  }

  /** For the pumps of this file. */
  join(pump: Pump): void {
    this.#pumps.add(pump);
  }

  /** For the pumps of this file. */
  leave(pump: Pump): void {
    this.#pumps.delete(pump);
  }

  #wake(): void {
    for (const pump of [...this.#pumps]) pump.flush();
  }
}

/** What becomes of a new connection: forwarded; reset at once; accepted and left waiting until `mend`. */
type Admission = "open" | "reset" | "held";

/** The state of a link from a caller to the target of a proxy. Several proxies may share one. */
export class Link {
  /** From the caller to the target. */
  readonly up = new Way();
  /** From the target to the caller. */
  readonly down = new Way();
  admission: Admission = "open";
  readonly #sockets = new Set<Socket>();
  #waiting: (() => void)[] = [];

  /** Nothing passes in either direction, and nobody is told; `mend` delivers what waited. */
  stall(): void {
    this.admission = "held";
    this.up.stall();
    this.down.stall();
  }

  /** Resets all connections that stand. */
  reset(): void {
    for (const socket of [...this.#sockets]) socket.resetAndDestroy();
  }

  /** Resets all connections, and those to come. */
  refuse(): void {
    this.admission = "reset";
    this.reset();
  }

  mend(): void {
    this.admission = "open";
    this.up.mend();
    this.down.mend();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** For the proxy: resolves when the connection may go on; false if it is to be reset. */
  async admits(socket: Socket): Promise<boolean> {
    while (this.admission === "held" && !socket.destroyed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      socket.once("close", resolve);
      await promise;
    }
    return this.admission === "open";
  }

  /** For the proxy. */
  add(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

export interface ProxySetup {
  readonly to: Endpoint;
  /** Where to listen; a free port of 127.0.0.1 if absent. */
  readonly at?: Endpoint;
  /** The link that a connection belongs to; absent: all connections are of `proxy.link`. */
  readonly linkOf?: (caller: Socket) => Link | Promise<Link>;
}

/**
 * Forwards TCP connections, and does to them what tests order. Nothing is drawn at random: equal orders at equal
 * moments of a stream have equal effects.
 */
export class TcpProxy {
  /** Of all connections, unless the set-up tells them apart. */
  readonly link = new Link();
  readonly #setup: ProxySetup;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(setup: ProxySetup) {
    this.#setup = setup;
    // Ends are forwarded like bytes: a half-closed connection stays one.
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (caller) =>
      this.#accept(caller),
    );
  }

  static async listen(setup: ProxySetup): Promise<TcpProxy> {
    const proxy = new TcpProxy(setup);
    await proxy.open();
    return proxy;
  }

  get address(): Endpoint {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  /** Listens again, after `shut`. */
  async open(): Promise<void> {
    const { host, port } = this.#setup.at ?? { host: "127.0.0.1", port: 0 };
    this.#server.listen({ host, port, backlog: 4096 });
    await once(this.#server, "listening");
  }

  /** Stops listening: new connections are refused by the machine. Those that stand go on. */
  shut(): void {
    this.#server.close();
  }

  /** Resets what stands and stops listening. */
  async close(): Promise<void> {
    const closed = this.#server.listening ? once(this.#server, "close") : undefined;
    this.#server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  async #accept(caller: Socket): Promise<void> {
    this.#keep(caller);
    const link = await (this.#setup.linkOf?.(caller) ?? this.link);
    link.add(caller);
    if (!(await link.admits(caller)) || caller.destroyed) {
      caller.resetAndDestroy();
      return;
    }
    const target = connect({ ...this.#setup.to, allowHalfOpen: true, noDelay: true });
    this.#keep(target);
    link.add(target);
    // Before the connect is done its bytes wait in the socket.
    new Pump(caller, target, link.up);
    new Pump(target, caller, link.down);
    caller.resume();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

interface Held {
  readonly at: number;
  /** Absent: the end of the stream, or with `isReset` its reset. */
  readonly bytes?: Buffer;
  readonly isReset?: boolean;
}

/** Carries the bytes of one direction of one connection. */
class Pump {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #way: Way;
  readonly #held: Held[] = [];
  #heldBytes = 0;
  #freeAt = 0;
  #hasHole = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, way: Way) {
    this.#from = from;
    this.#to = to;
    this.#way = way;
    way.join(this);
    from.on("data", (bytes: Buffer) => {
      way.tap?.(bytes, this);
      this.#heldBytes += bytes.length;
      if (this.#heldBytes >= HELD_MAX_BYTES) from.pause();
      this.#hold({ at: performance.now(), bytes });
    });
    let hasEnded = false;
    from.once("end", () => {
      hasEnded = true;
      this.#hold({ at: performance.now() });
    });
    from.once("close", () => {
      // Without an end before it, the connection was reset.
      if (!hasEnded) this.#hold({ at: performance.now(), isReset: true });
    });
    to.once("close", () => {
      clearTimeout(this.#timer);
      way.leave(this);
    });
    to.on("drain", () => this.flush());
  }

  flush(): void {
    clearTimeout(this.#timer);
    const way = this.#way;
    if (this.#hasHole && !way.isSilent) {
      this.#from.resetAndDestroy();
      this.#to.resetAndDestroy();
      return;
    }
    for (let head = this.#held[0]; head !== undefined; head = this.#held[0]) {
      if (way.isSilent) {
        this.#hasHole = true;
        way.lostBytes += head.bytes?.length ?? 0;
        this.#taken();
        continue;
      }
      if (way.isStalled || this.#to.writableNeedDrain) return;
      const now = performance.now();
      const dueAt = Math.max(head.at + way.delayMs, this.#freeAt);
      if (dueAt > now) {
        this.#timer = setTimeout(() => this.flush(), Math.ceil(dueAt - now));
        return;
      }
      this.#taken();
      if (head.bytes === undefined) {
        if (head.isReset) this.#to.resetAndDestroy();
        else this.#to.end();
        return;
      }
      this.#freeAt = now + (head.bytes.length / way.bytesPerSecond) * 1000;
      this.#to.write(head.bytes);
    }
  }

  #hold(held: Held): void {
    this.#held.push(held);
    this.flush();
  }

  #taken(): void {
    this.#heldBytes -= this.#held.shift()?.bytes?.length ?? 0;
    if (this.#heldBytes < HELD_MAX_BYTES && this.#from.isPaused()) this.#from.resume();
  }
}
