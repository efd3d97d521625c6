import { NO_GRAYS } from "./gray.ts";
import type { GrayVersion, Item, Version } from "./model.ts";
import { noteChange } from "./notify.ts";
import { type ConfigState, forgetIfUnused, newConfig } from "./state.ts";

/**
 * Another durable state takes the place of the present one while clients listen. It is loaded aside, compared, and then
 * stands in for the present one at once (G14). Listeners, polls and readers know an item by its object, so that these
 * objects stay and are given other versions.
 */

/** What an item that has a version is to hold in its place. */
interface Differing {
  readonly item: Item;
  /** Whether it has a formal version before. */
  readonly existed: boolean;
  readonly id: number;
  readonly formal: Version | undefined;
  readonly grays: readonly GrayVersion[];
}

export interface Replacement {
  /** Loaded by `load`, `loadConfig` and `loadStaged`. Nobody reads it before `switchOver`. */
  readonly next: ConfigState;
  /** Items of the present state that hold something else in the next one. */
  readonly differing: Differing[];
  /** Items that hold a version only in the next state. */
  readonly added: Item[];
}

export function beginReplacement({ options, receiversMax, words }: ConfigState): Replacement {
  return { next: { ...newConfig(options, receiversMax), words }, differing: [], added: [] };
}

/**
 * Looks for what differs, item by item; yields after each, so that the caller may let others have their turn. Who listens
 * may come and go meanwhile, but no entry is applied.
 */
export function* compare(state: ConfigState, { next, differing, added }: Replacement): Generator<undefined, void> {
  for (const item of state.items.values()) {
    if (hasVersion(item)) compareItem(item, next, differing);
    yield;
  }
  for (const item of next.items.values()) {
    if (state.items.get(item.key) !== item) added.push(item);
    yield;
  }
}

/** Only for items with a version: others are forgotten, and made anew, as clients go and come. */
function compareItem(item: Item, { items }: ConfigState, differing: Differing[]): void {
  const existed = item.formal !== undefined;
  const wanted = items.get(item.key);
  if (wanted !== undefined) {
    items.set(item.key, item);
    if (sameItem(item, wanted)) return;
    // A version that stays is the same object: who reads it just now goes on.
    const formal = same(item.formal, wanted.formal) ? item.formal : wanted.formal;
    differing.push({ item, existed, id: wanted.id, formal, grays: wanted.grays });
  } else {
    if (isAwaited(item)) items.set(item.key, item);
    differing.push({ item, existed, id: 0, formal: undefined, grays: NO_GRAYS });
  }
}

/** Puts the next state in place, at once: some milliseconds for 100,000 items that all differ. Nobody is told yet. */
export function switchOver(state: ConfigState, { next, differing }: Replacement): void {
  const { items } = next;
  for (const versions of differing) setVersions(versions.item, versions);
  for (const item of state.items.values()) {
    // Somebody waits for it to appear, perhaps only since it was compared.
    if (hasVersion(item) || !isAwaited(item)) continue;
    const held = items.get(item.key);
    if (held === item) continue;
    if (held !== undefined) setVersions(item, held);
    items.set(item.key, item);
  }
  state.items = items;
  state.counts = next.counts;
  state.namespaces = next.namespaces;
  state.capacities = next.capacities;
  state.staged = next.staged;
}

/**
 * Owes those who wait what has changed, as if it had been applied: the next steps look them up and tell them, some at a
 * time. Yields after each item.
 */
export function* noteReplaced(state: ConfigState, { differing, added }: Replacement): Generator<undefined, void> {
  for (const { item, existed } of differing) {
    noteChange(state, item, existed);
    // Whoever waited for it may have gone since it was compared.
    forgetIfUnused(state, item);
    yield;
  }
  for (const { key } of added) {
    const item = state.items.get(key);
    if (item !== undefined) noteChange(state, item, false);
    yield;
  }
}

/** The counts come with the next state, so that nothing is counted here. */
function setVersions(item: Item, { id, formal, grays }: Pick<Item, "id" | "formal" | "grays">): void {
  item.id = id;
  item.formal = formal;
  item.grays = grays;
}

function hasVersion({ formal, grays }: Item): boolean {
  return formal !== undefined || grays.length > 0;
}

function isAwaited({ listeners, polls }: Item): boolean {
  return listeners !== undefined || polls !== undefined;
}

function sameItem(a: Item, b: Item): boolean {
  if (a.id !== b.id || !same(a.formal, b.formal) || a.grays.length !== b.grays.length) return false;
  return a.grays.every((gray, at) => sameGray(gray, b.grays[at] as GrayVersion));
}

function sameGray(a: GrayVersion, b: GrayVersion): boolean {
  return a.name === b.name && JSON.stringify(a.rule) === JSON.stringify(b.rule) && same(a, b);
}

/** A revision belongs to one log: a state of another one is told by the rest. */
function same(a: Version | undefined, b: Version | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.revision === b.revision &&
    a.md5 === b.md5 &&
    a.bytes === b.bytes &&
    a.type === b.type &&
    a.encryptedDataKey === b.encryptedDataKey &&
    a.modifiedAt === b.modifiedAt
  );
}
