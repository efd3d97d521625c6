import {
  type ConfigState,
  choose,
  findItem,
  type GrayTarget,
  type Item,
  type Labels,
  storedMatcher,
  type Version,
  withGray,
} from "@nacre/core/config";
import {
  type ConfigName,
  DEFAULT_CONFIG_TYPE,
  type Field,
  integer,
  list,
  object,
  optional,
  text,
} from "@nacre/protocol";
import type { Connections } from "../connections/connections.ts";
import { inTurns } from "../storage/turn.ts";

/** Who of yours would get another content, if this version was written? */
export interface ReachQuestion {
  readonly name: ConfigName;
  readonly gray?: GrayTarget | undefined;
  /** Of the content as it would be stored. */
  readonly md5: string;
}

/** How many listeners over gRPC, by what their client calls its version; held polls are `HTTP`. */
export interface VersionCount {
  readonly version: string;
  readonly listeners: number;
}

/** What a member knows of those who are connected to it. */
export interface ReachableHere {
  readonly state: ConfigState;
  readonly clientVersion: (clientId: string) => string | undefined;
}

export function clientVersionIn(connections: Pick<Connections, "get">): ReachableHere["clientVersion"] {
  return (id) => connections.get(id)?.clientVersion;
}

/** Versions that are told apart: clients write what they like. */
const VERSIONS_MAX = 100;
/** All others together. */
const OTHERS = "others";
/** Listeners that are looked at between two pauses. */
const LISTENERS = 256;

const question = object({
  name: object({ namespace: text(), group: text(), dataId: text() }),
  gray: optional(
    object({ name: text(), rule: object({ type: text(), version: text(), expr: text(), priority: integer(0) }) }),
  ),
  md5: text(),
});
/** What a member answers. */
export const reachedField: Field<{ readonly byVersion: readonly VersionCount[] }> = object({
  byVersion: list(object({ version: text(), listeners: integer(0) }), VERSIONS_MAX + 1),
});

/** Answers another member. */
export async function reachedAnswer(here: ReachableHere, given: unknown) {
  return { byVersion: await reachedHere(here, question.read(given, "")) };
}

/** Those of this member, as things stand at the beginning. */
export function reachedHere(here: ReachableHere, asked: ReachQuestion): Promise<readonly VersionCount[]> {
  return inTurns(reached(here, asked));
}

/** By version, those of all lists. */
export function together(counts: Iterable<VersionCount>): ReadonlyMap<string, number> {
  const all = new Map<string, number>();
  for (const { version, listeners } of counts) {
    const key = all.has(version) || all.size < VERSIONS_MAX ? version : OTHERS;
    all.set(key, (all.get(key) ?? 0) + listeners);
  }
  return all;
}

function* reached(
  { state, clientVersion }: ReachableHere,
  { name, gray, md5 }: ReachQuestion,
): Generator<undefined, readonly VersionCount[]> {
  const item = findItem(state, name);
  if (item === undefined) return [];
  const before = { ...item };
  const after = afterPublish(before, { ...BLANK, md5 }, gray);
  const isReached = (labels: Labels): boolean =>
    choose(before, labels).version?.md5 !== choose(after, labels).version?.md5;
  const found = new Map<string, number>();
  let count = 0;
  for (const { client } of before.listeners?.values() ?? []) {
    if (++count % LISTENERS === 0) yield;
    if (isReached(client.labels)) note(found, clientVersion(client.id) || "unknown");
  }
  for (const poll of before.polls?.keys() ?? []) {
    if (++count % LISTENERS === 0) yield;
    if (isReached(poll.labels)) note(found, "HTTP");
  }
  const counts = [...found].map(([version, listeners]) => ({ version, listeners }));
  return [...together(counts)].map(([version, listeners]) => ({ version, listeners }));
}

function note(found: Map<string, number>, version: string): void {
  found.set(version, (found.get(version) ?? 0) + 1);
}

/** Of a version, everything but what tells it from others. */
const BLANK = { bytes: 0, encryptedDataKey: "", type: DEFAULT_CONFIG_TYPE, revision: 0, modifiedAt: 0 } as const;

/** The item as the publish would leave it. */
function afterPublish(item: Item, version: Version, gray: GrayTarget | undefined): Item {
  if (gray === undefined) return { ...item, formal: version };
  return { ...item, grays: withGray(item.grays, { ...version, ...gray, matcher: storedMatcher(gray.rule, item.key) }) };
}
