import type { ConfigName, NamespaceRow } from "../client/model.ts";
import { forAll, type Migration, sourcesOf } from "./migration.ts";

const DIFFERENCES_MAX = 10_000;

export interface Difference extends ConfigName {
  readonly what: "missing" | "differs" | "grayMissing" | "grayDiffers";
}

/** Compares the MD5 of every configuration of the source, and of its gray version by ip, with the target's. */
export async function verify(
  run: Migration,
  namespaces: readonly NamespaceRow[],
): Promise<{ compared: number; differences: Difference[] }> {
  const differences: Difference[] = [];
  let compared = 0;
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
        const gray = await source.beta(row);
        const heldGray = gray === undefined ? undefined : await run.target.beta(row);
        if (gray !== undefined && heldGray === undefined) add(row, "grayMissing");
        else if (gray?.md5 !== heldGray?.md5) add(row, "grayDiffers");
        compared++;
        run.progress.advance();
      });
    }
  }
  return { compared, differences };
}
