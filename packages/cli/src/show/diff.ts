import { createTwoFilesPatch } from "diff";

const CONTEXT_LINES = 3;
/** Past this many differing lines everything is shown as replaced: the search for the smallest difference is square. */
const EDITS_MAX = 5000;
const HEAD = /^=+\n/;

/** The difference of two texts as `diff -u` shows it; blank when there is none. */
export function unifiedDiff(before: string, after: string, names: readonly [string, string]): string {
  if (before === after) return "";
  const options = { context: CONTEXT_LINES, maxEditLength: EDITS_MAX };
  const patch = createTwoFilesPatch(...names, before, after, undefined, undefined, options);
  return patch?.replace(HEAD, "") ?? replaced(before, after, names);
}

function replaced(before: string, after: string, names: readonly [string, string]): string {
  const marked = (text: string, mark: string): string => text.replace(/\n$/, "").replaceAll(/^/gm, mark);
  return `--- ${names[0]}\n+++ ${names[1]}\n${marked(before, "-")}\n${marked(after, "+")}\n`;
}
