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
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        if (this.#answers.delete(id)) this.#submit({ type: "pollGone", id });
        resolve([]);
      };
      this.#answers.set(id, (changed) => {
        gone.removeEventListener("abort", leave);
        resolve(changed);
      });
      try {
        if (this.#stopped) throw new RegistryError("unavailable", "the server is stopping: ask another member");
        this.#submit({ type: "poll", id, ...event });
      } catch (thrown) {
        this.#answers.delete(id);
        reject(thrown);
        return;
      }
      if (gone.aborted) leave();
      else if (this.#answers.has(id)) gone.addEventListener("abort", leave, { once: true });
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
