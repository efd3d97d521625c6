import type { ClusterCheck } from "../cluster-sim-world.ts";
import { assertNamingInvariants } from "../naming-invariants.ts";

/** A recount of everything is not cheap. */
const EVERY_LOOKS = 5;

/** What naming says of itself, on every member. */
export function namingTables(): ClusterCheck {
  let looks = 0;
  return {
    name: "naming",
    look(world) {
      if (looks++ % EVERY_LOOKS !== 0) return;
      for (const { naming } of world.members) assertNamingInvariants(naming.state);
    },
  };
}
