import type { ConfigName, NamespaceRow, Remote } from "../client/model.ts";
import { countOf, forAll, type Migration, sameGray, sourcesOf } from "./migration.ts";

const DIFFERENCES_MAX = 10_000;

export interface Difference extends ConfigName {
  readonly what: "missing" | "differs" | "grayMissing" | "grayDiffers";
}

/** Compares the MD5 of every configuration of the source, and of its gray versions, with the target's. */
export async function verify(
  run: Migration,
  namespaces: readonly NamespaceRow[],
): Promise<{ compared: number; differences: Difference[] }> {
  const differences: Difference[] = [];
  let compared = 0;
  run.progress.begin("comparing", await countOf(run, namespaces));
  const add = ({ namespace, group, dataId }: ConfigName, what: Difference["what"]): void => {
    if (differences.length < DIFFERENCES_MAX) differences.push({ namespace, group, dataId, what });
  };
  for (const { id } of namespaces) {
    for (const source of sourcesOf(run, id)) {
      await forAll(run, source, id, async (row) => {
        const md5 = row.md5 !== "" ? row.md5 : (await source.config(row))?.md5;
        const held = await run.target.config(row);
        if (held === undefined) add(row, "missing");
        else if (held.md5 !== md5) add(row, "differs");
        await compareGrays(run, source, row, add);
        compared++;
        run.progress.advance();
      });
    }
  }
  return { compared, differences };
}

async function compareGrays(
  { target }: Migration,
  source: Remote,
  name: ConfigName,
  add: (name: ConfigName, what: Difference["what"]) => void,
): Promise<void> {
  const { versions } = await source.grays(name);
  if (versions.length === 0) return;
  const held = await target.grays(name);
  for (const gray of versions) {
    // A target that tells of the version by ip alone can not be asked for the others.
    if (!held.all && gray.rule.type !== "beta") continue;
    const same = held.versions.find((one) => one.name === gray.name);
    if (same === undefined) add(name, "grayMissing");
    else if (!sameGray(same, gray)) add(name, "grayDiffers");
  }
}
