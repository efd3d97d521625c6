import { type Append, isOfLeader, type Message } from "./messages.ts";
import type { Raft } from "./state.ts";

/** Elections that no member can have missed. */
const TERMS_MISSED_MAX = 2 ** 32;

/**
 * What no member of this group can say: that of a log which is another one's, or of a member that is broken. The asserts of
 * the step are for what this member does wrong itself; nobody else is to stop it.
 *
 * @returns a clause; undefined for what may be so.
 */
export function contradiction(state: Raft, message: Message): string | undefined {
  const { term, role, log } = state;
  if (message.term - term > TERMS_MISSED_MAX) return `it is in term ${message.term}, and this member in term ${term}`;
  if (message.term < term) return undefined;
  if (isOfLeader(message) && message.term === term && role === "leader")
    return `it leads in term ${term}, in which this member does`;
  if (message.type === "append") return ofAppend(state, message);
  if (message.type === "appended" && role === "leader" && message.match > log.last)
    return `it has entries up to ${message.match}, and this member, which leads it, up to ${log.last}`;
  return undefined;
}

function ofAppend({ log, commit }: Raft, { prevIndex, prevTerm, lastIndex, runs }: Append): string | undefined {
  const { baseIndex } = log;
  // What was forgotten here cannot be compared any more.
  if (prevIndex > commit || lastIndex <= baseIndex) return undefined;
  if (prevIndex >= baseIndex && log.termOf(prevIndex) !== prevTerm) return differs(prevIndex);
  const from = log.firstDifference(Math.max(prevIndex, baseIndex) + 1, lastIndex, runs);
  return from <= Math.min(lastIndex, commit) ? differs(from) : undefined;
}

function differs(index: number): string {
  return `its entry ${index} is not the one that is committed here`;
}
