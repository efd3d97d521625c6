import type { ConfigName, NamespaceRow } from "../client/model.ts";
import { compareGrays } from "./grays.ts";
import { Held } from "./held.ts";
import { countOf, forAll, type Migration, sourcesOf } from "./run.ts";

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
      // Not trusted: a list may lack what was written a moment ago.
      const held = await Held.of(run.target, id, false);
      await forAll(run, source, id, async (row) => {
        const md5 = await held.md5(row);
        if (md5 === undefined) add(row, "missing");
        else if (md5 !== row.md5) add(row, "differs");
        await compareGrays(run, source, row, add);
        compared++;
        run.progress.advance();
      });
    }
  }
  return { compared, differences };
}
