import { RegistryError } from "@nacre/protocol";
import type { ConfigQuery } from "../config-store.ts";
import type { Sqlite } from "./sqlite.ts";
import { searches, writes } from "./statements.ts";

/** Index entries that one step of a walk looks at: some tenths of a millisecond. */
const STEP_ROWS = 500;
/** Bytes of contents that one step looks at, and the rest of the last one. */
const STEP_BYTES = 256 * 1024;
/** Of one text that is searched for. */
const SEARCH_TEXT_MAX = 4096;

/**
 * The ids that match, ascending, in steps of which none holds the event loop for long. An exact data id is looked up; else
 * the rows of the namespace (or of the first label) are walked in their index, one range of ids after the other.
 *
 * @param from  only ids above it.
 */
export function* matchingIds(sqlite: Sqlite, query: ConfigQuery, from = 0): Generator<readonly number[], void> {
  const holds = contentTest(sqlite, query);
  for (const candidates of candidateSteps(sqlite, query, from)) {
    if (holds === undefined) {
      yield candidates;
      continue;
    }
    let matching: number[] = [];
    let bytes = 0;
    for (const id of candidates) {
      const tested = holds(id);
      if (tested === undefined) continue;
      if (tested.holds === 1) matching.push(id);
      bytes += tested.bytes;
      if (bytes < STEP_BYTES) continue;
      yield matching;
      matching = [];
      bytes = 0;
    }
    yield matching;
  }
}

function* candidateSteps(sqlite: Sqlite, query: ConfigQuery, start: number): Generator<readonly number[], void> {
  const { end, slice, values } = walk(query);
  const named = lookUp(sqlite, query);
  if (named !== undefined) {
    const above = named.filter((id) => id > start).sort((a, b) => a - b);
    yield above.flatMap((id) => sqlite.column<number>(slice({ ...values, from: id - 1, to: id })));
    return;
  }
  for (let from = start; ; ) {
    const [to] = sqlite.column<number>(end({ ...values, from, skip: STEP_ROWS - 1 }));
    yield sqlite.column<number>(slice({ ...values, from, to: to ?? Number.MAX_SAFE_INTEGER }));
    if (to === undefined) return;
    from = to;
  }
}

/**
 * What an exact data id leads to, if its rows are few enough for one step. In a query of its own, because in a single one
 * SQLite prefers the index that holds all columns, and walks the whole namespace.
 */
function lookUp(sqlite: Sqlite, { namespace, dataId, group, wildcards }: ConfigQuery): number[] | undefined {
  if (!isExact(dataId, wildcards)) return undefined;
  if (isExact(group, wildcards)) return sqlite.column<number>(writes.idOf({ namespace, dataId, group }));
  const ids = sqlite.column<number>(searches.idsOfDataId({ namespace, dataId, max: STEP_ROWS + 1 }));
  return ids.length > STEP_ROWS ? undefined : ids;
}

/** Where to walk, and what is compared there. */
function walk(query: ConfigQuery) {
  const { namespace, wildcards, types } = query;
  const labels = [...new Set(query.tags)];
  const [label] = labels;
  const exact = (text: string | undefined) => (isExact(text, wildcards) ? text : null);
  const values = {
    namespace,
    dataId: exact(query.dataId),
    dataIdLike: likePattern(query.dataId, wildcards),
    group: exact(query.group),
    groupLike: likePattern(query.group, wildcards),
    appName: isGiven(query.appName) ? query.appName : null,
    types: types === undefined || types.length === 0 ? null : JSON.stringify(types),
  };
  if (label === undefined) return { end: searches.namespaceSliceEnd, slice: searches.namespaceSlice, values };
  const more = { label, labels: labels.length > 1 ? JSON.stringify(labels) : null, labelCount: labels.length };
  return { end: searches.labelSliceEnd, slice: searches.labelSlice, values: { ...values, ...more } };
}

/** Of a text with wildcards; null for one that is exact, or matches everything. */
function likePattern(text: string | undefined, wildcards: boolean): string | null {
  return !isGiven(text) || isExact(text, wildcards) || /^\*+$/.test(text) ? null : pattern(text);
}

interface Tested {
  readonly bytes: number;
  readonly holds: 0 | 1;
}

/** Tells of one row whether its content holds what is searched for; undefined when nothing is. */
function contentTest(sqlite: Sqlite, query: ConfigQuery): ((id: number) => Tested | undefined) | undefined {
  const { content, wildcards } = query;
  if (!isGiven(content)) return undefined;
  const parts = wildcards ? content.split("*").filter((part) => part !== "") : [content];
  const [only] = parts;
  if (only === undefined) return undefined;
  checkLength(content);
  if (parts.length === 1) return (id) => sqlite.get<Tested>(searches.contentHas({ id, content: only }));
  const around = pattern(`*${content}*`);
  return (id) => sqlite.get<Tested>(searches.contentLike({ id, content: around }));
}

const isGiven = (text: string | undefined): text is string => text !== undefined && text !== "";
const isExact = (text: string | undefined, wildcards: boolean): text is string =>
  isGiven(text) && !(wildcards && text.includes("*"));

/** `*` for any characters; what LIKE itself takes for a wildcard stands for itself. */
function pattern(text: string): string {
  checkLength(text);
  return text.replaceAll(/[!%_]/g, "!$&").replaceAll(/\*+/g, "%");
}

function checkLength(text: string): void {
  if (text.length > SEARCH_TEXT_MAX) {
    throw new RegistryError(
      "invalidParameter",
      `a text that is searched for may have ${SEARCH_TEXT_MAX} characters, this one has ${text.length}`,
    );
  }
}
