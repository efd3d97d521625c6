import { DEFAULT_NAMESPACE } from "../client/bodies.ts";
import type { NamespaceRow } from "../client/model.ts";
import { shown } from "../client/v3.ts";
import { CliError } from "../failure.ts";
import { type Copier, copyAll } from "./copy.ts";
import { otherGray } from "./grays.ts";
import { Held } from "./held.ts";
import { countIn, forAll, type Migration, namespacesOf, type Part, partsOf, type Report } from "./run.ts";

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
  const parts = await partsOf(run, namespaces);
  const total = countIn(parts);
  if (run.policy === "abort") {
    run.progress.begin("looking for other contents in the target", total);
    await survey(run, parts);
  }
  await copyNamespaces(run, namespaces, report);
  run.progress.begin(run.dryRun ? "counting" : "copying", total);
  const copier: Copier = { run, report, hasHistory: !run.sourceIsNacre };
  for (const part of parts) await copyAll(copier, part);
  notesOf(run, report);
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

/** Looks before anything is written, so that an import that aborts has changed nothing. */
async function survey(run: Migration, parts: readonly Part[]): Promise<void> {
  for (const part of parts) {
    const held = await Held.of(run.target, part, true);
    await forAll(run, part, async (row) => {
      run.progress.advance();
      if (run.state.has(row, row.md5)) return;
      const md5 = await held.md5(row);
      const what = md5 !== undefined && md5 !== row.md5 ? shown(row) : await otherGray(run, part.source, row);
      if (what === undefined) return;
      throw new CliError(
        "failed",
        `${run.target.base} already has ${what} with another content, so nothing was copied: choose --policy skip or --policy overwrite.`,
      );
    });
  }
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

function notesOf({ source, sourceIsNacre }: Migration, report: Report): void {
  if (report.copied === 0) return;
  report.notes.add(
    "The target takes no times: each copy carries the time of the import, with the user who wrote it last.",
  );
  report.notes.add("Earlier history is not copied: no API lists it for all configurations.");
  if (source.dialect === "v3" && !sourceIsNacre)
    report.notes.add("The admin API of version 3 does not give use, effect and schema.");
}
