import type { FailureName } from "@nacre/protocol";

/** An expected failure as a value: what is refused, and the sentence that names the field and the rule. */
export interface Refusal {
  readonly type: "refuse";
  readonly failure: FailureName;
  readonly message: string;
}

export function refusal(failure: FailureName, message: string): Refusal {
  return { type: "refuse", failure, message };
}
