import { RegistryError } from "@nacre/protocol";
import type { RaftCounts } from "./port.ts";

type Outcome = keyof RaftCounts["proposals"];

/** Failures that a proposal meets before anybody is asked. */
const REFUSED = new Set(["dataAccess", "unavailable", "invalidParameter"]);

/** Counts what came of proposals. A failure that apply decided is an outcome like any other: it was done. */
export class Outcomes {
  readonly counts: Record<Outcome, number> = { done: 0, notDone: 0, unknown: 0, refused: 0 };
  readonly #done = (): void => {
    this.counts.done++;
  };
  readonly #failed = (thrown: unknown): void => {
    this.counts[outcomeOf(thrown)]++;
  };

  of<T>(proposal: Promise<T>): Promise<T> {
    proposal.then(this.#done, this.#failed);
    return proposal;
  }
}

function outcomeOf(thrown: unknown): Outcome {
  const { failure } = RegistryError.from(thrown);
  if (failure === "outcomeUnknown") return "unknown";
  if (failure === "notApplied") return "notDone";
  return REFUSED.has(failure) ? "refused" : "done";
}
