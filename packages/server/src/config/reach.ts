import { type ConfigState, findItem } from "@nacre/core/config";
import type { Peers } from "../cluster/peer-calls.ts";
import type { ConfigStore } from "../storage/config-store.ts";
import { type ReachableHere, type ReachQuestion, reachedHere, together } from "./reached.ts";
import type { Sealing } from "./sealing.ts";
import type { Publish, Reach } from "./service.ts";

/** A member that does not answer in this time is named and not counted. */
const ANSWER_MS = 1_000;

export interface ReachParts {
  readonly here: ReachableHere;
  readonly sealing: Sealing;
  readonly store: ConfigStore;
}

/** Who would be told of a publish, at this member and at all others, without writing it. */
export async function reachOf(
  { here, sealing, store }: ReachParts,
  publish: Publish,
  peers: Peers,
): Promise<Omit<Reach, "valid" | "problem">> {
  const { name, gray } = publish;
  const held = await currentText(here.state, sealing, store, publish);
  if (held === publish.content) return { changes: false, listeners: 0, byVersion: {}, unanswered: [] };
  const { md5 } = await sealing.seal(name, publish.content, publish.encryptedDataKey);
  const asked: ReachQuestion = { name, ...(gray !== undefined && { gray }), md5 };
  const [own, others] = await Promise.all([reachedHere(here, asked), peers.askAll("config.reach", asked, ANSWER_MS)]);
  const byVersion = together([...own, ...others.flatMap(({ answer }) => answer?.byVersion ?? [])]);
  let listeners = 0;
  for (const count of byVersion.values()) listeners += count;
  const unanswered = others.flatMap(({ address, error }) => (error === undefined ? [] : [address]));
  return { changes: true, listeners, byVersion: Object.fromEntries(byVersion), unanswered };
}

/**
 * What the publish would replace, as the caller would have written it: what this server encrypts is another text each
 * time, so that digests say nothing.
 */
async function currentText(
  state: ConfigState,
  sealing: Sealing,
  store: ConfigStore,
  publish: Publish,
): Promise<string | undefined> {
  const { name, gray } = publish;
  const item = findItem(state, name);
  const version = gray === undefined ? item?.formal : item?.grays.find((held) => held.name === gray.name);
  if (version === undefined) return undefined;
  const text = await store.content(name, gray?.name);
  const key = publish.encryptedDataKey ?? "";
  return text === undefined || key !== "" ? text : await sealing.open(name, text, version.encryptedDataKey);
}
