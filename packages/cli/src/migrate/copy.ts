import { NoAnswer } from "../client/http.ts";
import type { ConfigDetail, ConfigName, ConfigRow, Publish, Remote } from "../client/model.ts";
import { md5Of } from "../client/v1.ts";
import { Conflict, shown } from "../client/v3.ts";
import { CliError } from "../failure.ts";
import { copyGrays } from "./grays.ts";
import { Held } from "./held.ts";
import { forAll, type Migration, PAGE_SIZE, type Part, publishOf, type Report } from "./run.ts";

const FAILURES_SHOWN = 50;
/** Of one configuration that somebody else writes in the target at the same time. */
const TRIES_MAX = 3;

export interface Copier {
  readonly run: Migration;
  readonly report: Report;
  /** Until the source answers that it has none. */
  hasHistory: boolean;
}

export async function copyAll(copier: Copier, part: Part): Promise<void> {
  const { run, report } = copier;
  const { source, namespace } = part;
  const held = await Held.of(run.target, part, run.targetIsNacre);
  try {
    const { seen, total } = await forAll(run, part, async (row) => {
      try {
        await copy(copier, source, row, held);
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

async function copy(copier: Copier, source: Remote, row: ConfigRow, held: Held): Promise<void> {
  const { run, report } = copier;
  if (run.state.has(row, row.md5)) {
    report.same++;
    return;
  }
  const md5 = await held.md5(row);
  if (md5 === row.md5) report.same++;
  else if (!(await copyFormal(copier, source, row, md5))) return;
  await copyGrays(run, report, source, row);
  run.state.add(row, row.md5);
}

/**
 * Publishes what the source has only over `held`, the MD5 that the policy was asked about. Who wrote in the target meanwhile
 * makes it a matter for the policy again.
 *
 * @returns false when it is left as it is in the target, or no longer in the source.
 */
async function copyFormal(copier: Copier, source: Remote, row: ConfigRow, held: string | undefined): Promise<boolean> {
  const { run, report } = copier;
  const { target, policy } = run;
  let replaced = held;
  let publish: Publish | undefined;
  for (let tries = 1; ; tries++) {
    if (replaced !== undefined && policy === "skip") {
      report.skipped++;
      return false;
    }
    if (replaced !== undefined && policy === "abort") {
      throw new CliError("failed", `${shown(row)} was written in the target meanwhile.`);
    }
    publish ??= await wholeOf(copier, source, row);
    if (publish === undefined) return false;
    try {
      if (!run.dryRun) await target.publish({ ...publish, ifMd5: replaced, insertOnly: replaced === undefined });
      break;
    } catch (thrown) {
      if (!(thrown instanceof Conflict)) throw thrown;
      replaced = (await target.config(row))?.md5;
      // A repeated publish loses against its own first try when only the answer to that was lost.
      if (replaced === md5Of(publish.content)) break;
      if (tries === TRIES_MAX) throw thrown;
    }
  }
  report.copied++;
  return true;
}

/** @returns undefined when it is no longer there. */
async function wholeOf(copier: Copier, source: Remote, row: ConfigRow): Promise<Publish | undefined> {
  const detail = await source.config(row);
  if (detail === undefined) return undefined;
  const stored = await untouched(source, detail);
  if (!detail.complete) {
    copier.report.notes.add("The source's API gives no descriptions, tags and applications: they are not copied.");
  }
  const user = detail.user ?? (await lastUser(copier, source, row));
  const { type, app, tags, description, use, effect, schema } = detail;
  return {
    ...publishOf(row, { ...stored, type, app, user }),
    tags: tags || undefined,
    description: description || undefined,
    use,
    effect,
    schema,
  };
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

function fail(report: Report, { namespace, group, dataId }: ConfigName, why: string): void {
  report.failed++;
  if (report.failures.length < FAILURES_SHOWN) report.failures.push({ namespace, group, dataId, why });
}
