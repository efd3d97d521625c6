import type { ConfigName, NamespaceRow } from "../client/model.ts";
import { compareGrays } from "./grays.ts";
import { Held } from "./held.ts";
import { countIn, forAll, type Migration, partsOf } from "./run.ts";

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
  const add = ({ namespace, group, dataId }: ConfigName, what: Difference["what"]): void => {
    if (differences.length < DIFFERENCES_MAX) differences.push({ namespace, group, dataId, what });
  };
  const parts = await partsOf(run, namespaces);
  run.progress.begin("comparing", countIn(parts));
  for (const part of parts) {
    // Not trusted: a list may lack what was written a moment ago.
    const held = await Held.of(run.target, part, false);
    await forAll(run, part, async (row) => {
      const md5 = await held.md5(row);
      if (md5 === undefined) add(row, "missing");
      else if (md5 !== row.md5) add(row, "differs");
      await compareGrays(run, part.source, row, add);
      compared++;
      run.progress.advance();
    });
  }
  return { compared, differences };
}
