import type { Driver } from "../../../test/cluster/lib/driver.ts";
import { SDKS } from "../../../test/cluster/lib/drivers.ts";
import type { Stage } from "../../../test/cluster/lib/stage.ts";
import type { Rig } from "./rig.ts";

/** An application on each SDK whose toolchain is here; the others are named in a remark. */
export async function employ(rig: Rig, stage: Stage): Promise<Driver[]> {
  const present = SDKS.filter(({ name, build }) => {
    const missing = build.missing();
    if (missing !== undefined) rig.remark(`${name} is left out: ${missing}.`);
    return missing === undefined;
  });
  // One after the other: each may have to be built, on all processors.
  for (const { build } of present) await build.ready();
  return Promise.all(present.map((sdk) => stage.app(sdk)));
}
