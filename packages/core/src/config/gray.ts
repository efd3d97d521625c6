import type { GrayVersion, Item, Labels, Version } from "./model.ts";

/** What a reader gets of a configuration: a gray version that matches, else the formal one, else nothing. */
export interface Chosen {
  readonly version: Version | undefined;
  readonly gray: GrayVersion | undefined;
}

/** @param tag  an explicit tag: only the gray version of that tag, whatever the labels say; undefined for none. */
export function choose(_item: Item | undefined, _labels: Labels, _tag?: string): Chosen {
  throw new Error("not built");
}

/** The md5 that a client compares with: blank when there is nothing for it. */
export function md5For(item: Item | undefined, labels: Labels): string {
  return choose(item, labels).version?.md5 ?? "";
}
