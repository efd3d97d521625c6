import { type ConfigName, DEFAULT_CONFIG_TYPE } from "@nacre/protocol";
import { type Refusal, refusal } from "../lib/refusal.ts";
import { capacityRefused } from "./capacity.ts";
import type { ConfigCommand } from "./commands.ts";
import { announce, answer, type Entry, rowId, write } from "./entry.ts";
import { withGray, withoutGray } from "./gray.ts";
import { compileRule, grayNameRefused } from "./gray-rule.ts";
import type { Item, Version } from "./model.ts";
import { noteChange } from "./notify.ts";
import { type ConfigState, ensureItem, findItem, forgetIfUnused, type Turn } from "./state.ts";
import { grayVersionOf, ownType, setVersions, versionOf } from "./versions.ts";

type Publish = Extract<ConfigCommand, { type: "publishConfig" }>;
type Remove = Extract<ConfigCommand, { type: "removeConfigs" }>;

/** SDKs recognise a lost race by this text: there is no number for it on the wire. */
const CAS_LOST = "Cas publish fail, server md5 may have changed.";

/** The version that a publish of `gray`, or else of the formal one, replaces. */
function heldBy(item: Item | undefined, gray: string | undefined): Version | undefined {
  return gray === undefined ? item?.formal : item?.grays.find(({ name }) => name === gray);
}

export function publishRefused(
  state: ConfigState,
  { name, gray, content, terms, capacity }: Publish,
): Refusal | undefined {
  if (gray !== undefined) {
    const rule = compileRule(gray.rule, "");
    const refused = grayNameRefused(gray) ?? (rule.type === "refuse" ? rule : undefined);
    if (refused !== undefined) return refused;
  }
  const item = findItem(state, name);
  const held = heldBy(item, gray?.name);
  if (terms.insertOnly === true && held !== undefined) return configExists(name);
  return (
    casLost(terms.expectedMd5, held) ??
    capacityRefused(state, capacity, [{ name, bytes: content.bytes, added: gray === undefined && held === undefined }])
  );
}

export function publish(turn: Turn, entry: Entry, command: Publish): void {
  const { state } = turn;
  const { name, gray, content, by } = command;
  const item = ensureItem(state, name);
  const held = heldBy(item, gray?.name);
  const existed = item.formal !== undefined;
  // G8: a version without a type of its own, as gray ones are published by most, is what the formal one is.
  const type = command.fields.type ?? held?.type ?? item.formal?.type ?? DEFAULT_CONFIG_TYPE;
  const fields = { ...command.fields, type };
  const head = { ...content, type, revision: entry.index, modifiedAt: entry.at };
  const nid = rowId(entry, 0);
  const row = { name: item.name, content, fields, revision: entry.index, at: entry.at, by };
  write(turn, {
    kind: "history",
    nid,
    name: item.name,
    gray: gray?.name,
    op: held === undefined ? "I" : "U",
    at: entry.at,
    by,
  });
  if (gray === undefined) {
    const id = existed ? item.id : nid;
    write(turn, { kind: "putConfig", id, ...row });
    setVersions(state, item, id, versionOf(content, ownType(type), entry.index, entry.at), item.grays);
  } else {
    write(turn, { kind: "putGray", id: nid, gray, ...row });
    const grays = withGray(item.grays, grayVersionOf(head, gray.name, gray.rule, item.key));
    setVersions(state, item, item.id, item.formal, grays);
  }
  noteChange(state, item, existed);
  announce(turn, [item.key]);
  answer(turn, { type: "published", id: item.id, revision: entry.index, created: held === undefined });
}

export function removeRefused(state: ConfigState, { names, gray, expectedMd5 }: Remove): Refusal | undefined {
  if (expectedMd5 === undefined) return undefined;
  const [name, ...more] = names;
  if (name === undefined || more.length > 0)
    return refusal("invalidParameter", "an expected md5 goes with the removal of one configuration only");
  return casLost(expectedMd5, heldBy(findItem(state, name), gray));
}

export function remove(turn: Turn, entry: Entry, { names, gray, by }: Remove): void {
  const { state } = turn;
  const touched: Item[] = [];
  for (const [position, name] of names.entries()) {
    const item = findItem(state, name);
    if (item === undefined || heldBy(item, gray) === undefined) continue;
    const existed = item.formal !== undefined;
    write(turn, { kind: "history", nid: rowId(entry, position), name: item.name, gray, op: "D", at: entry.at, by });
    if (gray === undefined) {
      write(turn, { kind: "removeConfig", name: item.name });
      setVersions(state, item, 0, undefined, item.grays);
    } else {
      write(turn, { kind: "removeGray", name: item.name, gray });
      setVersions(state, item, item.id, item.formal, withoutGray(item.grays, gray));
    }
    noteChange(state, item, existed);
    forgetIfUnused(state, item);
    touched.push(item);
  }
  announce(
    turn,
    touched.map(({ key }) => key),
  );
  answer(turn, { type: "removed", removed: touched.map(({ name }) => name) });
}

function casLost(expectedMd5: string | undefined, held: Version | undefined): Refusal | undefined {
  return expectedMd5 === undefined || expectedMd5 === (held?.md5 ?? "")
    ? undefined
    : refusal("configConflict", CAS_LOST);
}

function configExists({ dataId, group, namespace }: ConfigName): Refusal {
  return refusal("configExists", `config already exist, dataId: ${dataId}, group: ${group}, namespaceId: ${namespace}`);
}
