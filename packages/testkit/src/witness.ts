import type { TransportConnection, TransportHandlers } from "@nacre/server/transport";

export type Seen =
  | { readonly type: "opened" | "streamOpened" | "drained"; readonly id: string }
  | { readonly type: "unary" | "streamMessage"; readonly id: string; readonly payload: string }
  | { readonly type: "closed"; readonly id: string; readonly cause: string };

/** Transport handlers that write down what they hear, and echo unary calls unless told otherwise. */
export class Witness implements TransportHandlers {
  readonly seen: Seen[] = [];
  readonly connections = new Map<string, TransportConnection>();
  lets: (connection: TransportConnection) => boolean = () => true;
  answers: (payload: Uint8Array) => Uint8Array | Promise<Uint8Array> = (payload) => payload;
  #checks: (() => void)[] = [];

  opened(connection: TransportConnection): boolean {
    if (!this.lets(connection)) return false;
    this.connections.set(connection.id, connection);
    this.#see({ type: "opened", id: connection.id });
    return true;
  }

  unary({ id }: TransportConnection, payload: Uint8Array): Uint8Array | Promise<Uint8Array> {
    this.#see({ type: "unary", id, payload: shown(payload) });
    return this.answers(payload);
  }

  streamOpened({ id }: TransportConnection): void {
    this.#see({ type: "streamOpened", id });
  }

  streamMessage({ id }: TransportConnection, payload: Uint8Array): void {
    this.#see({ type: "streamMessage", id, payload: shown(payload) });
  }

  drained({ id }: TransportConnection): void {
    this.#see({ type: "drained", id });
  }

  closed({ id }: TransportConnection, cause: string): void {
    this.#see({ type: "closed", id, cause });
  }

  of<T extends Seen["type"]>(type: T): Extract<Seen, { type: T }>[] {
    return this.seen.filter((one): one is Extract<Seen, { type: T }> => one.type === type);
  }

  /** Resolves with the first `count` events of a type, once there are as many. */
  async until<T extends Seen["type"]>(type: T, count = 1): Promise<Extract<Seen, { type: T }>[]> {
    while (this.of(type).length < count) await new Promise<void>((resolve) => this.#checks.push(resolve));
    return this.of(type).slice(0, count);
  }

  /** The one connection that is expected to exist. */
  get only(): TransportConnection {
    const [connection] = this.connections.values();
    if (connection === undefined) throw new Error("no connection was opened");
    return connection;
  }

  #see(one: Seen): void {
    this.seen.push(one);
    const checks = this.#checks;
    this.#checks = [];
    for (const check of checks) check();
  }
}

/** Long payloads by their length, so that a failed comparison stays readable. */
function shown(payload: Uint8Array): string {
  return payload.length > 100 ? `${payload.length} bytes` : Buffer.from(payload).toString();
}
