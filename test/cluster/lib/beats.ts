import { setTimeout as pause } from "node:timers/promises";
import type { Cluster } from "./cluster.ts";
import { partsOf } from "./driver.ts";
import type { History } from "./history.ts";
import { bound } from "./scenario.ts";

const ROUND_MS = 1000;
const CALL_MAX_MS = bound(3000);
/** As `fetch` says that a connection was ended in order, before the first byte of an answer. */
const ENDED = "other side closed";

/** An answer that was no answer: a status of 500 and more, or none at all. */
export interface Failure {
  readonly at: number;
  readonly member: string;
  readonly what: string;
  /**
   * The member said that it is stopping, or ended an idle connection in order while a call that may be repeated was on its
   * way: clients and proxies go to the next one (RFC 9112, section 9.3.1). A reset is no such end.
   */
  readonly isStopping: boolean;
}

/**
 * Clients of HTTP 1.x behind a proxy that sends each call to the next member: they beat, and register where nobody knows
 * them. They go on when a call fails, and what failed is kept.
 */
export class Beats {
  readonly service: string;
  readonly failures: Failure[] = [];
  calls = 0;
  readonly #cluster: Cluster;
  readonly #addresses: readonly string[];
  readonly #history: History;
  readonly #registered = new Set<string>();
  readonly #over = new AbortController();
  #work: Promise<unknown> | undefined;

  constructor(cluster: Cluster, service: string, addresses: readonly string[], history: History) {
    this.#cluster = cluster;
    this.service = service;
    this.#addresses = addresses;
    this.#history = history;
  }

  start(): void {
    this.#work = Promise.all(this.#addresses.map((address, i) => this.#live(address, i)));
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#work;
    const at = performance.now();
    for (const address of this.#registered) this.#history.add({ type: "ended", at, service: this.service, address });
  }

  /** What failed from a moment on at members that ran. */
  failedSince(at: number): Failure[] {
    return this.failures.filter((failure) => failure.at >= at);
  }

  async #live(address: string, index: number): Promise<void> {
    let turn = index;
    const { signal } = this.#over;
    const rest = (ms: number) => pause(ms, undefined, { signal }).catch(() => {});
    await rest((index * ROUND_MS) / this.#addresses.length);
    while (!signal.aborted) {
      const code = await this.#call("PUT", "/v1/ns/instance/beat", address, turn++);
      const isUnknown = code?.includes("20404") === true;
      if (
        isUnknown &&
        (await this.#call("POST", "/v1/ns/instance", address, turn++)) === "ok" &&
        !this.#registered.has(address)
      ) {
        this.#registered.add(address);
        this.#history.add({ type: "registered", at: performance.now(), service: this.service, address });
      }
      await rest(ROUND_MS);
    }
  }

  /** The answer's text; undefined when it failed. */
  async #call(method: string, path: string, address: string, turn: number): Promise<string | undefined> {
    const members = this.#cluster.members.filter((each) => each.isReady);
    const member = members[turn % members.length];
    if (member === undefined) return undefined;
    const { ip, port } = partsOf(address);
    const query = new URLSearchParams({ serviceName: this.service, ip, port: String(port) });
    // It may have started anew by the time the call fails.
    const { life } = member;
    const fail = (what: string) => {
      // A proxy goes on to the next member when one refuses. And one that was killed meanwhile answers nothing.
      if (!life.isKilled && !what.includes("ECONNREFUSED"))
        this.failures.push({
          at: performance.now(),
          member: member.name,
          what: `${method} ${path}: ${what}`,
          isStopping:
            (what.startsWith("503") && what.includes("is stopping")) ||
            (life.isStopping && method === "PUT" && what.includes(ENDED)),
        });
      return undefined;
    };
    this.calls++;
    try {
      const signal = AbortSignal.any([this.#over.signal, AbortSignal.timeout(CALL_MAX_MS)]);
      const answer = await fetch(`${member.url}${path}?${query}`, { method, signal });
      const text = await answer.text();
      return answer.status >= 500 ? fail(`${answer.status} ${text.slice(0, 200)}`) : text;
    } catch (thrown) {
      return this.#over.signal.aborted ? undefined : fail(String((thrown as Error).cause ?? thrown));
    }
  }
}
