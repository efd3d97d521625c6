import type { Append } from "./messages.ts";
import type { Index, Term } from "./model.ts";

/**
 * Two messages that say the same, the first with the entries up to `at`: for a shell whose entries turn out to be too
 * large for one.
 *
 * @param at within the message, before its last entry.
 */
export function splitAppend(message: Append, at: Index): readonly [Append, Append] {
  const { prevIndex, lastIndex, runs, configurations } = message;
  const bytes = Math.ceil((message.bytes * (at - prevIndex)) / (lastIndex - prevIndex));
  let prevTerm: Term = 0;
  for (const { first, term } of runs) if (first <= at) prevTerm = term;
  const head: Append = {
    ...message,
    lastIndex: at,
    runs: runs.filter(({ first }) => first <= at),
    configurations: configurations.filter(({ index }) => index <= at),
    bytes,
  };
  const rest = runs.filter(({ first }) => first > at);
  const tail: Append = {
    ...message,
    prevIndex: at,
    prevTerm,
    runs: rest[0]?.first === at + 1 ? rest : [{ first: at + 1, term: prevTerm }, ...rest],
    configurations: configurations.filter(({ index }) => index > at),
    bytes: message.bytes - bytes,
  };
  return [head, tail];
}
