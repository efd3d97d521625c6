import type { Command } from "commander";
import { fieldOf, type Http } from "../../client/http.ts";
import type { ConfigDetail, ConfigName, HistoryDetail, PageOf, Remote } from "../../client/model.ts";
import { md5Of } from "../../client/v1.ts";
import { CONFLICT, Conflict, dataOf, pagesOf, shown } from "../../client/v3.ts";
import { CliError } from "../../failure.ts";
import type { Context, Register } from "../../index.ts";
import { unifiedDiff } from "../../show/diff.ts";
import { table, timeText } from "../../show/table.ts";
import { open, type PageOptions, pageOptions, type ScopedOptions, scopedOptions, show, showPage } from "../remote.ts";
import { existing, nameIn } from "./read.ts";
import { ifMd5Option } from "./values.ts";

const SCAN_PAGE = 500;
const OPS: Readonly<Record<string, string>> = { I: "made", U: "changed", D: "removed" };

/** `nacre config history`. */
export const historyCommand: Register = (parent, context) => {
  const command = parent.command("history <dataId>").description("List the changes of a configuration, newest first.");
  pageOptions(scopedOptions(command, context)).action(async (dataId: string, options: ScopedOptions & PageOptions) => {
    const { remote } = await open(options, context);
    const page = await remote.history(nameIn(dataId, options), { page: options.page, size: options.pageSize });
    const items = page.items.map(({ nid, op, kind, user, ip, at }) => ({ nid, op, kind, user, ip, at }));
    showPage(context, options, { ...page, items }, ["NID", "TIME", "CHANGE", "KIND", "USER", "FROM"], (row) => [
      row.nid,
      timeText(row.at),
      OPS[row.op] ?? row.op,
      row.kind,
      row.user,
      row.ip,
    ]);
  });
};

/** `nacre config rollback`: by the server where it can, else by publishing what the row holds. */
export const rollbackCommand: Register = (parent, context) => {
  const command = parent
    .command("rollback <nid> [dataId]")
    .description("Make the state before a change true again. Servers other than Nacre need the data id too.")
    .addOption(ifMd5Option());
  scopedOptions(command, context).action(
    async (nid: string, dataId: string | undefined, options: ScopedOptions & { ifMd5?: string }) => {
      const { http, remote } = await open(options, context);
      const form = { nid, casMd5: options.ifMd5 };
      const answer = await http.call("POST", "/v3/admin/cs/history/rollback", { form });
      if (options.ifMd5 !== undefined && fieldOf(answer.json, "code") === CONFLICT) {
        throw new Conflict(http, { dataId: dataId ?? `the configuration of row ${nid}`, ifMd5: options.ifMd5 });
      }
      const lacks = [404, 405, 410, 501].includes(answer.status) && fieldOf(answer.json, "code") === undefined;
      const outcome = lacks
        ? await rollBack(http, remote, nid, dataId, options)
        : outcomeOf(dataOf(http, answer, `the rollback of ${nid}`));
      show(context, options, { nid, outcome }, () =>
        outcome === "removed"
          ? `Rolled back ${nid}: the configuration is removed again.\n`
          : `Rolled back ${nid}: the state before it is published again.\n`,
      );
    },
  );
};

interface DiffOptions extends ScopedOptions {
  readonly withNamespace?: string;
}

/** `nacre config diff`: two rows of the history, a row and now, or two namespaces. Ends with 1 when they differ. */
export const diffCommand: Register = (parent, context) => {
  const command: Command = parent
    .command("diff [dataId] [nid] [nid2]")
    .description(
      "Compare a history row with now or with another row, or two namespaces. Ends with 1 when there is a difference.",
    )
    .option("--with-namespace <id>", "compare with this namespace: one configuration, or all of them");
  scopedOptions(command, context).action(
    async (dataId: string | undefined, nid: string | undefined, nid2: string | undefined, options: DiffOptions) => {
      const other = options.withNamespace;
      if (other === undefined ? nid === undefined : nid !== undefined) {
        throw new CliError("usage", "Give a data id and one or two history ids, or --with-namespace.");
      }
      const { remote } = await open(options, context);
      if (other !== undefined && dataId === undefined) return diffNamespaces(remote, options, other, context);
      const name = nameIn(dataId ?? "", options);
      const [before, after] =
        other === undefined
          ? await Promise.all([
              rowState(remote, name, nid ?? ""),
              nid2 === undefined ? now(remote, name) : rowState(remote, name, nid2),
            ])
          : await inBoth(remote, name, other);
      const text = unifiedDiff(before.content, after.content, [before.label, after.label]);
      show(context, options, { differs: text !== "", before, after, diff: text }, () => text);
      if (text !== "") context.exit(1);
    },
  );
};

interface State {
  readonly label: string;
  readonly content: string;
}

async function rowState(remote: Remote, name: ConfigName, nid: string): Promise<State> {
  const { content, at, op } = await row(remote, name, nid);
  return { label: `${name.dataId} ${op === "I" ? "made" : "before"} ${nid} (${timeText(at)})`, content };
}

async function now(remote: Remote, name: ConfigName): Promise<State> {
  return nowOf(name, await remote.config(name));
}

function nowOf({ dataId, namespace }: ConfigName, held: ConfigDetail | undefined): State {
  return { label: `${dataId} now, ${namespace}`, content: held?.content ?? "" };
}

/** One of them may be absent, which is a difference. @throws CliError `notFound` when both are. */
async function inBoth(remote: Remote, name: ConfigName, other: string): Promise<[State, State]> {
  const there = { ...name, namespace: other };
  const [held, otherHeld] = await Promise.all([remote.config(name), remote.config(there)]);
  if (held !== undefined || otherHeld !== undefined) return [nowOf(name, held), nowOf(there, otherHeld)];
  throw new CliError(
    "notFound",
    `${remote.base} has no configuration ${shown(name)}, and none in namespace ${other}: see nacre config ls.`,
  );
}

async function row(remote: Remote, name: ConfigName, nid: string): Promise<HistoryDetail> {
  const found = await remote.historyRow(name, nid);
  if (found !== undefined) return found;
  throw new CliError(
    "notFound",
    `${remote.base} has no history row ${nid} of ${shown(name)}: see nacre config history ${name.dataId}.`,
  );
}

function outcomeOf(data: unknown): "published" | "removed" {
  const said = typeof data === "string" ? data : (fieldOf(data, "outcome") ?? fieldOf(data, "result"));
  return said === "removed" ? "removed" : "published";
}

/** A row of a change or a removal holds the state before it; the row that made a configuration has none before it. */
async function rollBack(
  http: Http,
  remote: Remote,
  nid: string,
  dataId: string | undefined,
  options: ScopedOptions & { ifMd5?: string },
): Promise<"published" | "removed"> {
  if (dataId === undefined) {
    throw new CliError(
      "usage",
      `${remote.base} finds a history row by its configuration: nacre config rollback ${nid} <dataId>.`,
    );
  }
  const name = nameIn(dataId, options);
  const found = await row(remote, name, nid);
  if (found.gray !== "") {
    throw new CliError("failed", `Row ${nid} is of the gray version ${found.gray}, which only Nacre rolls back.`);
  }
  if (found.encryptedDataKey !== "" && found.md5 !== md5Of(found.content)) {
    throw new CliError(
      "failed",
      `${remote.base} gives row ${nid} decrypted only: publish its content with the cipher.`,
    );
  }
  const held = await remote.config(name);
  if (options.ifMd5 !== undefined && held?.md5 !== options.ifMd5) {
    throw new Conflict(http, { dataId, ifMd5: options.ifMd5 });
  }
  if (found.op === "I") {
    await remote.remove(name);
    return "removed";
  }
  const { content, app, encryptedDataKey } = found;
  const { type, tags, description, use, effect, schema, md5 } = held ?? {};
  await remote.publish({
    ...name,
    content,
    app,
    encryptedDataKey,
    type,
    tags,
    description,
    use,
    effect,
    schema,
    ifMd5: md5,
  });
  return "published";
}

interface Difference {
  readonly group: string;
  readonly dataId: string;
  readonly what: "missing" | "differs" | "extra";
}

async function diffNamespaces(remote: Remote, options: DiffOptions, other: string, context: Context): Promise<void> {
  const [here, there] = await Promise.all([heads(remote, options.namespace), heads(remote, other)]);
  if (here.size === 0 && there.size === 0) await refuseUnknown(remote, options.namespace, other);
  const found: Difference[] = [];
  for (const [key, { group, dataId, md5 }] of here) {
    const match = there.get(key);
    if (match === undefined) found.push({ group, dataId, what: "missing" });
    else if (match.md5 !== md5) found.push({ group, dataId, what: "differs" });
    there.delete(key);
  }
  for (const { group, dataId } of there.values()) found.push({ group, dataId, what: "extra" });
  const told = { missing: `not in ${other}`, differs: "differs", extra: `only in ${other}` };
  show(context, options, { differs: found.length > 0, differences: found }, () =>
    found.length === 0
      ? ""
      : table(
          ["DATA ID", "GROUP", "DIFFERENCE"],
          found.map(({ dataId, group, what }) => [dataId, group, told[what]]),
        ),
  );
  if (found.length > 0) context.exit(1);
}

/** @throws CliError `notFound` when there is neither. */
async function refuseUnknown(remote: Remote, namespace: string, other: string): Promise<void> {
  const listed = await remote.namespaces();
  if (listed.some(({ id }) => id === namespace || id === other)) return;
  throw new CliError(
    "notFound",
    `${remote.base} has no namespace ${namespace}, and none ${other}: see nacre namespace ls.`,
  );
}

async function heads(remote: Remote, namespace: string) {
  const held = new Map<string, { group: string; dataId: string; md5: string }>();
  for await (const { items } of pagesOf((page: PageOf) => remote.configs({ namespace }, page), SCAN_PAGE)) {
    for (const { group, dataId, md5: listed } of items) {
      // Some lists leave the MD5 out.
      const md5 = listed !== "" ? listed : (await existing(remote, { namespace, group, dataId })).md5;
      held.set(`${group}\n${dataId}`, { group, dataId, md5 });
    }
  }
  return held;
}
