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
import { DEFAULT_CONFIG_TYPE } from "@nacre/protocol";
import type { Connections } from "../connections/connections.ts";
import type { ConfigStore } from "../storage/config-store.ts";
import type { Sealing } from "./sealing.ts";
import type { Publish, Reach } from "./service.ts";

export interface ReachParts {
  readonly state: ConfigState;
  readonly connections: Connections;
  readonly sealing: Sealing;
  readonly store: ConfigStore;
}

/** Who would be told of a publish, without writing it. */
export async function reachOf(parts: ReachParts, publish: Publish): Promise<Omit<Reach, "valid" | "problem">> {
  const { name, gray } = publish;
  const held = await currentText(parts, publish);
  const changes = held !== publish.content;
  const item = findItem(parts.state, name);
  if (!changes || item === undefined) return { changes, listeners: 0, byVersion: {} };
  const { md5, bytes, encryptedDataKey } = await parts.sealing.seal(name, publish.content, publish.encryptedDataKey);
  const type = publish.fields.type ?? DEFAULT_CONFIG_TYPE;
  const version = { md5, bytes, encryptedDataKey, type, revision: 0, modifiedAt: 0 };
  return { changes, ...differing(parts.connections, item, afterPublish(item, version, gray)) };
}

/**
 * What the publish would replace, as the caller would have written it: what this server encrypts is another text each
 * time, so that digests say nothing.
 */
async function currentText({ state, sealing, store }: ReachParts, publish: Publish): Promise<string | undefined> {
  const { name, gray } = publish;
  const item = findItem(state, name);
  const version = gray === undefined ? item?.formal : item?.grays.find((held) => held.name === gray.name);
  if (version === undefined) return undefined;
  const text = await store.content(name, gray?.name);
  const key = publish.encryptedDataKey ?? "";
  return text === undefined || key !== "" ? text : await sealing.open(name, text, version.encryptedDataKey);
}

/** Listeners over gRPC by the version of their client, and held polls under `HTTP`, that would get another content. */
function differing(connections: Connections, before: Item, after: Item): Pick<Reach, "listeners" | "byVersion"> {
  const byVersion = new Map<string, number>();
  let listeners = 0;
  const count = (labels: Labels, version: string): void => {
    if (choose(before, labels).version?.md5 === choose(after, labels).version?.md5) return;
    listeners++;
    byVersion.set(version, (byVersion.get(version) ?? 0) + 1);
  };
  for (const { client } of before.listeners?.values() ?? [])
    count(client.labels, connections.get(client.id)?.clientVersion || "unknown");
  for (const poll of before.polls?.keys() ?? []) count(poll.labels, "HTTP");
  return { listeners, byVersion: Object.fromEntries(byVersion) };
}

/** The item as the publish would leave it. */
function afterPublish(item: Item, version: Version, gray: GrayTarget | undefined): Item {
  if (gray === undefined) return { ...item, formal: version };
  return { ...item, grays: withGray(item.grays, { ...version, ...gray, matcher: storedMatcher(gray.rule, item.key) }) };
}
