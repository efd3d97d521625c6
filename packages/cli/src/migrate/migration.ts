import { DEFAULT_NAMESPACE } from "../client/bodies.ts";
import { NoAnswer } from "../client/http.ts";
import type {
  ConfigDetail,
  ConfigName,
  ConfigRow,
  GrayDetail,
  NamespaceRow,
  Policy,
  Publish,
  Remote,
} from "../client/model.ts";
import { md5Of } from "../client/v1.ts";
import { pagesOf, shown } from "../client/v3.ts";
import { CliError } from "../failure.ts";
import { each } from "./each.ts";
import type { Progress } from "./progress.ts";
import type { StateFile } from "./state-file.ts";

const PAGE_SIZE = 100;
const CONCURRENCY = 8;
const FAILURES_SHOWN = 50;

/** One run from a source to a target. */
export interface Migration {
  readonly source: Remote;
  /** Up to 2.x a namespace `public` may exist beside the default one; undefined where they are one. */
  readonly spelledPublic: Remote | undefined;
  readonly target: Remote;
  /** Only these namespaces; empty for all. */
  readonly only: readonly string[];
  readonly policy: Policy;
  readonly dryRun: boolean;
  readonly state: StateFile;
  readonly progress: Progress;
  readonly stopped: AbortSignal;
}

export interface Report {
  namespaces: number;
  copied: number;
  /** Has the same MD5 in the target. */
  same: number;
  /** Differs in the target and was left as it is. */
  skipped: number;
  gray: number;
  failed: number;
  /** The first of them. */
  readonly failures: (ConfigName & { readonly why: string })[];
  /** What this source and this target cannot carry over. */
  readonly notes: Set<string>;
}

export function newReport(): Report {
  return { namespaces: 0, copied: 0, same: 0, skipped: 0, gray: 0, failed: 0, failures: [], notes: new Set() };
}

/**
 * Copies namespaces, configurations and their gray versions. Fills `report` as it goes.
 *
 * @throws CliError when a namespace that is named is not in the source; with policy `abort`, before anything is written,
 * when a configuration or gray version exists with another content; and when one of the servers is gone for good. What
 * was done until then is in the state file.
 */
export async function migrate(run: Migration, report: Report): Promise<void> {
  await refuseStrangers(run);
  const namespaces = await namespacesOf(run, report);
  const total = await countOf(run, namespaces);
  if (run.policy === "abort") {
    run.progress.begin("looking for other contents in the target", total);
    await survey(run, namespaces);
  }
  await copyNamespaces(run, namespaces, report);
  run.progress.begin(run.dryRun ? "counting" : "copying", total);
  const copier: Copier = { run, report, hasHistory: true };
  for (const { id } of namespaces) {
    for (const source of sourcesOf(run, id)) await copyAll(copier, source, id);
  }
  notesOf(run, report);
}

/** Every configuration of the source, a page at a time, its rows `CONCURRENCY` at a time. */
export async function forAll(
  run: Migration,
  source: Remote,
  namespace: string,
  work: (row: ConfigRow) => Promise<void>,
): Promise<{ seen: number; total: number }> {
  let seen = 0;
  let total = 0;
  for await (const page of pagesOf((of) => source.configs({ namespace }, of), PAGE_SIZE)) {
    seen += page.items.length;
    total = page.total;
    await each(page.items, CONCURRENCY, (row) => {
      if (!run.stopped.aborted) return work({ ...row, namespace });
      throw new CliError("failed", "Stopped on a signal: the same command goes on where this one ended.");
    });
  }
  return { seen, total };
}

export function sourcesOf({ source, spelledPublic }: Migration, namespace: string): Remote[] {
  return namespace === DEFAULT_NAMESPACE && spelledPublic !== undefined ? [source, spelledPublic] : [source];
}

export async function namespacesOf({ source, only }: Migration, report: Report): Promise<NamespaceRow[]> {
  const row = (id: string): NamespaceRow => ({ id, name: id, description: "", configCount: 0, quota: 0 });
  const listed = await source.namespaces().catch((thrown: unknown) => {
    if (!(thrown instanceof CliError) || thrown instanceof NoAnswer) throw thrown;
    report.notes.add(`The source lists no namespaces (${thrown.message}) name those to copy with --namespace.`);
    return [row(DEFAULT_NAMESPACE)];
  });
  return only.length === 0 ? listed : only.map((id) => listed.find((one) => one.id === id) ?? row(id));
}

/** A namespace that nobody made may hold configurations all the same; one that holds none is a slip of the pen. */
async function refuseStrangers({ source, only }: Migration): Promise<void> {
  for (const id of only) {
    if ((await source.configs({ namespace: id }, { page: 1, size: 1 })).total > 0) continue;
    const listed = await source.namespaces().catch(() => undefined);
    if (listed === undefined || listed.some((one) => one.id === id)) continue;
    throw new CliError(
      "notFound",
      `${source.base} has no namespace ${id}: see nacre namespace ls --server ${source.base}.`,
    );
  }
}

export async function countOf(run: Migration, namespaces: readonly NamespaceRow[]): Promise<number> {
  let total = 0;
  for (const { id } of namespaces) {
    for (const source of sourcesOf(run, id)) {
      total += (await source.configs({ namespace: id }, { page: 1, size: 1 })).total;
    }
  }
  return total;
}

/** Looks before anything is written, so that an import that aborts has changed nothing. */
async function survey(run: Migration, namespaces: readonly NamespaceRow[]): Promise<void> {
  for (const { id } of namespaces) {
    for (const source of sourcesOf(run, id)) {
      await forAll(run, source, id, async (row) => {
        run.progress.advance();
        if (run.state.has(row, row.md5)) return;
        const held = await run.target.config(row);
        const what = held !== undefined && held.md5 !== row.md5 ? shown(row) : await otherGray(run, source, row);
        if (what === undefined) return;
        throw new CliError(
          "failed",
          `${run.target.base} already has ${what} with another content, so nothing was copied: choose --policy skip or --policy overwrite.`,
        );
      });
    }
  }
}

/** A gray version that the target has too, and that differs there. */
async function otherGray({ target }: Migration, source: Remote, name: ConfigName): Promise<string | undefined> {
  // The target first: it mostly has none, and the source is not asked in vain.
  const held = (await target.grays(name)).versions;
  if (held.length === 0) return undefined;
  const { versions } = await source.grays(name);
  const other = versions.find((gray) => held.some((one) => one.name === gray.name && !sameGray(one, gray)));
  return other && `the gray version ${other.name} of ${shown(name)}`;
}

async function copyNamespaces(
  { target, policy, dryRun }: Migration,
  namespaces: readonly NamespaceRow[],
  report: Report,
): Promise<void> {
  const held = new Map((await target.namespaces()).map((one) => [one.id, one]));
  for (const { id, name, description } of namespaces) {
    const there = held.get(id);
    if (id === DEFAULT_NAMESPACE) continue;
    const differs = there !== undefined && (there.name !== name || there.description !== description);
    if (there !== undefined && !(differs && policy === "overwrite")) continue;
    if (!dryRun) {
      // A namespace that exists because something is in it can be made by hand all the same, on some servers.
      const write = there === undefined ? target.createNamespace : target.updateNamespace;
      await write({ id, name, description });
    }
    report.namespaces++;
  }
}

interface Copier {
  readonly run: Migration;
  readonly report: Report;
  /** Until the source answers that it has none. */
  hasHistory: boolean;
}

async function copyAll(copier: Copier, source: Remote, namespace: string): Promise<void> {
  const { run, report } = copier;
  try {
    const { seen, total } = await forAll(run, source, namespace, async (row) => {
      try {
        await copy(copier, source, row);
      } catch (thrown) {
        // A server that is gone fails every item after this one too; a refusal is about this one alone.
        if (!(thrown instanceof CliError) || thrown instanceof NoAnswer) throw thrown;
        fail(report, row, thrown.message);
      }
      run.progress.advance();
      if (run.state.unsaved >= PAGE_SIZE) await run.state.save();
    });
    if (seen < total) {
      report.notes.add(`The source changed while ${namespace} was read (${seen} of ${total}): run the command again.`);
    }
  } finally {
    await run.state.save();
  }
}

async function copy(copier: Copier, source: Remote, row: ConfigRow): Promise<void> {
  const { run, report } = copier;
  const { target, policy, state } = run;
  if (row.md5 !== "" && state.has(row, row.md5)) {
    report.same++;
    return;
  }
  const held = await target.config(row);
  if (held !== undefined && held.md5 === row.md5) report.same++;
  else if (held !== undefined && policy === "skip") {
    report.skipped++;
    return;
  } else if (held !== undefined && policy === "abort") {
    throw new CliError("failed", `${shown(row)} was written in the target meanwhile.`);
  } else if (!(await copyFormal(copier, source, row, held))) return;
  await copyGrays(copier, source, row);
  if (row.md5 !== "") state.add(row, row.md5);
}

/** @returns false when it is no longer there. */
async function copyFormal(
  copier: Copier,
  source: Remote,
  name: ConfigName,
  held: ConfigDetail | undefined,
): Promise<boolean> {
  const { run, report } = copier;
  const detail = await source.config(name);
  if (detail === undefined) return false;
  const { content, encryptedDataKey } = await untouched(source, detail);
  if (!detail.complete) {
    report.notes.add("The source's API gives no descriptions, tags and applications: they are not copied.");
  }
  const user = detail.user !== "" ? detail.user : await lastUser(copier, source, name);
  const { type, app, tags, description, use, effect, schema } = detail;
  const publish: Publish = {
    namespace: name.namespace,
    group: name.group,
    dataId: name.dataId,
    content,
    type: type || undefined,
    app: app || undefined,
    tags: tags || undefined,
    description: description || undefined,
    use,
    effect,
    schema,
    encryptedDataKey: encryptedDataKey || undefined,
    user: user || undefined,
    ifMd5: held?.md5,
  };
  if (!run.dryRun) await published(run.target, publish);
  report.copied++;
  return true;
}

/** A repeated compare-and-set loses against its own first try when only the answer to that was lost. */
async function published(target: Remote, publish: Publish): Promise<void> {
  try {
    await target.publish(publish);
  } catch (thrown) {
    if (publish.ifMd5 === undefined || thrown instanceof NoAnswer) throw thrown;
    if ((await target.config(publish))?.md5 !== md5Of(publish.content)) throw thrown;
  }
}

/** The stored content with its key. Servers that hold the key of a cipher decrypt what their consoles read. */
async function untouched(source: Remote, detail: ConfigDetail): Promise<{ content: string; encryptedDataKey: string }> {
  const { content, encryptedDataKey, md5 } = detail;
  if (encryptedDataKey === "" || md5 === md5Of(content)) return detail;
  const stored = await source.stored(detail);
  if (stored !== undefined && md5Of(stored.content) === md5) return stored;
  throw new CliError(
    "failed",
    `${source.base} gives ${shown(detail)} decrypted only: publish it by hand, with the cipher of the target.`,
  );
}

async function lastUser(copier: Copier, source: Remote, name: ConfigName): Promise<string> {
  if (!copier.hasHistory) return "";
  try {
    return (await source.history(name, { page: 1, size: 1 })).items[0]?.user ?? "";
  } catch (thrown) {
    if (!(thrown instanceof CliError) || thrown instanceof NoAnswer) throw thrown;
    copier.hasHistory = false;
    return "";
  }
}

async function copyGrays(copier: Copier, source: Remote, name: ConfigName): Promise<void> {
  const { run, report } = copier;
  const { all, versions } = await source.grays(name);
  if (!all) report.notes.add("Gray versions by tag are not copied: the source's API lists those by ip alone.");
  if (versions.length === 0) return;
  const held = await run.target.grays(name);
  for (const gray of versions) {
    const same = held.versions.find((one) => one.name === gray.name);
    if (same !== undefined && sameGray(same, gray)) continue;
    if (same !== undefined && run.policy !== "overwrite") report.skipped++;
    // Who does not know the rule would take the content for that of the formal version.
    else if (!held.all && gray.rule.type !== "beta")
      report.notes.add("The target's API takes no gray versions by tag or by other rules: they are not copied.");
    else await copyGray(copier, source, name, gray);
  }
}

async function copyGray({ run, report }: Copier, source: Remote, name: ConfigName, gray: GrayDetail): Promise<void> {
  const { content, type, app, encryptedDataKey, user, rule } = gray;
  const { namespace, group, dataId } = name;
  if (encryptedDataKey !== "" && gray.md5 !== md5Of(content)) {
    throw new CliError(
      "failed",
      `${source.base} gives the gray version ${gray.name} of ${shown(name)} decrypted only: publish it by hand.`,
    );
  }
  const publish: Publish = {
    namespace,
    group,
    dataId,
    content,
    type: type || undefined,
    app: app || undefined,
    encryptedDataKey: encryptedDataKey || undefined,
    user: user || undefined,
    ...(rule.type === "beta" && gray.name === "beta" ? { betaIps: rule.expr } : { gray }),
  };
  if (!run.dryRun) await run.target.publish(publish);
  report.gray++;
}

export function sameGray(one: GrayDetail, other: GrayDetail): boolean {
  const of = ({ md5, rule: { type, expr, priority } }: GrayDetail) => JSON.stringify([md5, type, expr, priority]);
  return of(one) === of(other);
}

function fail(report: Report, { namespace, group, dataId }: ConfigName, why: string): void {
  report.failed++;
  if (report.failures.length < FAILURES_SHOWN) report.failures.push({ namespace, group, dataId, why });
}

function notesOf({ source }: Migration, report: Report): void {
  if (report.copied === 0) return;
  report.notes.add(
    "The target takes no times: each copy carries the time of the import, with the user who wrote it last.",
  );
  report.notes.add("Earlier history is not copied: no API lists it for all configurations.");
  if (source.dialect === "v3") report.notes.add("The admin API of version 3 does not give use, effect and schema.");
}
