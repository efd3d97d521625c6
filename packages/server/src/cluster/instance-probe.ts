import { connect, isIP } from "node:net";
import type { ClientId, Contents } from "@nacre/core/distro";
import type { Clock, Timer } from "../clock.ts";
import type { Resolve } from "./lookup/resolve.ts";

/**
 * Connections under way at once, over all orders: a lost member may leave a hundred thousand clients, told in orders of
 * some thousands. Twice as many would hold the event loop twice as long where all are refused; half as many would find
 * fewer where each takes its second.
 */
const CONNECTS_MAX = 128;
/** One that answers is enough, and a client with many instances must not take everybody's time. */
const INSTANCES_MAX = 3;
const CONNECT_MS = 1_000;
/** Answers are told together, as each one is told to the other members. */
const TELL_MS = 250;

/** Whether somebody listens there. Never rejects. */
export type Connects = (host: string, port: number) => Promise<boolean>;

export interface ProbeOrder {
  readonly clientIds: readonly ClientId[];
  /** Nobody waits for an answer after this long. */
  readonly withinMs: number;
  readonly answered: (clientIds: readonly ClientId[]) => void;
}

/** An order of which clients are left. */
interface Underway extends Pick<ProbeOrder, "answered"> {
  readonly left: Iterator<ClientId>;
  readonly until: number;
}

/**
 * Finds out whether processes whose member is lost are still there, by connecting to what they published. Silence
 * proves nothing and is not told.
 */
export class InstanceProbe {
  readonly #clock: Clock;
  readonly #contentsOf: (id: ClientId) => Contents | undefined;
  readonly #connects: Connects;
  /** Served in turn, a client of each. */
  readonly #orders = new Set<Underway>();
  readonly #found = new Map<ProbeOrder["answered"], ClientId[]>();
  #connecting = 0;
  #telling: Timer | undefined;
  #stopped = false;

  constructor(clock: Clock, contentsOf: (id: ClientId) => Contents | undefined, connects: Connects) {
    this.#clock = clock;
    this.#contentsOf = contentsOf;
    this.#connects = connects;
  }

  probe({ clientIds, withinMs, answered }: ProbeOrder): void {
    this.#orders.add({ left: clientIds.values(), until: this.#clock.now() + withinMs, answered });
    for (let free = CONNECTS_MAX - this.#connecting; free > 0 && this.#orders.size > 0; free--) void this.#work();
  }

  stop(): void {
    this.#stopped = true;
    this.#telling?.cancel();
  }

  /** Asks one client after the other, until none is left. */
  async #work(): Promise<void> {
    this.#connecting++;
    for (const order of this.#orders) {
      this.#orders.delete(order);
      const { value: id, done } = order.left.next();
      if (done === true || this.#stopped || this.#clock.now() >= order.until) continue;
      // Behind the others; the walk meets it again.
      this.#orders.add(order);
      if (await this.#answers(id)) this.#note(order.answered, id);
    }
    this.#connecting--;
  }

  #note(answered: ProbeOrder["answered"], id: ClientId): void {
    if (this.#stopped) return;
    const found = this.#found.get(answered) ?? [];
    this.#found.set(answered, found);
    found.push(id);
    this.#telling ??= this.#clock.schedule(TELL_MS, () => this.#tell());
  }

  #tell(): void {
    this.#telling = undefined;
    for (const [answered, clientIds] of this.#found) {
      this.#found.delete(answered);
      answered(clientIds);
    }
  }

  async #answers(id: ClientId): Promise<boolean> {
    let tried = 0;
    for (const { instances } of this.#contentsOf(id)?.publications ?? [])
      for (const { ip, port } of instances) {
        if (tried++ >= INSTANCES_MAX) return false;
        if (await this.#connects(ip, port)) return true;
      }
    return false;
  }
}

/** @param resolve  for instances that are published by a name: the system's lookups keep files waiting, so few may run. */
export function connectsByTcp(resolve: Resolve): Connects {
  return async (host, port) => {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return false;
    const ip = isIP(host) === 0 ? (await resolve(host)).ips[0] : host;
    return ip !== undefined && connectsTo(ip, port);
  };
}

function connectsTo(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS });
    const end = (answers: boolean) => () => {
      socket.destroy();
      resolve(answers);
    };
    socket.once("connect", end(true)).once("error", end(false)).once("timeout", end(false));
  });
}
