import type { ConfigName, ConfigRow, GrayDetail, Publish, Remote } from "../client/model.ts";
import { md5Of } from "../client/v1.ts";
import { shown } from "../client/v3.ts";
import { CliError } from "../failure.ts";
import { type Migration, publishOf, type Report } from "./run.ts";

/** A gray version that the target has too, and that differs there. */
export async function otherGray({ target }: Migration, source: Remote, row: ConfigRow): Promise<string | undefined> {
  if (row.grayCount === 0) return undefined;
  // The target first: it mostly has none, and the source is not asked in vain.
  const held = (await target.grays(row)).versions;
  if (held.length === 0) return undefined;
  const { versions } = await source.grays(row);
  const other = versions.find((gray) => held.some((one) => one.name === gray.name && !sameGray(one, gray)));
  return other && `the gray version ${other.name} of ${shown(row)}`;
}

export async function copyGrays(run: Migration, report: Report, source: Remote, row: ConfigRow): Promise<void> {
  if (row.grayCount === 0) return;
  const { all, versions } = await source.grays(row);
  if (!all) report.notes.add("Gray versions by tag are not copied: the source's API lists those by ip alone.");
  if (versions.length === 0) return;
  const held = await run.target.grays(row);
  for (const gray of versions) {
    const same = held.versions.find((one) => one.name === gray.name);
    if (same !== undefined && sameGray(same, gray)) continue;
    if (same !== undefined && run.policy !== "overwrite") report.skipped++;
    // Who does not know the rule would take the content for that of the formal version.
    else if (!held.all && gray.rule.type !== "beta")
      report.notes.add("The target's API takes no gray versions by tag or by other rules: they are not copied.");
    else await copyGray(run, report, source, row, gray);
  }
}

async function copyGray(
  run: Migration,
  report: Report,
  source: Remote,
  name: ConfigName,
  gray: GrayDetail,
): Promise<void> {
  const { content, encryptedDataKey, rule } = gray;
  if (encryptedDataKey !== "" && gray.md5 !== md5Of(content)) {
    throw new CliError(
      "failed",
      `${source.base} gives the gray version ${gray.name} of ${shown(name)} decrypted only: publish it by hand.`,
    );
  }
  const publish: Publish = {
    ...publishOf(name, gray),
    ...(rule.type === "beta" && gray.name === "beta" ? { betaIps: rule.expr } : { gray }),
  };
  if (!run.dryRun) await run.target.publish(publish);
  report.gray++;
}

/** Tells what of the gray versions of the source the target has not, or otherwise. */
export async function compareGrays(
  { target }: Migration,
  source: Remote,
  row: ConfigRow,
  add: (name: ConfigName, what: "grayMissing" | "grayDiffers") => void,
): Promise<void> {
  if (row.grayCount === 0) return;
  const { versions } = await source.grays(row);
  if (versions.length === 0) return;
  const held = await target.grays(row);
  for (const gray of versions) {
    // A target that tells of the version by ip alone can not be asked for the others.
    if (!held.all && gray.rule.type !== "beta") continue;
    const same = held.versions.find((one) => one.name === gray.name);
    if (same === undefined) add(row, "grayMissing");
    else if (!sameGray(same, gray)) add(row, "grayDiffers");
  }
}

function sameGray(one: GrayDetail, other: GrayDetail): boolean {
  const of = ({ md5, rule: { type, expr, priority } }: GrayDetail) => JSON.stringify([md5, type, expr, priority]);
  return of(one) === of(other);
}
