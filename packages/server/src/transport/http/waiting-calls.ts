import type { ServerResponse } from "node:http";
import { turn } from "../../storage/turn.ts";

/** Calls that are cut in one go when the port closes: some milliseconds. */
const CUT_AT_ONCE = 250;
/** Nobody reads why: without a reason of ours, each abort would make an error with a stack. */
const OVER = "the call is over";

/** Calls that wait for something to happen, such as long polls. */
export class WaitingCalls {
  readonly #waiting = new Set<AbortController>();
  #closing = false;

  /** Aborted when the caller goes away, and when the port closes. */
  signal(response: ServerResponse): AbortSignal {
    const controller = new AbortController();
    // A caller may go between the last byte of a large body and this.
    if (this.#closing || response.closed) controller.abort(OVER);
    else this.#waiting.add(controller);
    response.once("close", () => {
      this.#waiting.delete(controller);
      controller.abort(OVER);
    });
    return controller.signal;
  }

  /** Whoever waits is to be answered before connections end, a few at a time so that the answers get out. */
  async cut(): Promise<void> {
    this.#closing = true;
    let count = 0;
    for (const controller of this.#waiting) {
      this.#waiting.delete(controller);
      controller.abort(OVER);
      if (++count % CUT_AT_ONCE === 0) await turn();
    }
  }
}
