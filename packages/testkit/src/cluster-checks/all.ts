import type { ClusterCheck } from "../cluster-sim-world.ts";
import { agreement, hashes } from "./ap1-agreement.ts";
import { gone } from "./ap3-gone.ts";
import { falseRemoval } from "./ap4-false-removal.ts";
import { lastVersion } from "./ap13-last-version.ts";
import { noShrinking } from "./ap14-no-shrinking.ts";
import { findings } from "./findings.ts";
import { members } from "./members.ts";
import { namingTables } from "./naming-tables.ts";
import { readiness } from "./readiness.ts";

/** Every check, each with what it remembers of one run. */
export function allClusterChecks(): ClusterCheck[] {
  return [
    agreement(),
    hashes(),
    gone(),
    falseRemoval(),
    lastVersion(),
    noShrinking(),
    members(),
    namingTables(),
    readiness(),
    findings(),
  ];
}
