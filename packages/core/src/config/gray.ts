import { grayMatches } from "./gray-rule.ts";
import type { GrayVersion, Item, Labels, Version } from "./model.ts";

/** What a reader gets of a configuration: a gray version that matches, else the formal one, else nothing. */
export interface Chosen {
  readonly version: Version | undefined;
  readonly gray: GrayVersion | undefined;
}

const NOTHING: Chosen = { version: undefined, gray: undefined };

/**
 * G4.
 *
 * @param tag  an explicit tag: only the gray version of that tag, whatever the labels say; blank or undefined for none.
 */
export function choose(item: Item | undefined, labels: Labels, tag?: string): Chosen {
  if (item === undefined) return NOTHING;
  if (tag !== undefined && tag !== "") {
    const gray = item.grays.find(({ matcher }) => matcher.type === "tag" && matcher.tag === tag);
    return gray === undefined ? NOTHING : { version: gray, gray };
  }
  for (const gray of item.grays) if (grayMatches(gray, labels)) return { version: gray, gray };
  return { version: item.formal, gray: undefined };
}

/** The md5 that a client compares with: blank when there is nothing for it. */
export function md5For(item: Item | undefined, labels: Labels): string {
  return choose(item, labels).version?.md5 ?? "";
}

/** Of the empty text, which no configuration has: Go and Python mean by it that they hold nothing. */
const EMPTY_TEXT_MD5 = "d41d8cd98f00b204e9800998ecf8427e";

/**
 * Whether a client that says it holds this is to fetch. Go would ask again and again for a configuration that was
 * removed, if the md5 of the empty text were something else than nothing.
 *
 * @param newest  of `md5For`.
 * @param said  undefined when the client did not say: that differs from everything.
 */
export function differsFrom(newest: string, said: string | undefined): boolean {
  return newest === "" && said === EMPTY_TEXT_MD5 ? false : newest !== said;
}

/** Shared by all items without gray versions. */
export const NO_GRAYS: readonly GrayVersion[] = [];

/** The list with this version in the place of the one of its name, in the order of G4. */
export function withGray(grays: readonly GrayVersion[], gray: GrayVersion): readonly GrayVersion[] {
  return [...grays.filter(({ name }) => name !== gray.name), gray].sort(
    (a, b) => b.rule.priority - a.rule.priority || (a.name < b.name ? -1 : 1),
  );
}

export function withoutGray(grays: readonly GrayVersion[], name: string): readonly GrayVersion[] {
  const left = grays.filter((gray) => gray.name !== name);
  return left.length === 0 ? NO_GRAYS : left;
}
