import { type ConfigState, type IpOf, listenedAt, listenersOf } from "@nacre/core/config";
import {
  type ConfigName,
  configKey,
  type Field,
  integer,
  list,
  object,
  optional,
  optionalText,
  text,
} from "@nacre/protocol";
import type { Page } from "../cluster/peer-calls.ts";
import { inTurns } from "../storage/turn.ts";
import type { ReachableHere } from "./reached.ts";

/** Who listens to a configuration; or what is listened to from an address, without a namespace in all of them. */
export type ListenerQuestion =
  | { readonly name: ConfigName; readonly ip?: never; readonly namespace?: never }
  | { readonly name?: never; readonly ip: string; readonly namespace?: string | undefined };

/** An address, or the key of a configuration, and the md5 that is held. */
export interface ListenerLine {
  readonly key: string;
  readonly md5: string;
}

/** What a member knows of those who are connected to it, and nobody else does. */
export interface Listeners extends ReachableHere {
  readonly ipOf: IpOf;
}

const PAGE_ITEMS = 500;
const question = object({
  name: optional(object({ namespace: text(), group: text(), dataId: text() })),
  ip: optionalText(),
  namespace: optionalText(),
  from: integer(0),
});
/** What a member answers. */
export const listenerPageField: Field<Page<ListenerLine>> = object({
  items: list(object({ key: text(), md5: text() }), PAGE_ITEMS),
  next: optionalText(),
});

/** Answers another member. Listeners that come and go between two pages may be missed or told twice. */
export async function listenerPage(listeners: Listeners, given: unknown): Promise<Page<ListenerLine>> {
  const { name, ip = "", namespace, from } = question.read(given, "");
  const found = [...(await ownListeners(listeners, name === undefined ? { ip, namespace } : { name }))];
  const to = from + PAGE_ITEMS;
  const items = found.slice(from, to).map(([key, md5]) => ({ key, md5 }));
  return { items, next: to < found.length ? String(to) : undefined };
}

/** The md5 by address, or by key. */
export function ownListeners(
  { state, ipOf }: Pick<Listeners, "state" | "ipOf">,
  asked: ListenerQuestion,
): Promise<ReadonlyMap<string, string>> {
  const { name } = asked;
  return inTurns(name === undefined ? byKey(state, asked, ipOf) : listenersOf(state, name, ipOf));
}

function* byKey(
  state: ConfigState,
  { ip, namespace }: Extract<ListenerQuestion, { ip: string }>,
  ipOf: IpOf,
): Generator<undefined, ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  let count = 0;
  for (const { name, md5 } of yield* listenedAt(state, ip, ipOf)) {
    if (namespace === undefined || name.namespace === namespace) found.set(configKey(name), md5);
    if (++count % PAGE_ITEMS === 0) yield;
  }
  return found;
}
