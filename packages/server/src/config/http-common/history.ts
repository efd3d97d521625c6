import { findItem } from "@nacre/core/config";
import { type ConfigName, configKey, RegistryError } from "@nacre/protocol";
import type { HistoryRow } from "../../storage/config-store.ts";
import type { Params } from "../../transport/http/params.ts";
import type { ConfigService } from "../service.ts";
import { iso } from "./bodies.ts";
import { opened } from "./contents.ts";
import { idIn } from "./names.ts";

/** One row by `nid`. @throws RegistryError `notFound`, or `accessDenied` when it is of another configuration. */
export async function rowIn(configs: ConfigService, params: Params, name: ConfigName): Promise<HistoryRow> {
  const row = await rowOf(configs, idIn(params, "nid"));
  return checked(configs, row, name);
}

/**
 * The row before an id: of a configuration, whose newest row is meant, or of a row. Both are called `id`, and tools use
 * either. The row that made a configuration has its id, and nothing before it that could be meant instead.
 */
export async function previousIn(configs: ConfigService, params: Params, name: ConfigName): Promise<HistoryRow> {
  const id = idIn(params, "id");
  const { store, state } = configs;
  const row =
    findItem(state, name)?.id === id
      ? await store.newestHistory(name)
      : await store.historyBefore((await rowOf(configs, id)).nid);
  if (row === undefined) throw new RegistryError("notFound", `nothing in the history is older than ${id}`);
  return checked(configs, row, name);
}

async function rowOf({ store }: ConfigService, nid: number): Promise<HistoryRow> {
  const row = await store.historyRow(nid);
  if (row === undefined) throw new RegistryError("notFound", `there is no history entry ${nid}`);
  return row;
}

function checked(configs: ConfigService, row: HistoryRow, name: ConfigName): Promise<HistoryRow> {
  if (configKey(row.name) !== configKey(name))
    throw new RegistryError("accessDenied", "Please check dataId, group or namespaceId.");
  return opened(configs, row);
}

/** What stood on one side of a change; undefined where there was nothing. */
export type Side =
  | Pick<HistoryRow, "content" | "md5" | "encryptedDataKey" | "fields" | "by" | "gray" | "rule">
  | undefined;

/** What a change made of what: the row and the version that came after it, or what is there now. */
export async function changeOf(configs: ConfigService, row: HistoryRow): Promise<{ before: Side; after: Side }> {
  if (row.op === "I") return { before: undefined, after: row };
  if (row.op === "D") return { before: row, after: undefined };
  const next = await configs.store.historyAfter(row.nid);
  if (next !== undefined) return { before: row, after: await opened(configs, next) };
  return { before: row, after: await currentOf(configs, row) };
}

export async function currentOf(configs: ConfigService, { name, gray }: HistoryRow): Promise<Side> {
  const { stored } = configs;
  if (gray === undefined) {
    const held = await stored.config(name);
    return held && { ...(await opened(configs, held)), by: held.modifiedBy, gray: undefined, rule: undefined };
  }
  const held = await stored.gray(name, gray);
  return held && { ...(await opened(configs, held)), by: held.modifiedBy };
}

/** Longer contents are not compared: it takes seconds, and nobody reads the result. */
export const DIFF_LENGTH_MAX = 256 * 1024;
/** Lines that may differ; beyond, the two have little in common. */
const EDITS_MAX = 10_000;
const DIFF_MS_MAX = 5_000;

/**
 * A unified diff of two contents. It is made step by step with the event loop free in between.
 * @throws RegistryError `invalidParameter` for contents that are too long, or that differ too much.
 */
export async function unifiedDiff(row: HistoryRow, before: string, after: string, against: string): Promise<string> {
  for (const { length } of [before, after])
    if (length > DIFF_LENGTH_MAX)
      throw new RegistryError(
        "invalidParameter",
        `only contents of up to ${DIFF_LENGTH_MAX} characters are compared, and one has ${length}; fetch both and compare them locally`,
      );
  // For whoever compares: a server that nobody asks would keep its twenty files in memory.
  const { createTwoFilesPatch } = await import("diff");
  const { group, dataId } = row.name;
  return new Promise((resolve, reject) => {
    createTwoFilesPatch(`${group}/${dataId}`, `${group}/${dataId}`, before, after, iso(row.contentAt), against, {
      context: 3,
      maxEditLength: EDITS_MAX,
      timeout: DIFF_MS_MAX,
      callback: (patch) =>
        patch === undefined
          ? reject(new RegistryError("invalidParameter", "the two contents differ too much to compare them"))
          : resolve(patch),
    });
  });
}
