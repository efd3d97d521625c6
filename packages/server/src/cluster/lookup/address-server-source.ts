import type { LookupFacts } from "@nacre/core/diagnosis";
import type { Clock, Timer } from "../../clock.ts";
import type { KeptList } from "./kept-list.ts";
import type { AddressServer, Source, SourceHandlers } from "./types.ts";

const ASK_EVERY_MS = 5000;
const ASK_AGAIN_MS = 1000;

export interface AddressServerSetup {
  readonly clock: Clock;
  readonly server: AddressServer;
  readonly kept: KeptList;
  /** @throws Error with a phrase of what went wrong. */
  readonly ask: (server: AddressServer, signal: AbortSignal) => Promise<string>;
}

/** Asks the address server for the list, for as long as this member runs and whatever it answers. */
export class AddressServerSource implements Source {
  readonly #setup: AddressServerSetup;
  readonly #handlers: SourceHandlers;
  readonly #url: string;
  readonly #closing = new AbortController();
  #timer: Timer | undefined;
  #asking: Promise<void>;
  #hasList = false;
  #facts: Pick<LookupFacts, "error" | "failures" | "failingSince" | "readAt"> = {
    error: undefined,
    failures: 0,
    failingSince: undefined,
    readAt: undefined,
  };

  constructor(setup: AddressServerSetup, handlers: SourceHandlers) {
    this.#setup = setup;
    this.#handlers = handlers;
    this.#url = urlOf(setup.server);
    this.#asking = this.#round();
  }

  facts(): LookupFacts {
    return { kind: "addressServer", where: this.#url, ...this.#facts };
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("this member stops"));
    this.#timer?.cancel();
    await this.#asking;
  }

  async #round(): Promise<void> {
    const { clock, server, ask } = this.#setup;
    const { signal } = this.#closing;
    try {
      const text = await ask(server, signal);
      if (!signal.aborted) await this.#took(text);
    } catch (thrown) {
      if (!signal.aborted) await this.#failed(thrown as Error);
    }
    if (signal.aborted) return;
    const isStarting = !this.#hasList && this.#facts.failures < server.tries;
    this.#timer = clock.schedule(isStarting ? ASK_AGAIN_MS : ASK_EVERY_MS, () => {
      this.#asking = this.#round();
    });
  }

  async #took(text: string): Promise<void> {
    this.#facts = { error: undefined, failures: 0, failingSince: undefined, readAt: this.#setup.clock.now() };
    this.#hasList = true;
    this.#handlers.read(text, this.#url);
    await this.#setup.kept.keep(this.#url, text);
  }

  async #failed({ message }: Error): Promise<void> {
    const { failures, failingSince = this.#setup.clock.now(), readAt } = this.#facts;
    this.#facts = { error: message, failures: failures + 1, failingSince, readAt };
    if (this.#hasList) return;
    // A member that starts while the address server is down would otherwise be a cluster of its own until it is back.
    const kept = failures === 0 ? await this.#setup.kept.read(this.#url) : undefined;
    if (this.#closing.signal.aborted) return;
    if (kept !== undefined) {
      this.#hasList = true;
      this.#handlers.read(kept, `the last answer of ${this.#url}`);
    } else if (failures + 1 === this.#setup.server.tries) this.#handlers.gaveUp(this.#url);
  }
}

export function urlOf({ host, port, path }: AddressServer): string {
  return `http://${host}:${port}${path}`;
}
