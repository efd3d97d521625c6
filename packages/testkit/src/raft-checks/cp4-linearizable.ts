import { checkLinearizable, type LinearModel } from "../linearizability.ts";
import { applyTo, type Operation } from "../raft-sim-model.ts";
import type { RaftChecker } from "../raft-sim-world.ts";

const REGISTERS: LinearModel<number, Operation, number> = {
  initial: 0,
  partition: ({ key }) => key,
  apply: applyTo,
  accepts: (output, seen) => output === seen,
  keyOf: String,
};

/** Of a run in which one member ends every few moments, a tenth of the outcomes are unknown: half a minute at most. */
const BUDGET = 30_000_000;

/** CP-4: one order explains what all clients saw, with writes that are unknown done once at most. */
export function linearizable(): RaftChecker {
  return {
    ended({ history }) {
      const verdict = checkLinearizable(REGISTERS, history, { budget: BUDGET });
      if (!verdict.ok) throw new Error(`CP-4: ${verdict.explanation}`);
    },
  };
}
