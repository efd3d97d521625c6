import { RegistryError } from "@nacre/protocol";
import type { RaftCounts } from "./port.ts";

type Outcome = keyof RaftCounts["proposals"];

/** Apply decided it: the write was done, and this is what came of it. */
export class DecidedFailure extends RegistryError {}

/** Counts what came of proposals. */
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
  if (thrown instanceof DecidedFailure) return "done";
  const { failure } = RegistryError.from(thrown);
  if (failure === "outcomeUnknown") return "unknown";
  return failure === "notApplied" ? "notDone" : "refused";
}
