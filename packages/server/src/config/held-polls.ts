import type { Changed, Event } from "@nacre/core/config";
import { RegistryError } from "@nacre/protocol";

/** Who waits for the answers of long polls. */
export class HeldPolls {
  readonly #submit: (event: Event) => void;
  readonly #answers = new Map<number, (changed: readonly Changed[]) => void>();
  #nextId = 1;
  #stopped = false;

  constructor(submit: (event: Event) => void) {
    this.#submit = submit;
  }

  /** Resolves with what changed, with nothing when the time is over, and when `gone` or `stop` ends it. */
  wait(event: Omit<Extract<Event, { type: "poll" }>, "type" | "id">, gone: AbortSignal): Promise<readonly Changed[]> {
    if (this.#stopped)
      return Promise.reject(new RegistryError("unavailable", "the server is stopping: ask another member"));
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<readonly Changed[]>();
    this.#answers.set(id, resolve);
    try {
      this.#submit({ type: "poll", id, ...event });
    } catch (thrown) {
      this.#answers.delete(id);
      return Promise.reject(thrown);
    }
    if (this.#answers.has(id)) this.#endWith(gone, id, resolve);
    return promise;
  }

  /** Apart from `wait`, because what is made here lives as long as the poll, and would keep all its lines. */
  #endWith(gone: AbortSignal, id: number, resolve: (changed: readonly Changed[]) => void): void {
    const leave = (): void => {
      if (this.#answers.delete(id)) this.#submit({ type: "pollGone", id });
      resolve([]);
    };
    if (gone.aborted) return leave();
    gone.addEventListener("abort", leave, { once: true });
    this.#answers.set(id, (changed) => {
      gone.removeEventListener("abort", leave);
      resolve(changed);
    });
  }

  answer(id: number, changed: readonly Changed[]): void {
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    answer?.(changed);
  }

  /** Answers all of them with nothing, and takes no more. */
  stop(): void {
    this.#stopped = true;
    for (const answer of this.#answers.values()) answer([]);
    this.#answers.clear();
  }
}
