import { connect } from "node:net";
import type { ClientId, Contents } from "@nacre/core/distro";
import type { Clock } from "../clock.ts";

/** Connections under way at once: a lost member may leave a hundred thousand clients. */
const CONNECTS_MAX = 64;
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

/**
 * Finds out whether processes whose member is lost are still there, by connecting to what they published. Silence
 * proves nothing and is not told.
 */
export class InstanceProbe {
  readonly #clock: Clock;
  readonly #contentsOf: (id: ClientId) => Contents | undefined;
  readonly #connects: Connects;
  #stopped = false;

  constructor(clock: Clock, contentsOf: (id: ClientId) => Contents | undefined, connects: Connects = connectsByTcp) {
    this.#clock = clock;
    this.#contentsOf = contentsOf;
    this.#connects = connects;
  }

  async probe({ clientIds, withinMs, answered }: ProbeOrder): Promise<void> {
    const until = this.#clock.now() + withinMs;
    const answering: ClientId[] = [];
    const tell = (): void => {
      if (answering.length > 0 && !this.#stopped) answered(answering.splice(0));
    };
    let toldAt = this.#clock.now();
    const left = clientIds.values();
    const work = async (): Promise<void> => {
      for (const id of left) {
        if (this.#stopped || this.#clock.now() >= until) return;
        if (await this.#answers(id)) answering.push(id);
        if (this.#clock.now() - toldAt < TELL_MS) continue;
        toldAt = this.#clock.now();
        tell();
      }
    };
    await Promise.all(Array.from({ length: CONNECTS_MAX }, work));
    tell();
  }

  stop(): void {
    this.#stopped = true;
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

function connectsByTcp(host: string, port: number): Promise<boolean> {
  if (port < 1 || port > 65_535) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS });
    const end = (answers: boolean) => () => {
      socket.destroy();
      resolve(answers);
    };
    socket.once("connect", end(true)).once("error", end(false)).once("timeout", end(false));
  });
}
