import type { Server } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import type { Clock } from "../../clock.ts";
import { turn } from "../../storage/turn.ts";

/** From the end of this server's half of a connection until what the client does no longer matters. */
const LINGER_MS = 1000;
/** For so many turns connections are taken before the port shuts: they may come on and on. */
const TURNS_MAX = 1000;
/** Idle connections that are ended in one turn of the event loop: some milliseconds. */
const AT_ONCE = 100;

/**
 * The open connections of a server and how many calls each carries, so that they end without harm to any call.
 *
 * A socket that is closed while bytes wait in it that nobody has read makes the system reset the connection. The client
 * then loses what it was answered, and cannot know what became of what it sent. Therefore a connection is ended by halves:
 * the client is told that nothing follows, and what it still sends is read and ignored until it has ended its own half,
 * for 1 s at most (RFC 9112, section 9.6).
 */
export class OpenConnections {
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #calls = new Map<Socket, number>();
  #taken = 0;
  #ending = false;
  #shut: Promise<void> | undefined;
  readonly #gone = Promise.withResolvers<void>();

  constructor(server: Server, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
    server.on("connection", (socket) => {
      this.#taken++;
      this.#calls.set(socket, 0);
      socket.once("close", () => this.#calls.delete(socket));
      // With this Node ends a connection whose last answer is written.
      socket.destroySoon = () => this.#end(socket);
    });
  }

  /** @returns false for what came after the last answer of its connection: it is not to be done. */
  begun(socket: Socket): boolean {
    if (socket.writableEnded) return false;
    this.#count(socket, 1);
    return true;
  }

  answered(socket: Socket): void {
    if (this.#count(socket, -1) === 0 && this.#ending) this.#end(socket);
  }

  /** Shuts the port; calls go on over connections that are open. A second call waits for the first. */
  shut(): Promise<void> {
    this.#shut ??= this.#shutPort();
    return this.#shut;
  }

  async #shutPort(): Promise<void> {
    // Those that the system has completed and this process has not taken yet would be reset with the port. It takes one in
    // each turn of the event loop.
    let before = -1;
    for (let turns = 0; turns < TURNS_MAX && before !== this.#taken; turns += 2) {
      before = this.#taken;
      await pollSockets();
    }
    // That of `http.Server` would destroy idle connections, with a request that is about to be read.
    NetServer.prototype.close.call(this.#server, () => this.#gone.resolve());
  }

  /** Resolves when the port is shut and no connection is left. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Ends connections that carry no call, and from here on each one when its calls are answered. */
  async endIdle(): Promise<void> {
    this.#ending = true;
    await pollSockets();
    let count = 0;
    for (const [socket, calls] of this.#calls) {
      if (calls > 0 || socket.writableEnded) continue;
      this.#end(socket);
      if (++count % AT_ONCE === 0) await pollSockets();
    }
  }

  destroyAll(): void {
    for (const socket of this.#calls.keys()) socket.destroy();
  }

  #count(socket: Socket, change: number): number | undefined {
    const calls = this.#calls.get(socket);
    if (calls === undefined) return undefined;
    this.#calls.set(socket, calls + change);
    return calls + change;
  }

  #end(socket: Socket): void {
    if (socket.destroyed || socket.writableEnded) return;
    socket.end(() => {
      if (socket.destroyed) return;
      const timer = this.#clock.schedule(LINGER_MS, () => socket.destroy());
      socket.once("close", () => timer.cancel());
    });
  }
}

/** Until the event loop has read what had come to all sockets when this was called. */
async function pollSockets(): Promise<void> {
  await turn();
  await turn();
}
