import { fork } from "node:child_process";
import { Remote } from "../../lib/remote.ts";

const HANGS_MS = 120_000;

/** Starts one of the generators in `bench/grpc/load` in a process of its own. */
export function generator(file: string): Generator {
  return new Generator(new Remote(fork(new URL(`../load/${file}`, import.meta.url))));
}

export class Generator {
  readonly #remote: Remote;

  constructor(remote: Remote) {
    this.#remote = remote;
  }

  /** @throws Error when there is no answer for two minutes: a server that lost a message must not hold the bench. */
  async call<T = void>(name: string, argument?: unknown): Promise<T> {
    const { promise: hangs, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`the load generator has not ended '${name}' in time`)), HANGS_MS);
    try {
      return await Promise.race([this.#remote.call<T>(name, argument), hangs]);
    } finally {
      clearTimeout(timer);
    }
  }

  end(): Promise<void> {
    return this.#remote.end();
  }
}
